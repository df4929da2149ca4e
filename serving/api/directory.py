"""Where the predictors are: read from the InferenceService objects, again whenever they change."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from serving.experiments import Experiment, experiment_of, unplanned_experiment
from serving.objects import Object, ObjectDirectory, Variant, variants

logger = logging.getLogger(__name__)

CHECK_INTERVAL_S = 0.1


@dataclass(frozen=True)
class Deployment:
    """The predictors of a model."""

    variants: Sequence[Variant]
    """The stable one first."""
    message: str = ""
    """What the controller says of a model that is not ready."""
    experiment: Experiment | None = None
    """How the variants share the users; None if there is one variant only."""

    @property
    def stable(self) -> Variant:
        """The stable variant."""
        return self.variants[0]

    def variant(self, name: str) -> Variant | None:
        """Return a variant by name; None if there is none of that name."""
        return next((variant for variant in self.variants if variant.name == name), None)


class PredictorDirectory(Protocol):
    """Knows where the predictors of each model answer."""

    problem: str = ""
    """Why it does not know, if it does not."""

    def find(self, model: str) -> Deployment | None:
        """Return the predictors of a model; None if it is not deployed. Is called for each request: must not block."""

    async def open(self) -> None:
        """Begin to look."""

    async def close(self) -> None:
        """Look no more."""


def open_directory(settings: Settings) -> PredictorDirectory:
    """Return the predictors of the cluster's namespace, or else those that the stand-in runs.

    Raises:
        MediaReviewError: the cluster is not known here.
    """
    if settings.serving_namespace:
        from serving.api.watch import WatchedPredictors

        return WatchedPredictors(settings.serving_namespace)
    return DeployedPredictors(settings.inference_services)


class DeployedPredictors(PredictorDirectory):
    """The predictors of a directory of InferenceService objects.

    Args:
        path: the directory, which the stand-in keeps up to date.
    """

    def __init__(self, path: Path) -> None:
        self._objects = ObjectDirectory(path)
        self._fingerprint: object = None
        self._check_at = 0.0
        self._deployments: dict[str, Deployment] = {}
        self._complaint = ""

    def find(self, model: str) -> Deployment | None:
        """Return the predictors of a model; None if it is not deployed."""
        now = time.monotonic()
        if now >= self._check_at:
            self._check_at = now + CHECK_INTERVAL_S
            self._refresh()
        return self._deployments.get(model)

    async def open(self) -> None:
        """Do nothing: the directory is read when somebody asks."""

    async def close(self) -> None:
        """Do nothing."""

    def _refresh(self) -> None:
        fingerprint = self._objects.fingerprint()
        if fingerprint == self._fingerprint:
            return
        try:
            self._deployments = {item["metadata"]["name"]: deployment_of(item) for item in self._objects.list()}
            self._fingerprint, self._complaint = fingerprint, ""
        except (MediaReviewError, OSError, KeyError, TypeError, ValueError) as error:
            # What was known still holds: a file that somebody is editing must not take the models away.
            if str(error) != self._complaint:
                self._complaint = str(error)
                logger.error("The objects cannot be read: %s", error)


def deployment_of(service: Object) -> Deployment:
    """Return what an InferenceService says of its predictors."""
    conditions = (service.get("status") or {}).get("conditions") or []
    message = next((item.get("message", "") for item in conditions if item["type"] == "Ready"), "")
    try:
        experiment = experiment_of(service)
    except MediaReviewError as error:
        # The percentages still say how to share traffic, but users may get another variant than before.
        logger.error("Its users are shared by spec.canary alone: %s", error)
        experiment = unplanned_experiment(service)
    return Deployment(variants(service), message, experiment)
