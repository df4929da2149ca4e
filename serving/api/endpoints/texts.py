"""``/api/ml/sentiment`` and ``/api/ml/moderation``: what texts say, and whether they may be shown."""

from fastapi import APIRouter, Request, Response

from serving.api.answers import BODY_PROBLEMS, PREDICTOR_PROBLEMS, answered_by, documented, json_response
from serving.api.json_request import JsonRoute
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
    problems = documented(*BODY_PROBLEMS, *PREDICTOR_PROBLEMS)

    @routes.post(
        "/api/ml/sentiment",
        response_model=Sentiments,
        responses=problems,
        tags=["sentiment"],
        summary="Read the sentiment of reviews",
    )
    async def sentiment(request: Request, body: SentimentBody) -> Response:
        """Return for each review its most likely sentiment and calibrated probabilities."""
        instances = [{"text": item.text} for item in body.items]
        predictions, served = await services.sentiment.predict(instances, request.state.request_id)
        items = [
            Sentiment(id=item.id, label=prediction.label, scores=SentimentScores.model_validate(prediction.scores))
            for item, prediction in zip(body.items, predictions, strict=True)
        ]
        model = answered_by(request, served)
        return json_response(Sentiments(items=items, model=model, request_id=request.state.request_id))

    @routes.post(
        "/api/ml/moderation",
        response_model=Moderations,
        responses=problems,
        tags=["moderation"],
        summary="Moderate texts",
    )
    async def moderation(request: Request, body: ModerationBody) -> Response:
        """Return for each text what to do with it, the probability of each category, and the evidence."""
        instances = [{"text": item.text, "author_id": item.author_id} for item in body.items]
        predictions, served = await services.moderation.predict(instances, request.state.request_id)
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
        return json_response(Moderations(items=items, model=model, request_id=request.state.request_id))

    return routes
