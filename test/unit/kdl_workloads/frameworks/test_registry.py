"""Discovery of plugins, and the value of --workloads."""

from importlib.metadata import EntryPoint

import pytest

from kdl_runtime.types import Resource
from kdl_workloads.framework import KUBEDL, KUBEFLOW
from kdl_workloads.frameworks.registry import BUILT_IN, ENTRY_POINTS, RegistryError, enabled, frameworks

XGBOOST = next(framework for framework in BUILT_IN if framework.kind == "XGBoostJob")
EVERYTHING = {framework.resource(version) for framework in BUILT_IN for version in framework.conventions}
TORCH = {("PyTorchJob", KUBEDL), ("PyTorchJob", KUBEFLOW)}
XGB = {("XGBoostJob", KUBEDL), ("XGBoostJob", KUBEFLOW)}
JAX_ONLY = {("JAXJob", KUBEFLOW)}
ALL = {(framework.kind, version) for framework in BUILT_IN for version in framework.stored_versions()}
EVERY_KIND = ",".join(f"-{framework.kind}" for framework in BUILT_IN)


def selected(selection: str, served: set[Resource]) -> set[tuple[str, str]]:
    return {(framework.kind, version) for framework, version in enabled(selection, served, frameworks([]))}


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        ("auto", ALL),
        ("", ALL),
        ("*", ALL),
        ("PyTorchJob", TORCH),
        ("pytorchjob", TORCH),
        ("JAXJob", JAX_ONLY),
        ("PyTorchJob,XGBoostJob", TORCH | XGB),
        (" PyTorchJob , XGBoostJob ", TORCH | XGB),
        ("-PyTorchJob", ALL - TORCH),
        ("*,-PyTorchJob", ALL - TORCH),
        ("-PyTorchJob,*", ALL - TORCH),
        ("auto,-XGBoostJob", ALL - XGB),
        ("PyTorchJob,-PyTorchJob", set()),
        (EVERY_KIND, set()),
    ],
)
def test_selection(selection: str, wanted: set[tuple[str, str]]) -> None:
    assert selected(selection, EVERYTHING) == wanted


@pytest.mark.parametrize("selection", ["auto", "XGBoostJob", "-PyTorchJob"])
def test_only_what_is_served(selection: str) -> None:
    assert selected(selection, {XGBOOST.resource(KUBEFLOW)}) == {("XGBoostJob", KUBEFLOW)}


def test_nothing_is_served() -> None:
    assert selected("auto", set()) == set()


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ("TFJobb", "unknown kind 'TFJobb': use auto, *, PyTorchJob, TFJob, "),
        ("*,-Cron", "unknown kind 'Cron'"),
        ("PyTorchJob", "the CRD of PyTorchJob is not installed: apply the output of `kdl crds`"),
    ],
)
def test_a_selection_that_cannot_be_met(selection: str, message: str) -> None:
    with pytest.raises(RegistryError) as error:
        selected(selection, set())
    assert message in str(error.value)


def entry_point(value: str) -> EntryPoint:
    return EntryPoint("mine", value, ENTRY_POINTS)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no.such.module:X", "no.such.module:X does not load"),
        ("pathlib:Path", "pathlib:Path lacks kind"),
        ("kdl_workloads.frameworks.xgboost:XGBoost", "kind XGBoostJob exists already"),
    ],
)
def test_a_plugin_that_cannot_be_used(value: str, message: str) -> None:
    with pytest.raises(RegistryError) as error:
        frameworks([entry_point(value)])
    assert message in str(error.value)
