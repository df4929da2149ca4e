"""An InferenceService to roll out on, an audit log in memory, and somebody who kills or interferes at any write."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from mediareview.contracts import RolloutChange
from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Object
from serving.objects import ConflictError, ObjectStore, inference_service
from serving.objects.names import INFERENCE_SERVICE, VERSION_LABEL
from serving.rollouts.audit import AuditLog
from serving.rollouts.rollout import Candidate, Rollout, rollout_of

NAME = "sentiment"
CANDIDATE = Candidate(version="2", uri="file:///models/2", predictor="v2")
BUILT = inference_service(NAME, "file:///models/1", "1")


class Killed(BaseException):
    """The process ends here: nothing catches it."""


class MemoryLog(AuditLog):
    """An audit log in memory, which may be away."""

    def __init__(self) -> None:
        super().__init__(lambda: NotImplemented)
        self.changes: dict[str, RolloutChange] = {}
        self.appended = 0
        self.away = False

    def append(self, changes: Iterable[RolloutChange]) -> None:
        if self.away:
            raise MediaReviewError("The lake is away.")
        for change in changes:
            self.appended += change.change_id not in self.changes
            self.changes.setdefault(change.change_id, change)

    def history(self, model: str | None = None) -> list[RolloutChange]:
        if self.away:
            raise MediaReviewError("The lake is away.")
        return sorted(self.changes.values(), key=lambda change: change.occurred_at)


class Interference:
    """Counts writes, and does something before or after one of them."""

    def __init__(self) -> None:
        self.writes = 0
        self.at: dict[int, tuple[str, Callable[[], None]]] = {}

    def around(self, write: Callable[[], Any]) -> Any:
        self.writes += 1
        when, act = self.at.get(self.writes, ("", lambda: None))
        if when == "before":
            act()
        result = write()
        if when == "after":
            act()
        return result


class WatchedStore:
    """A store whose writes are interfered with."""

    def __init__(self, objects: ObjectStore, interference: Interference) -> None:
        self.objects, self.interference = objects, interference

    def list(self, kind: str = INFERENCE_SERVICE) -> list[Object]:
        return self.objects.list(kind)

    def get(self, name: str, kind: str = INFERENCE_SERVICE) -> Object:
        return self.objects.get(name, kind)

    def apply(self, manifest: Object) -> bool:
        return bool(self.interference.around(lambda: self.objects.apply(manifest)))

    def replace(self, manifest: Object) -> bool:
        return bool(self.interference.around(lambda: self.objects.replace(manifest)))

    def delete(self, name: str, kind: str = INFERENCE_SERVICE) -> bool:
        return self.objects.delete(name, kind)


class WatchedLog(AuditLog):
    """A log whose writes are interfered with."""

    def __init__(self, log: AuditLog, interference: Interference) -> None:
        super().__init__(lambda: NotImplemented)
        self.log, self.interference = log, interference

    def append(self, changes: Iterable[RolloutChange]) -> None:
        self.interference.around(lambda: self.log.append(changes))

    def history(self, model: str | None = None) -> list[RolloutChange]:
        return self.log.history(model)


def label(objects: ObjectStore, key: str, value: str) -> None:
    """Change the object as somebody would who has nothing to do with the rollout."""
    while True:
        service = objects.get(NAME)
        service["metadata"]["labels"] = {**service["metadata"].get("labels", {}), key: value}
        with suppress(ConflictError):
            objects.replace(service)
            return


def status_of(service: Object) -> Object:
    """Return a status in which everything that the spec asks for is ready."""
    canaries = [entry["predictor"]["name"] for entry in service["spec"].get("canary") or []]
    return {
        "observedGeneration": service["metadata"]["generation"],
        "conditions": [{"type": "Ready", "status": "True"}],
        "canaryStatuses": [{"name": name, "ready": True} for name in canaries],
    }


def disagreements(service: Object, log: list[RolloutChange]) -> list[str]:
    """Return what is wrong between the object, its rollout and the log, once nothing is pending; empty if nothing."""
    rollout, canaries = rollout_of(service), service["spec"].get("canary") or []
    found = []
    if len(canaries) > 1:
        found.append("more than one canary")
    if rollout is None:
        return [*found, *(["a canary without a rollout"] if canaries else []), *(["a log"] if log else [])]
    declared = [(entry["predictor"]["name"], entry["trafficPercent"]) for entry in canaries]
    wanted = [(rollout.candidate.predictor, rollout.traffic_percent)] if rollout.active else []
    if declared != wanted:
        found.append(f"spec.canary is {declared}, the rollout says {wanted}")
    if any(not 0 <= percent <= 99 for _, percent in declared):
        found.append("a percentage out of range")
    predictor = service["spec"]["predictor"]
    served = (predictor.get("name", "stable"), predictor["labels"][VERSION_LABEL], predictor["model"]["storageUri"])
    if (rollout.phase == "promoted") != (served[1] == rollout.candidate.version):
        found.append(f"{served} is served after the rollout {rollout.phase}")
    found += _disagreements_of(rollout, [change for change in log if change.rollout == rollout.id])
    for identity in {change.rollout for change in log}:
        numbers = [change.sequence for change in log if change.rollout == identity]
        if numbers != list(range(1, len(numbers) + 1)):
            found.append(f"the log of {identity} has the changes {numbers}")
    moments = [change.occurred_at for change in log]
    if moments != sorted(set(moments)):
        found.append("two changes at a time, or out of order")
    return found


def _disagreements_of(rollout: Rollout, log: list[RolloutChange]) -> list[str]:
    if rollout.pending:
        return [f"{len(rollout.pending)} changes are pending"]
    last = log[-1] if log else None
    if last is None or (last.sequence, last.phase, last.traffic_percent, last.occurred_at) != (
        rollout.sequence, rollout.phase, rollout.traffic_percent, rollout.changed_at
    ):  # fmt: skip
        return [f"the log ends with {last}, the rollout is {rollout}"]
    return []
