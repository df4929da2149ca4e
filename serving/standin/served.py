"""One InferenceService: its replicas, which of them answers under which name, and its status."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from mediareview.errors import MediaReviewError
from serving.objects import Object
from serving.objects.variants import STABLE
from serving.standin.launch import Launch
from serving.standin.replica import Replica

FAILURES_TO_GIVE_UP_HOPE = 2
"""Failed starts in a row after which a version counts as failed; it is still tried again."""

FAILED = ("InvalidPredictorSpec", "ModelLoadFailed")
"""Reasons of conditions that will not come true by waiting."""


class ServedModel:
    """Moves an InferenceService towards what its spec asks for, without ever taking away what answers.

    A new version is started beside the old one, which answers until the new one is ready. Replicas are known by what
    they run: when a canary is promoted, its process goes on as the stable one.

    Args:
        new_replica: makes the replica of a predictor name and launch.
    """

    def __init__(self, new_replica: Callable[[str, Launch], Replica]) -> None:
        self.replicas: dict[Launch, Replica] = {}
        self._serving: dict[str, Launch] = {}
        self._new_replica = new_replica

    def tick(self, wanted: dict[str, Launch | MediaReviewError], now: float) -> list[Replica]:
        """Advance to ``now``; return replicas that are no longer needed and should be retired."""
        known = {name: launch for name, launch in wanted.items() if isinstance(launch, Launch)}
        for name, launch in known.items():
            if launch not in self.replicas:
                self.replicas[launch] = self._new_replica(name, launch)
        for replica in self.replicas.values():
            replica.tick(now)
        ready = {name: launch for name, launch in known.items() if self.replicas[launch].ready}
        self._serving = {name: launch for name, launch in {**self._serving, **ready}.items() if name in wanted}
        needed = {*known.values(), *self._serving.values()}
        return [self.replicas.pop(launch) for launch in list(self.replicas) if launch not in needed]

    def status(self, service: Object, wanted: dict[str, Launch | MediaReviewError]) -> Object:
        """Return the status of the InferenceService, as KServe's controller would write it."""
        canaries = {
            entry["predictor"]["name"]: entry["trafficPercent"] for entry in service["spec"].get("canary") or []
        }
        stable = service["spec"]["predictor"].get("name") or STABLE
        shares = {stable: 100 - sum(canaries.values()), **canaries}
        targets = [self._target(name, percent) for name, percent in shares.items()]
        url = {key: value for key, value in targets[0].items() if key == "url"}
        problems = {name: problem for name, launch in wanted.items() if (problem := self._problem(name, launch))}
        reason, message = next(iter(problems.values()), ("", ""))
        of_canaries = next((problem for name, problem in problems.items() if name in canaries), ("", ""))
        return {
            "observedGeneration": service["metadata"].get("generation", 0),
            **url,
            "components": {"predictor": {**url, "traffic": targets}},
            "canaryStatuses": [
                {"name": name, "ready": name not in problems, "trafficPercent": percent}
                for name, percent in canaries.items()
            ],
            "conditions": [
                _condition(service, "PredictorReady", *problems.get(stable, ("", ""))),
                *([_condition(service, "CanaryPredictorReady", *of_canaries)] if canaries else []),
                _condition(service, "Ready", reason, message),
            ],
            "deploymentMode": "Standard",
        }

    def _target(self, name: str, percent: int) -> Object:
        target: Object = {"tag": name, "percent": percent, "latestRevision": False}
        replica = self.replicas.get(self._serving[name]) if name in self._serving else None
        if replica is None or not replica.ready:
            return target
        return {**target, "revisionName": replica.launch.version, "url": replica.url}

    def _problem(self, name: str, launch: Launch | MediaReviewError) -> tuple[str, str] | None:
        """Return reason and message if what is wanted does not answer."""
        if isinstance(launch, MediaReviewError):
            return "InvalidPredictorSpec", " ".join(str(launch).split())
        replica = self.replicas[launch]
        if replica.ready:
            return None
        version = f"{name} version {launch.version}".strip()
        if replica.failures >= FAILURES_TO_GIVE_UP_HOPE:
            return "ModelLoadFailed", f"{version} does not start: {replica.failure}"
        if replica.failure:
            return "Restarting", f"{version} is started again: {replica.failure}"
        return "Starting", f"{version} is starting"


def stopped_status(service: Object) -> Object:
    """Return the status of an InferenceService that nobody runs."""
    return {
        "observedGeneration": service["metadata"].get("generation", 0),
        "conditions": [
            _condition(service, kind, "Stopped", "The stand-in was stopped") for kind in ("PredictorReady", "Ready")
        ],
        "deploymentMode": "Standard",
    }


def _condition(service: Object, kind: str, reason: str, message: str) -> Object:
    """Return a condition that holds unless there is a reason against it; keeps the time of its last change."""
    status = "False" if reason else "True"
    known: list[dict[str, Any]] = (service.get("status") or {}).get("conditions") or []
    since = next(
        (item.get("lastTransitionTime") for item in known if (item["type"], item["status"]) == (kind, status)), None
    )
    condition = {
        "type": kind,
        "status": status,
        "lastTransitionTime": since or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return {**condition, **({"reason": reason, "message": message} if reason else {})}
