"""``/api/ml/feedback``: what happened to an answer."""

import uuid
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response

from mediareview.contracts.events import Feedback
from serving.api.answers import BODY_PROBLEMS, documented, json_response
from serving.api.events import EventStoreError
from serving.api.experiments import SOURCE
from serving.api.feedback_log import EventConflictError
from serving.api.json_request import JsonRoute
from serving.api.problems import EVENT_CONFLICT, EVENTS_UNAVAILABLE, STORAGE_FULL, ProblemError
from serving.api.schemas import Accepted, FeedbackBody
from serving.api.services import Services

RETRY_AFTER_S = 5.0


def router(services: Services) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["feedback"], route_class=JsonRoute)

    @routes.post(
        "/api/ml/feedback",
        status_code=202,
        response_model=Accepted,
        responses=documented(*BODY_PROBLEMS, EVENT_CONFLICT, EVENTS_UNAVAILABLE, STORAGE_FULL),
        summary="Tell what happened to an answer",
    )
    async def feedback(request: Request, body: FeedbackBody) -> Response:
        """Store an event. Once it is accepted it is on disk, and sending it again changes nothing.

        Answers with recommendations are recorded as impressions without it.
        """
        given = body.model_dump(exclude_none=True)
        event = Feedback(**{"event_id": uuid.uuid4().hex, "occurred_at": datetime.now(UTC), "source": SOURCE, **given})
        try:
            new = await services.events.append(event)
        except EventConflictError:
            raise ProblemError(
                EVENT_CONFLICT, f"Another event with the event_id {event.event_id} was accepted before. Use a new one."
            ) from None
        except EventStoreError as error:
            raise ProblemError(
                STORAGE_FULL if error.full else EVENTS_UNAVAILABLE,
                "The event was not stored. Keep it, and send it again after the seconds in Retry-After.",
                retry_after_s=RETRY_AFTER_S,
            ) from None
        answer = Accepted(event_id=event.event_id, duplicate=not new, request_id=request.state.request_id)
        return json_response(answer, status=202)

    return routes
