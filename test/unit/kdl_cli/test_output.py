import pytest
import yaml

from kdl_cli.output import Format, document, object_name
from kdl_runtime.codec import json
from kdl_runtime.codec.yaml import encode as to_yaml
from kdl_runtime.types import Resource

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "managedFields": [{"manager": "x"}]}}
CLEAN = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}


@pytest.mark.parametrize(("form", "load"), [(Format.JSON, json.decode), (Format.YAML, yaml.safe_load)])
def test_one_object_or_a_list(form: Format, load: object) -> None:
    assert callable(load)
    assert load(document([POD], form, single=True)) == CLEAN
    listed = load(document([POD, POD], form, single=False))
    assert (listed["kind"], listed["items"]) == ("List", [CLEAN, CLEAN])
    assert load(document([], form, single=False))["items"] == []
    assert "managedFields" in POD["metadata"], "the object is left as it was"


def test_yaml_has_no_anchors_and_keeps_the_order() -> None:
    shared = {"z": 1, "a": 2}
    assert to_yaml({"one": shared, "two": shared}) == "one:\n  z: 1\n  a: 2\ntwo:\n  z: 1\n  a: 2\n"


def test_names_are_what_kubectl_takes() -> None:
    assert object_name(Resource("kubeflow.org", "v1", "XGBoostJob", "xgboostjobs"), "m") == "xgboostjob.kubeflow.org/m"
    assert object_name(Resource("", "v1", "Pod", "pods"), "m") == "pod/m"
