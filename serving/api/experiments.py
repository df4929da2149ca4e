"""Which variant answers a request, and the record of it: who was enrolled, and what was answered.

Neither delays nor fails the answer: records are queued, and written by the event logs.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from fastapi import Request, Response

from mediareview.contracts import Exposure, ServedAnswer
from mediareview.settings import Settings
from serving.api.directory import PredictorDirectory
from serving.api.events import EventLog
from serving.api.exploration import EXPLORATION
from serving.api.journal import Journal
from serving.api.metrics import ApiMetrics, Served
from serving.api.outputs import Said
from serving.api.problems import VARIANT_REFUSED, ProblemError
from serving.experiments import Assignment, Experiment, assign, variant_tokens, visitors
from serving.experiments.signing import signing_keys
from serving.experiments.variant_tokens import VariantTokenError, VariantTokens
from serving.experiments.visitors import Visitors
from serving.objects.variants import STABLE

SOURCE = "api"
"""What events recorded here name as their source."""

REMEMBERED_EXPOSURES = 100_000
"""Units known to be enrolled; one that is forgotten is recorded again, and readers take the first record."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which variant shall answer a request, and why."""

    variant: str = ""
    """Its name; empty for the stable one."""
    experiment: Experiment | None = None
    unit: str = ""
    """Who is answered: a user's id, or that of a visitor who was assigned; empty if neither is known."""
    assignment: Assignment | None = None
    visitor_token: str = ""
    """What the visitor gets to be known by from now on; empty if there is no need."""
    forced: bool = False
    """Whether a tester chose: then it is no part of any experiment."""

    @property
    def enrolled(self) -> bool:
        """Whether the answer belongs to the comparison."""
        return self.assignment is not None and self.assignment.enrolled


class Experiments:
    """Chooses variants, and records what came of it. Use it within one event loop, from ``start`` to ``close``.

    Args:
        settings: where events go, and the key that signs tokens.
        directory: knows the experiments.
        metrics: is told of records that were stored or lost.

    Raises:
        MediaReviewError: the signing key cannot be had.
    """

    def __init__(self, settings: Settings, directory: PredictorDirectory, metrics: ApiMetrics) -> None:
        keys = signing_keys(settings)
        self._visitors = Visitors(keys)
        self._tokens = VariantTokens(keys)
        self._directory = directory
        self._metrics = metrics
        self._exposures: EventLog[Exposure] = EventLog(
            Journal(settings.events / Exposure.table), committed=self._exposures_committed
        )
        self._answers: EventLog[ServedAnswer] = EventLog(
            Journal(settings.events / ServedAnswer.table), committed=metrics.committed
        )
        self._enrolled: OrderedDict[tuple[str, str], None] = OrderedDict()
        """Experiment and unit, those seen last at the end."""

    async def start(self) -> None:
        """Begin to write, and recall who is enrolled."""
        await self._exposures.start()
        await self._answers.start()
        known = await self._exposures.newest(REMEMBERED_EXPOSURES, _experiment_and_unit)
        self._enrolled.update((key, None) for key in reversed(known))

    async def close(self) -> None:
        """Store what waits."""
        await self._exposures.close()
        await self._answers.close()

    def choose(self, request: Request, model: str, user_id: str | None) -> Choice:
        """Return which variant of a model shall answer.

        Args:
            request: may carry a tester's or a visitor's token.
            model: name of the InferenceService.
            user_id: whom the answer is for, if that is known.

        Raises:
            ProblemError: the tester's token is not good for this.
        """
        token = request.headers.get(variant_tokens.HEADER)
        if token is not None:
            return self._forced(model, token)
        deployment = self._directory.find(model)
        experiment = deployment.experiment if deployment is not None else None
        if experiment is None or experiment.mode == "shadow" or not experiment.traffic_percent:
            return Choice(experiment=experiment, unit=user_id or "")
        unit, visitor_token = (user_id, "") if user_id is not None else self._visitor(request)
        assignment = assign(experiment, unit)
        variant = experiment.canary if assignment.variant == experiment.canary else ""
        return Choice(variant, experiment, unit, assignment, visitor_token)

    def answered(self, choice: Choice, served: Served, request_id: str, said: Said) -> None:
        """Record what was answered, and that its unit is enrolled if it was not before.

        Args:
            choice: of the variant; nothing is recorded of an answer that is neither part of an experiment nor may have
                been randomised.
            served: who answered.
            request_id: id of the request.
            said: what was answered.
        """
        if choice.forced or not (choice.enrolled or said.propensities):
            return
        now = datetime.now(UTC)
        experiment, unit, variant = EXPLORATION, choice.unit or request_id, served.variant
        if choice.experiment is not None and choice.assignment is not None and choice.enrolled:
            experiment, variant = choice.experiment.id, choice.assignment.variant
            self._expose(experiment, unit, choice.assignment, served.name, request_id, now)
        # Its parts were validated when they came in.
        self._answers.append_soon(
            ServedAnswer.model_construct(
                request_id=request_id,
                experiment=experiment,
                unit=unit,
                model=served.name,
                variant=variant,
                answered_by=served.variant,
                version=served.version,
                item_ids=said.item_ids,
                labels=said.labels,
                scores=said.scores,
                propensities=said.propensities,
                occurred_at=now,
                source=SOURCE,
            )
        )

    def _forced(self, model: str, token: str) -> Choice:
        try:
            allowed = self._tokens.read(token)
        except VariantTokenError as error:
            raise _refused(f"{variant_tokens.HEADER}: {error}", model) from None
        if allowed.model != model:
            raise _refused(f"the token is for the {allowed.model} model, and this is {model}", model)
        deployment = self._directory.find(model)
        if deployment is None or allowed.variant in (STABLE, deployment.stable.name):
            return Choice(forced=True)
        name = allowed.variant
        if name == variant_tokens.CANARY and deployment.experiment is not None:
            name = deployment.experiment.canary
        if deployment.variant(name) is None:
            raise _refused(f"there is no variant {name} of the {model} model now", model)
        return Choice(name, forced=True)

    def _visitor(self, request: Request) -> tuple[str, str]:
        """Return the visitor that a request comes from, and the token to give out if it is not the one that came."""
        sent = request.headers.get(visitors.HEADER) or request.cookies.get(visitors.COOKIE)
        visitor = self._visitors.read(sent) or self._visitors.new()
        token = self._visitors.token(visitor)
        return visitor, token if token != sent else ""

    def _expose(
        self, experiment: str, unit: str, assignment: Assignment, model: str, request_id: str, now: datetime
    ) -> None:
        key = (experiment, unit)
        if key in self._enrolled:
            self._enrolled.move_to_end(key)
            return
        self._enrolled[key] = None
        if len(self._enrolled) > REMEMBERED_EXPOSURES:
            self._enrolled.popitem(last=False)
        self._exposures.append_soon(
            Exposure.model_construct(
                experiment=experiment,
                unit=unit,
                variant=assignment.variant,
                propensity=assignment.propensity,
                request_id=request_id,
                model=model,
                occurred_at=now,
                source=SOURCE,
            )
        )

    def _exposures_committed(self, exposures: Sequence[Exposure], took_s: float, stored: bool) -> None:
        if not stored:
            for exposure in exposures:  # the next answer records it
                self._enrolled.pop((exposure.experiment, exposure.unit), None)
        self._metrics.committed(exposures, took_s, stored)


def give_visitor_token(choice: Choice, request: Request, response: Response) -> None:
    """Give a visitor the token that was made for them, as a header and as a cookie."""
    if not choice.visitor_token:
        return
    response.headers[visitors.HEADER] = choice.visitor_token
    forwarded = request.headers.get("x-forwarded-proto", request.url.scheme)
    response.set_cookie(
        visitors.COOKIE,
        choice.visitor_token,
        max_age=visitors.LIFETIME_S,
        secure=forwarded.split(",")[0].strip().lower() == "https",
        httponly=True,
        samesite="lax",
    )


def _refused(reason: str, model: str) -> ProblemError:
    return ProblemError(
        VARIANT_REFUSED,
        f"{reason[0].upper()}{reason[1:]}. Leave the header out, or make another token: "
        f"mediareview rollout token {model} --variant canary",
    )


def _experiment_and_unit(line: bytes) -> tuple[str, str]:
    record = orjson.loads(line)
    try:
        return record["experiment"], record["unit"]
    except (KeyError, TypeError):
        raise ValueError("no exposure") from None
