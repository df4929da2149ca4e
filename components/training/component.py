"""KFP components of the shared training steps. Every pipeline is built from these."""

from typing import NamedTuple

from kfp import dsl

from mediareview import __version__

BASE_IMAGE = f"mediareview/pipelines:{__version__}"
"""Image of the steps on a cluster. The local runner uses the current environment instead."""


@dsl.component(base_image=BASE_IMAGE, install_kfp_package=False)
def pin(
    model: str,
    profile: str,
    overrides: dict,  # type: ignore[type-arg]
) -> NamedTuple("Pinned", context=dict, champion_uri=str):  # type: ignore[valid-type]
    """Fix lake versions and code for the run, and name the champion to compare with."""
    from components.registry import Registry, settle
    from components.training import steps
    from mediareview.errors import MediaReviewError

    registry = Registry.from_settings()
    try:
        champion = settle(model, registry)
    except MediaReviewError as error:
        print(f"Whether the champion of {model} is still what is served cannot be seen: {error}")
        champion = registry.champion(model)
    return (steps.pin(model, profile, overrides).model_dump(mode="json"), champion.uri if champion else "")


@dsl.component(base_image=BASE_IMAGE, install_kfp_package=False)
def load(context: dict, data: dsl.Output[dsl.Dataset]) -> None:  # type: ignore[type-arg]
    """Copy the pinned rows out of the lake."""
    from pathlib import Path

    from components.training import steps

    steps.load(steps.RunContext.model_validate(context), Path(data.path))


@dsl.component(base_image=BASE_IMAGE, install_kfp_package=False)
def preprocess(context: dict, data: dsl.Input[dsl.Dataset], prepared: dsl.Output[dsl.Dataset]) -> None:  # type: ignore[type-arg]
    """Split and prepare the rows."""
    from pathlib import Path

    from components.training import steps

    steps.preprocess(steps.RunContext.model_validate(context), Path(data.path), Path(prepared.path))


@dsl.component(base_image=BASE_IMAGE, install_kfp_package=False)
def train(context: dict, prepared: dsl.Input[dsl.Dataset], models: dsl.Output[dsl.Model]) -> None:  # type: ignore[type-arg]
    """Train the candidate and the baselines."""
    from pathlib import Path

    from components.training import steps

    steps.train(steps.RunContext.model_validate(context), Path(prepared.path), Path(models.path))


@dsl.component(base_image=BASE_IMAGE, install_kfp_package=False)
def evaluate(
    context: dict,  # type: ignore[type-arg]
    champion_uri: str,
    prepared: dsl.Input[dsl.Dataset],
    models: dsl.Input[dsl.Model],
    evaluation: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Score candidate, baselines and champion on the same test split."""
    from pathlib import Path

    from components.registry import Registry
    from components.training import steps

    scores = steps.evaluate(
        steps.RunContext.model_validate(context),
        Path(prepared.path),
        Path(models.path),
        Registry.from_settings().download(champion_uri) if champion_uri else None,
        Path(evaluation.path),
    )
    for score in scores.scores:
        for metric in score.metrics:
            if not metric.slice:
                metrics.log_metric(f"{score.name}_{metric.name}", metric.value)
    # Without a file behind it the local runner never finds the task in its cache.
    Path(metrics.path).write_text(scores.model_dump_json())
