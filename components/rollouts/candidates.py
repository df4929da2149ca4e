"""From a registered version to a candidate that answers."""

import time
from collections.abc import Callable

from components.registry import Registry
from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from serving.objects import open_objects, variants
from serving.rollouts.candidate import check_artifact
from serving.rollouts.changes import canary_name
from serving.rollouts.operations import Rollouts
from serving.rollouts.rollout import Candidate, Rollout

POLL_S = 0.5


def candidate_of(name: str, version: str, uri: str, settings: Settings) -> Candidate:
    """Return a version as a candidate, once its artifact has been checked.

    Raises:
        MissingError: there is no InferenceService of that model.
        MediaReviewError: its artifact is damaged, of another model, or where predictors cannot read it.
    """
    service = open_objects(settings).get(name)
    candidate = Candidate(version=version, uri=uri, predictor=canary_name(service, version))
    check_artifact(name, candidate, settings)
    return candidate


def find_candidate(name: str, version: str, settings: Settings) -> Candidate:
    """Return the candidate that a version number or alias of the registry names.

    Raises:
        MediaReviewError: there is no such version, or see ``candidate_of``.
    """
    found = Registry.from_settings(settings).version(name, version)
    return candidate_of(name, found.version, found.uri, settings)


def refuse_if_nobody_serves(name: str, settings: Settings) -> None:
    """Check that somebody is there to start a candidate: on a laptop, the stand-in.

    Raises:
        MissingError: there is no InferenceService of that name.
        MediaReviewError: nobody is.
    """
    service = open_objects(settings).get(name)
    if settings.serving_namespace or any(variant.url for variant in variants(service)):
        return
    raise MediaReviewError(
        f"Nobody serves {name} here, so a candidate would wait for ever.",
        "Serve in another terminal first (mediareview serve), or leave the start until then with --no-wait.",
    )


def enter_when_ready(
    rollouts: Rollouts, started: Rollout, *, actor: str, timeout_s: float, say: Callable[[str], None]
) -> Rollout:
    """Wait until a candidate answers, and give it its first traffic; take it back if it does not.

    Args:
        rollouts: what can be done.
        started: the rollout.
        actor: who does it.
        timeout_s: longest wait, in seconds.
        say: told what is waited for.

    Raises:
        MediaReviewError: the candidate does not answer and was taken back, or somebody else ended the rollout.
    """
    name, told = started.model, ""
    deadline = time.monotonic() + timeout_s
    while True:
        rollout = rollouts.current(name)
        if rollout is None or rollout.id != started.id or not rollout.active:
            reason = rollout.reason if rollout is not None and rollout.id == started.id else "another one was started"
            raise MediaReviewError(
                f"The rollout of {name} version {started.candidate.version} has ended: {reason}",
                f"mediareview rollout history {name} tells the story.",
            )
        if rollout.phase != "starting":
            return rollout
        state = rollouts.candidate_state(name)
        if state.ready:
            return rollouts.enter(name, actor=actor, reason="The candidate is ready.")
        if state.failed or time.monotonic() >= deadline:
            reason = f"The candidate did not become ready: {state.message}"
            rollouts.roll_back(name, actor=actor, reason=reason)
            raise MediaReviewError(
                f"{name} version {started.candidate.version} does not become ready: {state.message}",
                "It was taken back; what was served before never stopped. Correct the cause and start it with --again.",
            )
        if state.message != told:
            say(state.message)
            told = state.message
        time.sleep(POLL_S)
