"""Gate and registration as plain functions; the KFP components beside this module wrap them."""

import hashlib
from pathlib import Path

from components.registry.gate import Decision
from components.registry.registry import ROLLED_BACK, ModelVersion, Registry
from components.training.revision import code_revision
from components.training.steps import RunContext
from mediareview.artifact import MANIFEST, load_manifest
from mediareview.console import console
from mediareview.evaluation import Evaluation, ModelScore


def register(context: RunContext, models_dir: Path, evaluation: Evaluation, decision: Decision) -> ModelVersion:
    """Register the candidate and, if a baseline won, the baseline; move the aliases.

    A refused candidate is kept as challenger with the reason, and so is a winner that was rolled back before: the same
    model, made again, is not tried on users again by itself. Running it again changes nothing.

    Returns:
        The champion after the decision.
    """
    registry = Registry.from_settings()

    def registered(score: ModelScore, directory: Path) -> ModelVersion:
        manifest = load_manifest(directory)
        card = manifest.card.model_copy(
            update={
                "lake_versions": context.lake_versions,
                "code_revision": code_revision(),
                "parameters": {
                    "profile": context.profile,
                    "processes": context.processes,
                    **context.config().model_dump(mode="json"),
                },
                "metrics": score.metrics,
                "evaluation": evaluation,
                "decision": decision.reason,
            }
        )
        # A manifest holds its creation time, so the digest speaks of weights and settings only.
        decisive = f"{context.digest}{score.name}{sorted(manifest.files.items())}{manifest.settings}"
        return registry.register(
            directory,
            card,
            tags={
                "context": context.digest,
                "digest": hashlib.sha256(decisive.encode()).hexdigest(),
                "role": score.role,
                "decision": decision.reason[:4000],
                evaluation.primary_metric.replace("@", "_at_"): f"{score.value(evaluation.primary_metric):.6f}",
            },
        )

    candidate = registered(evaluation.candidate, models_dir / "candidate")
    winner = candidate
    if decision.winner not in ("", "candidate"):
        baseline = next(score for score in evaluation.scores if score.name == decision.winner)
        winner = registered(baseline, models_dir / "baselines" / baseline.name)
    champion = registry.champion(context.model)
    rolled_back = champion is not None and ROLLED_BACK in winner.tags
    if rolled_back:
        console.print(
            f"{winner.name} version {winner.version} was rolled back before and stays challenger: "
            f"{winner.tags[ROLLED_BACK]}"
        )
    elif decision.winner and (champion is None or champion.version != winner.version):
        registry.set_champion(winner)
    champion = registry.champion(context.model)
    if champion is None:
        raise RuntimeError(f"{context.model} has no champion after {MANIFEST} was registered")
    if candidate.version != champion.version:
        registry.set_challenger(candidate)
    return champion
