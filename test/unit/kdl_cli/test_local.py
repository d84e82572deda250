import pytest

from kdl_cli.commands import local
from kdl_cli.main import run
from kdl_cli.output import Format
from kdl_local.daemon import ClusterInfo

NODES = ("local", "fake-0", "fake-1", "fake-2")
INFO = ClusterInfo("default", 7, "https://127.0.0.1:1", "/k/kubeconfig", "/k", "/k.log", NODES, "root")


@pytest.mark.parametrize(
    ("clusters", "form", "lines"),
    [
        ([], Format.TABLE, ["no local cluster runs: start one with 'kdl local up'"]),
        ([INFO], Format.NAME, ["default"]),
        (
            [INFO],
            Format.TABLE,
            [
                "NAME      SERVER                PID   NODES          ISOLATION   KUBECONFIG",
                "default   https://127.0.0.1:1   7     local,...(4)   root        /k/kubeconfig",
            ],
        ),
        ([], Format.JSON, ["[]"]),
    ],
)
def test_clusters_are_listed(clusters: list[ClusterInfo], form: Format, lines: list[str]) -> None:
    assert local.status_lines(clusters, form) == lines


def test_the_flags_become_the_daemons_options() -> None:
    flags = local.UpFlags("scale", 0, None, False, 3, "cpu=1", "", False)
    options = flags.options()
    assert (options.name, options.process_node, options.fake_nodes) == ("scale", False, 3)
    assert options.fake_node_resources == "cpu=1"


@pytest.mark.parametrize(("name", "hint"), [("default", "'kdl local up'"), ("other", "'kdl local up --name other'")])
def test_a_cluster_that_does_not_run_has_no_kubeconfig(
    name: str, hint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KDL_STATE_HOME", str(tmp_path))
    assert run(["local", "kubeconfig", "--name", name]) == 1
    assert capsys.readouterr().err == f"error: no local cluster named {name} runs: start it with {hint}\n"
