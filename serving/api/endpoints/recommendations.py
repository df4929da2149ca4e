"""``/api/ml/recommendations``: what to watch next."""

import uuid
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

from fastapi import APIRouter, Query, Request, Response

from mediareview.contracts.events import Feedback
from mediareview.contracts.prediction import RecommendedItem
from serving.api.answers import (
    BODY_PROBLEMS,
    PREDICTOR_PROBLEMS,
    VARIANTS,
    VISITOR_HEADERS,
    answered_by,
    documented,
    json_response,
)
from serving.api.experiments import SOURCE, give_visitor_token
from serving.api.exploration import Shown, drawn_from, explore
from serving.api.json_request import JsonRoute
from serving.api.metrics import Served
from serving.api.outputs import Said
from serving.api.problems import INTERNAL, INVALID_REQUEST, FieldError, ProblemError
from serving.api.schemas import Recommendation, Recommendations, RecommendationsBody, RecommendationsQuery
from serving.api.services import Services

PATH = "/api/ml/recommendations"


def router(services: Services) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["recommendations"], route_class=JsonRoute)

    @routes.get(
        PATH,
        response_model=Recommendations,
        responses={**VISITOR_HEADERS, **documented(INVALID_REQUEST, INTERNAL, *PREDICTOR_PROBLEMS)},
        openapi_extra=VARIANTS,
        summary="Recommend to a known user",
    )
    async def recommend_to_user(request: Request, query: Annotated[RecommendationsQuery, Query()]) -> Response:
        """Return titles for a user; popular ones, labelled as ``fallback``, if nothing is known of the user.

        Titles that the user consumed, hid or blocked are never among them.
        """
        _check_encoding(request)
        return await recommend(request, {"user_id": query.user_id, "limit": query.limit})

    @routes.post(
        PATH,
        response_model=Recommendations,
        responses={**VISITOR_HEADERS, **documented(*BODY_PROBLEMS, *PREDICTOR_PROBLEMS)},
        openapi_extra=VARIANTS,
        summary="Recommend to an anonymous visitor, or to a user in a context",
    )
    async def recommend_to_visitor(request: Request, body: RecommendationsBody) -> Response:
        """Return titles that fit a history, which comes on top of what is known of the user, if one is named."""
        return await recommend(request, body.model_dump())

    async def recommend(request: Request, instance: dict[str, Any]) -> Response:
        request_id: str = request.state.request_id
        user_id, limit = instance.get("user_id"), instance["limit"]
        choice = services.experiments.choose(request, "recommender", user_id)
        share = 0.0 if choice.forced else services.exploration_share
        if share:
            instance["limit"] = drawn_from(limit)
        (prediction,), served = await services.recommender.predict([instance], request_id, choice.variant)
        shown = explore(prediction.items, limit, share, request_id) if share else Shown(prediction.items, [])
        if shown.titles:
            services.events.append_soon(_impression(request_id, user_id, shown.titles, served))
        answer = Recommendations(
            user_id=user_id,
            items=[Recommendation.model_construct(**vars(item)) for item in shown.titles],
            model=answered_by(request, served),
            request_id=request_id,
            **({"fallback": prediction.fallback} if prediction.fallback else {}),
        )
        response = json_response(answer)
        if share or choice.enrolled:
            said = Said(
                [item.media_id for item in shown.titles], [], [item.score for item in shown.titles], shown.propensities
            )
            services.experiments.answered(choice, served, request_id, said)
        give_visitor_token(choice, request, response)
        services.shadow.follow(response, choice, "recommender", request_id, [instance], [prediction])
        return response

    return routes


def _impression(request_id: str, user_id: str | None, titles: list[RecommendedItem], served: Served) -> Feedback:
    return Feedback.model_construct(
        event_id=uuid.uuid4().hex,
        request_id=request_id,
        type="impression",
        occurred_at=datetime.now(UTC),
        user_id=user_id,
        item_ids=[item.media_id for item in titles],
        model=served.name,
        version=served.version,
        variant=served.variant,
        source=SOURCE,
    )


def _check_encoding(request: Request) -> None:
    """Refuse a query that is not UTF-8: its bytes would silently become another user's id."""
    query: bytes = request.scope["query_string"]
    if b"%" in query or not query.isascii():
        try:
            unquote_to_bytes(query).decode()
        except UnicodeDecodeError:
            error = FieldError(detail="send it in UTF-8, percent-encoded", parameter="user_id")
            raise ProblemError(INVALID_REQUEST, "The query is not UTF-8, percent-encoded.", errors=[error]) from None
