"""Jobs of the kinds whose frameworks are not at hand, in real pods."""

import pytest

from demo.exchanges import JOBS, objects
from e2e.namespace import Namespace

pytestmark = pytest.mark.real_pods


@pytest.mark.parametrize("path", JOBS)
def test_the_data_come_through(namespace: Namespace, path: str) -> None:
    config_map, manifest = objects(path)
    namespace.create_program(config_map["metadata"]["name"], **config_map["data"])
    job = namespace.submit(manifest)
    job.until("Succeeded", seconds=120)
    replica, told = JOBS[path]
    # A replica that is the only one of its role may have no index in its name.
    ends = (f"-{replica}", f"-{replica.removesuffix('-0')}")
    (pod,) = [name for name in namespace.pod_names() if name.endswith(ends)]
    assert told in namespace.kubectl("logs", pod)
