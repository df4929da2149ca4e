"""The champion is what is served, or on its way there: rollouts decide, and the registry follows."""

from components.registry.registry import ROLLED_BACK, ModelVersion, Registry
from mediareview.settings import Settings, get_settings
from serving.objects import MissingError, open_objects
from serving.rollouts.changes import stable_of
from serving.rollouts.rollout import Rollout, rollout_of


def settle(name: str, registry: Registry | None = None, settings: Settings | None = None) -> ModelVersion | None:
    """Bring the aliases of a model in line with what its last rollout ended with; return the champion.

    A version that was rolled back is tagged with the reason; if it was champion, it becomes challenger, and what is
    served is champion again. A version that was promoted after the champion had been registered becomes champion. A
    champion that waits to be deployed, or is being rolled out, stays.

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
    served = _find(registry, name, stable_of(service)[1])
    rollout = rollout_of(service)
    # What is served may come from another registry.
    if served is None or rollout is None or rollout.active:
        return champion
    registry.tag(served, ROLLED_BACK, "")
    candidate = _find(registry, name, rollout.candidate.version)
    if rollout.phase == "rolled_back" and candidate is not None and candidate.version != served.version:
        registry.tag(candidate, ROLLED_BACK, rollout.reason or "no reason was given")
        if candidate.version == champion.version:
            registry.set_champion(served)
    elif served.version != champion.version and _was_overtaken(champion, served, rollout):
        registry.set_champion(served)
    return registry.champion(name)


def _find(registry: Registry, name: str, version: str) -> ModelVersion | None:
    return next((item for item in registry.versions(name) if item.version == version), None)


def _was_overtaken(champion: ModelVersion, served: ModelVersion, rollout: Rollout) -> bool:
    """Whether what is served was promoted by somebody who knew the champion."""
    promoted = rollout.phase == "promoted" and rollout.candidate.version == served.version
    return promoted and rollout.started_at.timestamp() > champion.registered_at_s
