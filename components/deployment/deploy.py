"""Bring a registered version to where it is served: at once if nothing is served yet, else by a rollout."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from components.rollouts.candidates import candidate_of, enter_when_ready
from mediareview.console import console
from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Object
from mediareview.settings import Settings, get_settings
from serving.objects import MissingError, ObjectStore, inference_service, open_objects, served_version, serving_runtime
from serving.objects.cluster import ClusterObjects
from serving.rollouts.candidate import unreadable
from serving.rollouts.changes import stable_of
from serving.rollouts.operations import Rollouts
from serving.rollouts.plan import Plan
from serving.rollouts.rollout import rollout_of
from serving.rollouts.rules import told

Strategy = Literal["rollout", "replace"]
STRATEGIES: tuple[Strategy, ...] = ("rollout", "replace")
ACTOR = "pipeline"


@dataclass(frozen=True)
class Deployed:
    """What a deployment did."""

    changed: bool
    told: str
    """In words: what is served, or on its way, and how to follow it."""


def deploy(
    name: str, version: str, artifact_uri: str, settings: Settings | None = None, strategy: Strategy = "rollout"
) -> Deployed:
    """Bring a version to where it is served; doing it again changes nothing.

    The first version is served at once. After that ``rollout`` starts a rollout, which goes on by itself
    (``mediareview rollout run``) and ends with the version served or taken back; ``replace`` serves the version without
    a comparison. A version that was rolled back before is not tried again by itself.

    In a directory the objects are written, and whatever runs them follows. On a cluster InferenceServices are declared
    by the platform's manifests, and the call returns once pods of the version answer. If they do not become ready, a
    rollout is taken back, and a replacement is left as it is: the pods before go on answering.

    Args:
        name: the model, which names the InferenceService.
        version: registry version, written as a label and reported with every answer.
        artifact_uri: ``file://`` or ``s3://`` URL of the artifact directory; on a cluster ``s3://`` only.
        settings: where the objects are kept.
        strategy: how, if something is served already.

    Raises:
        MediaReviewError: another rollout is under way, the artifact is damaged or where the predictors cannot read it,
            the objects cannot be written, or the version does not become ready in time.
    """
    settings = settings or get_settings()
    if strategy not in STRATEGIES:
        raise MediaReviewError(f"There is no way of deployment {strategy!r}.", f"Use {' or '.join(STRATEGIES)}.")
    if settings.serving_namespace and urlsplit(artifact_uri).scheme != "s3":
        raise unreadable(artifact_uri, settings)
    objects = open_objects(settings)
    service = _find(objects, name)
    rollout = rollout_of(service) if service is not None else None
    served = stable_of(service)[1] if service is not None and _serves(service) else None
    on_its_way = rollout.candidate.version if rollout is not None and strategy == "rollout" else None
    if rollout is not None and rollout.active and version not in (served, on_its_way):
        raise MediaReviewError(
            f"{name} is busy: {told(rollout)}, so version {version} was not deployed.",
            f"Wait for it, or end it: mediareview rollout promote {name}, or mediareview rollout rollback {name}. "
            f"Then start this one: mediareview rollout start {name} --version {version}",
        )
    if served is not None and served != version and strategy == "rollout":
        return _roll_out(Rollouts.from_settings(settings), name, version, artifact_uri, settings)
    changed = _serve(objects, service, name, version, artifact_uri, settings)
    return Deployed(changed, f"{name} version {version} is {'now' if changed else 'already'} what is served")


def _find(objects: ObjectStore, name: str) -> Object | None:
    try:
        return objects.get(name)
    except MissingError:
        return None


def _serves(service: Object) -> bool:
    return bool((service["spec"]["predictor"].get("model") or {}).get("storageUri"))


def _serve(objects: ObjectStore, service: Object | None, name: str, version: str, uri: str, settings: Settings) -> bool:
    """Serve a version at once; return whether anything changed."""
    if isinstance(objects, ClusterObjects):
        # What is declared keeps all but artifact and version.
        changed = objects.apply((served_version if service else inference_service)(name, uri, version))
        objects.wait_rolled_out(name, version, settings.deploy_timeout_s)
        return changed
    objects.apply(serving_runtime())
    return objects.apply(inference_service(name, uri, version))


def _roll_out(rollouts: Rollouts, name: str, version: str, uri: str, settings: Settings) -> Deployed:
    rollout = rollouts.current(name)
    changed = rollout is None or not rollout.active
    if rollout is None or changed:
        why = rollouts.why_rolled_back(name, version)
        if why is not None:
            again = f"mediareview rollout start {name} --version {version} --again"
            return Deployed(False, f"{name} version {version} was rolled back before and is not tried again: {why}. "
                                   f"If it deserves it: {again}")  # fmt: skip
        candidate = candidate_of(name, version, uri, settings)
        rollout = rollouts.start(name, candidate, Plan(), ACTOR, "The pipeline's gate made it champion.")
    if settings.serving_namespace and rollout.phase == "starting":
        rollout = enter_when_ready(
            rollouts, rollout, actor=ACTOR, timeout_s=settings.deploy_timeout_s, say=console.print
        )
    return Deployed(changed, f"{told(rollout)}; follow it with: mediareview rollout status {name}")
