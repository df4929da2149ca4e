"""Is everything there that the platform needs? One finding and one line for each thing, here or on a cluster."""

from pipelines.doctor.cluster import cluster_checks
from pipelines.doctor.findings import Check, Finding, Mark, examine
from pipelines.doctor.local import local_checks

__all__ = ["Check", "Finding", "Mark", "cluster_checks", "examine", "local_checks"]
