"""The training pipelines: train-recommender, train-sentiment and train-moderation, built from the same components."""

from collections.abc import Callable
from typing import Any

from kfp import dsl

from components.deployment.component import deploy
from components.registry.component import gate, register
from components.training.component import evaluate, load, pin, preprocess, train
from components.training.models import TRAINABLE

Configure = Callable[[str, Any], None]
"""Takes a step's name and its task, and says how it runs."""


def training_pipeline(model: str, configure: Configure | None = None) -> Any:
    """Return the pipeline that trains a model.

    Args:
        model: which one.
        configure: what a cluster needs to know about each task; the local runner needs nothing.
    """

    @dsl.pipeline(name=f"train-{model}", description=f"Train, evaluate, gate, register and deploy the {model} model.")
    def pipeline(
        profile: str = "demo",
        overrides: dict = {},  # type: ignore[type-arg]  # noqa: B006
        min_gain: float = 0.0,
        deployment: str = "rollout",
    ) -> None:
        # What is newest can change between two runs with the same parameters, so pinning is never cached, nor is
        # what changes the registry and the serving objects; both are idempotent.
        pinned = pin(model=model, profile=profile, overrides=overrides).set_caching_options(False)
        context = pinned.outputs["context"]
        loaded = load(context=context)
        prepared = preprocess(context=context, data=loaded.outputs["data"])
        trained = train(context=context, prepared=prepared.outputs["prepared"])
        models = trained.outputs["models"]
        evaluated = evaluate(
            context=context,
            champion_uri=pinned.outputs["champion_uri"],
            prepared=prepared.outputs["prepared"],
            models=models,
        )
        evaluation = evaluated.outputs["evaluation"]
        gated = gate(evaluation=evaluation, min_gain=min_gain)
        registered = register(
            context=context, decision=gated.output, models=models, evaluation=evaluation
        ).set_caching_options(False)
        deployed = deploy(champion=registered.output, deployment=deployment).set_caching_options(False)
        if configure:
            for task in (pinned, loaded, prepared, trained, evaluated, gated, registered, deployed):
                configure(task.name, task)

    return pipeline


PIPELINES: dict[str, Any] = {f"train-{model}": training_pipeline(model) for model in TRAINABLE}
"""Pipeline name to pipeline, as the local runner runs it."""
