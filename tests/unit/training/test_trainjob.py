"""The TrainJob as an object: what it asks for, and that the cluster would accept it."""

import re

import pytest
import yaml

from components.training.node import HOPELESS
from components.training.revision import ROOT
from components.training.steps import RunContext
from components.training.trainjob import trainjob
from mediareview.settings import Settings
from tests.unit.manifests.conftest import crds as crds  # a fixture
from tests.unit.manifests.schemas import Crds, custom_complaints


@pytest.fixture
def context() -> RunContext:
    return RunContext(
        model="moderation", profile="full", lake_versions={}, code_digest="abc", nodes=3, processes_per_node=2
    )


def test_it_runs_the_training_on_so_many_nodes(context: RunContext) -> None:
    job = trainjob(context, Settings(training_timeout_s=60), "ml", {})
    assert job["metadata"]["namespace"] == "ml"
    assert job["spec"]["runtimeRef"] == {
        "apiGroup": "trainer.kubeflow.org",
        "kind": "TrainingRuntime",
        "name": "mediareview",
    }
    assert job["spec"]["activeDeadlineSeconds"] == 60
    assert job["spec"]["trainer"] == {
        "numNodes": 3,
        "numProcPerNode": 2,
        "command": ["python", "-m", "components.training.node", context.name],
    }


def test_its_name_follows_from_what_decides_the_weights(context: RunContext) -> None:
    name = trainjob(context, Settings(), "ml", {})["metadata"]["name"]
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name)
    assert len(f"{name}-node-0-0") <= 63
    assert trainjob(context.model_copy(), Settings(), "other", {"A": "b"})["metadata"]["name"] == name
    assert trainjob(context.model_copy(update={"nodes": 4}), Settings(), "ml", {})["metadata"]["name"] != name


def test_a_node_gets_what_the_settings_say_and_may_use_idle_cpus(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "MEDIAREVIEW_TRAINING_RESOURCES_PER_NODE", '{"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "2"}'
    )
    trainer = trainjob(context, Settings(), "ml", {})["spec"]["trainer"]
    assert trainer["resourcesPerNode"] == {
        "requests": {"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "2"},
        "limits": {"memory": "8Gi", "nvidia.com/gpu": "2"},
    }


def test_the_definition_of_kubeflow_trainer_accepts_it(context: RunContext, crds: Crds) -> None:
    settings = Settings(training_resources_per_node={"cpu": "4", "memory": "8Gi"})
    job = trainjob(context, settings, "ml", {"MEDIAREVIEW_ENCODER_PATH": "/var/lib/mediareview/downloads/encoders/a"})
    assert [str(complaint) for complaint in custom_complaints(job, crds)] == []
    job["spec"]["trainer"]["numProcesses"] = 2
    assert [str(complaint) for complaint in custom_complaints(job, crds)]


def test_a_node_is_what_the_trainjob_expects(context: RunContext, crds: Crds) -> None:
    runtime = yaml.safe_load((ROOT / "manifests/base/pipelines/training-runtime.yaml").read_text())
    job = trainjob(context, Settings(), "ml", {})
    assert [str(complaint) for complaint in custom_complaints(runtime, crds)] == []
    reference = job["spec"]["runtimeRef"]
    assert (runtime["kind"], runtime["metadata"]["name"]) == (reference["kind"], reference["name"])
    (replicated,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    # By this label and these names Kubeflow Trainer finds what it must fill in.
    assert replicated["template"]["metadata"]["labels"]["trainer.kubeflow.org/trainjob-ancestor-step"] == "trainer"
    (container,) = replicated["template"]["spec"]["template"]["spec"]["containers"]
    assert (replicated["name"], container["name"]) == ("node", "node")
    (rule,) = replicated["template"]["spec"]["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"]["values"] == [HOPELESS]
