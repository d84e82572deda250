"""What people type: get -w, logs, exec, describe; and what Prometheus reads."""

import subprocess
import threading

import pytest

from e2e import operating
from e2e.cluster import Cluster
from e2e.manifests import DIALECTS, XGBOOST, Kind, Replicas, job
from e2e.namespace import Namespace
from e2e.programs import UNTIL_TOLD, Program
from e2e.waiting import until

BY_DIALECT = pytest.mark.parametrize("kind", DIALECTS, ids=str)


@BY_DIALECT
def test_get_watch_shows_every_state(namespace: Namespace, kind: Kind) -> None:
    argv = namespace.cluster.kubectl_argv(
        f"--namespace={namespace.name}", "get", kind.resource.group_resource, "--watch", "--output-watch-events"
    )
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as watch:
        assert watch.stdout is not None
        lines: list[str] = []
        reader = threading.Thread(target=lambda stream: lines.extend(stream), args=(watch.stdout,))
        reader.start()
        try:
            running = namespace.submit(job(kind, "watched", {"Master": Replicas(program=Program(seconds=3))}))
            running.until("Succeeded")
            until("the last state", lambda: "".join(lines), lambda text: "Succeeded" in text, seconds=20)
        finally:
            watch.terminate()
            reader.join()
    shown = [line.split()[2] for line in lines if " watched " in line and len(line.split()) > 2]
    states = [state for state in ("Created", "Running", "Succeeded") if state in shown]
    assert states[-2:] == ["Running", "Succeeded"], lines
    assert sorted(shown, key=["Created", "Running", "Succeeded"].index) == shown, lines


@BY_DIALECT
def test_describe_tells_the_events(namespace: Namespace, kind: Kind) -> None:
    running = namespace.submit(job(kind, "told", {"Master": Replicas(program=Program(seconds=0))}))
    running.until("Succeeded")
    until("the events", running.reasons, lambda found: len(found) >= 2)
    text = namespace.kubectl("describe", kind.resource.group_resource, "told")
    assert "SuccessfulCreatePod" in text
    assert "told-master-0" in text
    assert str(running.conditions()["Succeeded"]["reason"]) in text


@pytest.mark.real_pods
def test_logs_and_exec(namespace: Namespace) -> None:
    running = namespace.submit(job(XGBOOST, "spoken", {"Master": Replicas(program=UNTIL_TOLD)}))
    namespace.until_pod("spoken-master-0")
    until("the first line", lambda: namespace.kubectl("logs", "spoken-master-0"))
    environment = namespace.kubectl("exec", "spoken-master-0", "--", "env").splitlines()
    assert "WORLD_SIZE=1" in environment
    assert "RANK=0" in environment
    namespace.end("spoken-master-0")
    running.until("Succeeded")
    assert namespace.kubectl("logs", "spoken-master-0").splitlines() == [
        "spoken-master-0 begins",
        "spoken-master-0 ends with 0",
    ]


@pytest.mark.real_pods
def test_replicas_find_each_other_by_name(namespace: Namespace) -> None:
    """The name in MASTER_ADDR leads to the master's pod, by the headless service of the replica."""
    roles = {"Master": Replicas(program=UNTIL_TOLD), "Worker": Replicas(1, UNTIL_TOLD)}
    running = namespace.submit(job(XGBOOST, "named", roles))
    master = namespace.until_pod("named-master-0")
    namespace.until_pod("named-worker-0")
    lookup = ("exec", "named-worker-0", "--", "sh", "-c", f"nslookup $MASTER_ADDR.{namespace.name}.svc.cluster.local")
    until(
        "the address",
        lambda: namespace.cluster.try_kubectl(f"--namespace={namespace.name}", *lookup).stdout,
        lambda text: master["status"]["podIP"] in text,
    )
    for name in ("named-worker-0", "named-master-0"):
        namespace.end(name)
    running.until("Succeeded")


def test_metrics(cluster: Cluster, namespace: Namespace) -> None:
    before = operating.total(cluster, "kubedl_jobs_successful", kind="xgboostjob")
    running = namespace.submit(job(XGBOOST, "counted", {"Master": Replicas(program=Program(seconds=0))}))
    running.until("Succeeded")
    until(
        "the job in the metrics",
        lambda: operating.total(cluster, "kubedl_jobs_successful", kind="xgboostjob"),
        lambda found: found >= before + 1,
    )
    assert operating.total(cluster, "rest_client_requests_total") > 0
    assert operating.total(cluster, "controller_runtime_reconcile_total", controller="xgboostjob-kubedl") > 0
