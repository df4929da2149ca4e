"""What a cluster needs before an overlay is applied: each prerequisite is looked for, and judged by its version."""

from collections.abc import Iterator
from pathlib import Path

from mediareview.kubernetes import Kubernetes
from pipelines.doctor.detection import is_older
from pipelines.doctor.findings import Check, Finding, Mark
from pipelines.doctor.prerequisites import MANIFESTS, Prerequisite, load_prerequisites
from pipelines.doctor.view import ClusterView

TIMEOUT_S = 5.0


def cluster_checks(overlay: str, manifests: Path = MANIFESTS, api: Kubernetes | None = None) -> Iterator[Check]:
    """Yield a check for each prerequisite of an overlay.

    Args:
        overlay: name of the overlay.
        manifests: the folder ``manifests`` of a clone.
        api: the cluster; by default the one of the pod or of the kubeconfig file.

    Raises:
        MediaReviewError: there is no such overlay, no cluster is known, it does not answer, or the log-in has expired.
    """
    prerequisites = load_prerequisites(overlay, manifests)
    api = api or Kubernetes(timeout_s=TIMEOUT_S)
    api.read("/version")  # once and for all: a cluster that does not answer is one error, not twenty
    view = ClusterView(api, manifests / "overlays" / overlay)
    for prerequisite in prerequisites:
        yield Check(prerequisite.name, lambda wanted=prerequisite: judge(wanted, view))  # type: ignore[misc]


def judge(wanted: Prerequisite, cluster: ClusterView) -> Finding:
    """Look for a prerequisite and say whether it will do.

    Raises:
        MediaReviewError: it cannot be looked for.
    """
    seen = wanted.detect.look(cluster)
    absent = Mark.MISSING if wanted.required else Mark.WARNING
    if not seen.present:
        return Finding(wanted.name, absent, seen.text, wanted.remedy)
    if seen.version and wanted.minimum and is_older(seen.version, wanted.minimum):
        return Finding(wanted.name, absent, f"{seen.text} is older than {wanted.minimum}", wanted.remedy)
    if not seen.certain:
        return Finding(wanted.name, Mark.WARNING, seen.text, "Ask somebody who may see it.")
    if wanted.minimum and not seen.version:
        return Finding(wanted.name, Mark.WARNING, seen.text, f"See that it is {wanted.minimum} or newer.")
    return Finding(wanted.name, Mark.OK, seen.text)
