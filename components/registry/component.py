"""KFP components of the gate and the registration."""

from kfp import dsl

from components.training.component import BASE_IMAGE


@dsl.component(base_image=BASE_IMAGE, install_kfp_package=False)
def gate(evaluation: dsl.Input[dsl.Artifact], min_gain: float) -> dict:  # type: ignore[type-arg]
    """Decide whether the candidate becomes champion."""
    from pathlib import Path

    from components.registry import decide
    from mediareview.evaluation import Evaluation

    scores = Evaluation.model_validate_json((Path(evaluation.path) / "evaluation.json").read_text())
    decision = decide(scores, min_gain)
    print(decision.reason)
    return decision.model_dump()


@dsl.component(base_image=BASE_IMAGE, install_kfp_package=False)
def register(
    context: dict,  # type: ignore[type-arg]
    decision: dict,  # type: ignore[type-arg]
    models: dsl.Input[dsl.Model],
    evaluation: dsl.Input[dsl.Artifact],
) -> dict:  # type: ignore[type-arg]
    """Register the candidate, move the aliases, and return the champion."""
    from pathlib import Path

    from components.registry import Decision
    from components.registry.steps import register as register_models
    from components.training.steps import RunContext
    from mediareview.evaluation import Evaluation

    champion = register_models(
        RunContext.model_validate(context),
        Path(models.path),
        Evaluation.model_validate_json((Path(evaluation.path) / "evaluation.json").read_text()),
        Decision.model_validate(decision),
    )
    print(f"champion: {champion.name} version {champion.version}")
    return {"name": champion.name, "version": champion.version, "uri": champion.uri}
