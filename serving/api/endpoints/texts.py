"""``/api/ml/sentiment`` and ``/api/ml/moderation``: what texts say, and whether they may be shown."""

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response

from mediareview.contracts.prediction import ModerationPrediction, SentimentPrediction
from serving.api.answers import (
    BODY_PROBLEMS,
    PREDICTOR_PROBLEMS,
    VARIANTS,
    VISITOR_HEADERS,
    answered_by,
    documented,
    json_response,
)
from serving.api.experiments import Choice, give_visitor_token
from serving.api.json_request import JsonRoute
from serving.api.metrics import Served
from serving.api.outputs import said_of_texts
from serving.api.schemas import (
    Moderation,
    ModerationBody,
    ModerationCategories,
    Moderations,
    Sentiment,
    SentimentBody,
    Sentiments,
    SentimentScores,
)
from serving.api.services import Services


def router(services: Services) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(route_class=JsonRoute)
    responses = {**VISITOR_HEADERS, **documented(*BODY_PROBLEMS, *PREDICTOR_PROBLEMS)}

    @routes.post(
        "/api/ml/sentiment",
        response_model=Sentiments,
        responses=responses,
        openapi_extra=VARIANTS,
        tags=["sentiment"],
        summary="Read the sentiment of reviews",
    )
    async def sentiment(request: Request, body: SentimentBody) -> Response:
        """Return for each review its most likely sentiment and calibrated probabilities."""
        request_id: str = request.state.request_id
        instances = [{"text": item.text} for item in body.items]
        choice = services.experiments.choose(request, "sentiment", body.user_id)
        predictions, served = await services.sentiment.predict(instances, request_id, choice.variant)
        items = [
            Sentiment(id=item.id, label=prediction.label, scores=SentimentScores.model_validate(prediction.scores))
            for item, prediction in zip(body.items, predictions, strict=True)
        ]
        model = answered_by(request, served)
        response = json_response(Sentiments(items=items, model=model, request_id=request_id))
        record(request, response, choice, served, [item.id for item in body.items], predictions)
        services.shadow.follow(response, choice, "sentiment", request_id, instances, predictions)
        return response

    @routes.post(
        "/api/ml/moderation",
        response_model=Moderations,
        responses=responses,
        openapi_extra=VARIANTS,
        tags=["moderation"],
        summary="Moderate texts",
    )
    async def moderation(request: Request, body: ModerationBody) -> Response:
        """Return for each text what to do with it, the probability of each category, and the evidence."""
        request_id: str = request.state.request_id
        instances = [{"text": item.text, "author_id": item.author_id} for item in body.items]
        choice = services.experiments.choose(request, "moderation", body.user_id or _only_author(body))
        predictions, served = await services.moderation.predict(instances, request_id, choice.variant)
        items = [
            Moderation(
                id=item.id,
                action=prediction.action,
                categories=ModerationCategories.model_validate(prediction.categories),
                reasons=prediction.reasons,
            )
            for item, prediction in zip(body.items, predictions, strict=True)
        ]
        model = answered_by(request, served)
        response = json_response(Moderations(items=items, model=model, request_id=request_id))
        record(request, response, choice, served, [item.id for item in body.items], predictions)
        services.shadow.follow(response, choice, "moderation", request_id, instances, predictions)
        return response

    def record(
        request: Request,
        response: Response,
        choice: Choice,
        served: Served,
        ids: list[str],
        predictions: Sequence[SentimentPrediction | ModerationPrediction],
    ) -> None:
        if choice.enrolled:
            said = said_of_texts(ids, predictions)
            services.experiments.answered(choice, served, request.state.request_id, said)
        give_visitor_token(choice, request, response)

    return routes


def _only_author(body: ModerationBody) -> str | None:
    """Return who wrote the texts, if one person wrote them all."""
    authors = {item.author_id for item in body.items}
    return authors.pop() if len(authors) == 1 else None
