"""How the steps of a pipeline run on a cluster: a typed configuration, and its application to KFP tasks."""

from pipelines.cluster.config import ClusterConfig, load_config
from pipelines.cluster.step import Accelerator, ConfigMapKeys, Resources, Retries, RunAs, StepConfig, Toleration

__all__ = [
    "Accelerator",
    "ClusterConfig",
    "ConfigMapKeys",
    "Resources",
    "Retries",
    "RunAs",
    "StepConfig",
    "Toleration",
    "load_config",
]
