"""The champion is what is served, or on its way there: rollouts decide, and the registry follows."""

from components.registry.registry import ROLLED_BACK, ModelVersion, Registry
from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Object
from mediareview.settings import Settings, get_settings
from serving.objects import MissingError, open_objects
from serving.rollouts.changes import stable_of
from serving.rollouts.rollout import Rollout, rollout_of


def settle(name: str, registry: Registry | None = None, settings: Settings | None = None) -> ModelVersion | None:
    """Bring the aliases of a model in line with what its last rollout ended with; return the champion.

    A champion that was rolled back becomes challenger, with the reason as a tag; what is served is champion again. A
    version that was promoted after the champion had been registered becomes champion. A champion that waits to be
    deployed, or is being rolled out, stays.

    Args:
        name: the model.
        registry: by default the one of the settings.
        settings: where the InferenceServices are.

    Raises:
        MediaReviewError: the InferenceServices cannot be read.
    """
    settings = settings or get_settings()
    registry = registry or Registry.from_settings(settings)
    champion = registry.champion(name)
    if champion is None:
        return None
    try:
        service = open_objects(settings).get(name)
    except MissingError:
        return champion
    served = _served(name, service, registry)
    rollout = rollout_of(service)
    if served is None or rollout is None or rollout.active:
        return champion
    if served.version == champion.version:
        registry.tag(champion, ROLLED_BACK, "")
        return champion
    if _was_rolled_back(champion, rollout):
        registry.set_champion(served)
        registry.tag(champion, ROLLED_BACK, rollout.reason or "no reason was given")
        return registry.champion(name)
    if _was_overtaken(champion, served, rollout):
        registry.set_champion(served)
        registry.tag(served, ROLLED_BACK, "")
        return registry.champion(name)
    return champion


def _served(name: str, service: Object, registry: Registry) -> ModelVersion | None:
    _, version = stable_of(service)
    try:
        return registry.version(name, version)
    except MediaReviewError:
        return None  # what is served comes from another registry


def _was_rolled_back(champion: ModelVersion, rollout: Rollout) -> bool:
    return rollout.phase == "rolled_back" and rollout.candidate.version == champion.version


def _was_overtaken(champion: ModelVersion, served: ModelVersion, rollout: Rollout) -> bool:
    """Whether what is served was promoted by somebody who knew the champion."""
    promoted = rollout.phase == "promoted" and rollout.candidate.version == served.version
    return promoted and rollout.started_at.timestamp() > champion.registered_at_s
