"""Pipelines on a Kubeflow Pipelines server: upload, run, follow, stop and schedule them through its API."""

from pipelines.kubeflow.api import Kubeflow
from pipelines.kubeflow.runs import ClusterRun, latest_run, read_run, stop_run, submit
from pipelines.kubeflow.schedules import Schedule, all_schedules, disable_schedule, set_schedule
from pipelines.kubeflow.watch import follow

__all__ = [
    "ClusterRun",
    "Kubeflow",
    "Schedule",
    "all_schedules",
    "disable_schedule",
    "follow",
    "latest_run",
    "read_run",
    "set_schedule",
    "stop_run",
    "submit",
]
