"""Parameters of a pipeline, as they are written on the command line, and checked before anything starts."""

import json
from collections.abc import Iterable
from typing import Any

from mediareview.errors import MediaReviewError
from pipelines.catalogue import check_name

PIPELINE_PARAMETERS = ("profile", "min_gain", "deployment")
"""What a pipeline takes itself. All else are fields of the model's configuration."""


def parse_parameters(pairs: Iterable[str]) -> dict[str, Any]:
    """Split KEY=VALUE pairs into the pipeline's own parameters and overrides of the model's configuration.

    Raises:
        MediaReviewError: one is not KEY=VALUE.
    """
    parameters: dict[str, Any] = {}
    overrides: dict[str, Any] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator:
            raise MediaReviewError(f"The parameter {pair!r} is not KEY=VALUE.", "For example --param seed=7.")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        if key == "min_gain" and type(value) is int:
            value = float(value)  # KFP takes no whole number for a float
        (parameters if key in PIPELINE_PARAMETERS else overrides)[key] = value
    return {**parameters, "overrides": overrides} if overrides else parameters


def check_parameters(name: str, parameters: dict[str, Any]) -> None:
    """Check them as the first step will, but now and here.

    Raises:
        MediaReviewError: there is no such pipeline, parameter, profile or field, or a value does not fit.
    """
    check_name(name)
    from components.deployment.deploy import STRATEGIES
    from components.training.steps import RunContext
    from pipelines.training import PIPELINES

    known = PIPELINES[name].component_spec.inputs or {}
    for parameter in parameters:
        if parameter not in known:
            raise MediaReviewError(f"{name} has no parameter {parameter!r}.", f"It has: {', '.join(known)}.")
    min_gain = parameters.get("min_gain", 0.0)
    if isinstance(min_gain, bool) or not isinstance(min_gain, int | float):
        raise MediaReviewError(f"min_gain is {min_gain!r}.", "It is a number, for example --param min_gain=0.005.")
    deployment = parameters.get("deployment", STRATEGIES[0])
    if deployment not in STRATEGIES:
        raise MediaReviewError(f"deployment is {deployment!r}.", f"It is {' or '.join(STRATEGIES)}.")
    RunContext(
        model=name.removeprefix("train-"),
        profile=str(parameters.get("profile", "demo")),
        overrides=parameters.get("overrides", {}),
        lake_versions={},
        code_digest="",
    ).config()
