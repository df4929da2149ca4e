"""The training pipelines: train-recommender, train-sentiment and train-moderation, built from the same components."""

from typing import Any

from kfp import dsl

from components.deployment.component import deploy
from components.registry.component import gate, register
from components.training.component import evaluate, load, pin, preprocess, train
from components.training.models import TRAINABLE


def _training_pipeline(model: str) -> Any:
    @dsl.pipeline(name=f"train-{model}", description=f"Train, evaluate, gate, register and deploy the {model} model.")
    def pipeline(profile: str = "demo", overrides: dict = {}, min_gain: float = 0.0) -> None:  # type: ignore[type-arg]  # noqa: B006
        # What is newest can change between two runs with the same parameters, so pinning is never cached, nor is
        # what changes the registry and the serving objects; both are idempotent.
        pinned = pin(model=model, profile=profile, overrides=overrides).set_caching_options(False)
        context = pinned.outputs["context"]
        data = load(context=context).outputs["data"]
        prepared = preprocess(context=context, data=data).outputs["prepared"]
        models = train(context=context, prepared=prepared).outputs["models"]
        evaluated = evaluate(
            context=context, champion_uri=pinned.outputs["champion_uri"], prepared=prepared, models=models
        )
        evaluation = evaluated.outputs["evaluation"]
        decision = gate(evaluation=evaluation, min_gain=min_gain).output
        champion = register(
            context=context, decision=decision, models=models, evaluation=evaluation
        ).set_caching_options(False)
        deploy(champion=champion.output).set_caching_options(False)

    return pipeline


PIPELINES: dict[str, Any] = {f"train-{model}": _training_pipeline(model) for model in TRAINABLE}
"""Pipeline name to pipeline."""
