"""The TrainJob of Kubeflow Trainer that fine-tunes an encoder on several nodes."""

from collections.abc import Mapping

from components.training.steps import RunContext
from mediareview.kubernetes import Object
from mediareview.settings import Settings

API_VERSION = "trainer.kubeflow.org/v1alpha1"
PLURAL = "trainjobs"
RUNTIME = "mediareview"
"""TrainingRuntime that says what a node is: image, volume, user, resources (manifests/base/pipelines)."""


def trainjob(context: RunContext, settings: Settings, namespace: str, environment: Mapping[str, str]) -> Object:
    """Return the TrainJob. Its name follows from the context, so that an attempt finds what another one began.

    Args:
        context: of the run.
        settings: resources and time limit.
        namespace: of the pipelines, where the runtime is.
        environment: of the processes, besides what the runtime gives them.
    """
    labels = {
        "app.kubernetes.io/name": "trainer",
        "app.kubernetes.io/part-of": "mediareview",
        "mediareview.dev/model": context.model,
    }
    resources = settings.training_resources_per_node
    # Without a limit of its CPUs a node may use what its machine has to spare; everything else is bounded.
    limits = {name: quantity for name, quantity in resources.items() if name != "cpu"}
    return {
        "apiVersion": API_VERSION,
        "kind": "TrainJob",
        "metadata": {"name": context.name, "namespace": namespace, "labels": labels},
        "spec": {
            "runtimeRef": {"apiGroup": API_VERSION.partition("/")[0], "kind": "TrainingRuntime", "name": RUNTIME},
            "activeDeadlineSeconds": int(settings.training_timeout_s),
            "trainer": {
                "numNodes": context.nodes,
                "numProcPerNode": context.processes_per_node,
                "command": ["python", "-m", "components.training.node", context.name],
                **({"env": [{"name": k, "value": v} for k, v in environment.items()]} if environment else {}),
                **({"resourcesPerNode": {"requests": resources, "limits": limits}} if resources else {}),
            },
        },
    }
