import io
from pathlib import Path

import pytest

from kdl_cli.errors import CliError
from kdl_cli.manifests import parse, read

JOB = "apiVersion: kubeflow.org/v1\nkind: XGBoostJob\nmetadata: {name: mnist}\n"


def test_documents_and_lists_are_flattened() -> None:
    listed = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n"
    manifests = parse(f"{JOB}---\n---\n{listed}", "all.yaml")
    assert [(m.kind, m.object["metadata"]["name"], m.source) for m in manifests] == [
        ("XGBoostJob", "mnist", "all.yaml (document 1)"),
        ("ConfigMap", "a", "all.yaml (document 2)"),
    ]


def test_times_stay_strings_and_json_is_yaml() -> None:
    [manifest] = parse('{"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}, "at": "2026-01-31"}', "a.json")
    assert manifest.object["at"] == "2026-01-31"
    [manifest] = parse(JOB + "spec: {at: 2026-01-31T12:00:00Z}", "job.yaml")
    assert manifest.object["spec"]["at"] == "2026-01-31T12:00:00Z"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no object"),
        ("- a\n", "an object was expected and a list was found"),
        ("kind: A\nmetadata: {name: a}", "apiVersion is missing"),
        ("apiVersion: v1\nmetadata: {name: a}", "kind is missing"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {}", "metadata.name is missing: give the Pod a name"),
        ("a: [", "is no valid YAML"),
    ],
)
def test_what_is_no_object_is_refused(text: str, message: str) -> None:
    with pytest.raises(CliError, match=message):
        parse(text, "job.yaml")


def test_generate_name_is_a_name() -> None:
    assert parse("apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}", "pod.yaml")


def test_files_that_cannot_be_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CliError, match=r"nowhere.yaml: No such file or directory; give -f"):
        read(str(tmp_path / "nowhere.yaml"))
    (tmp_path / "model.bin").write_bytes(b"\xff\xfe")
    with pytest.raises(CliError, match="is no text"):
        read(str(tmp_path / "model.bin"))
    monkeypatch.setattr("sys.stdin", io.StringIO(JOB))
    assert read("-")[0].source == "standard input"
