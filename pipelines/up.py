"""Everything on one machine: demo data, features, trained models, serving. Interrupted, it goes on where it stopped."""

import time
from contextlib import ExitStack

from mediareview.console import console, duration, output, step, table
from mediareview.lake import Lake
from mediareview.settings import Settings
from pipelines.catalogue import PIPELINE_NAMES

EXPECTED_TRAINING_S = {"quick": 45, "demo": 110, "full": 1200}
"""Expected duration of one training pipeline on two cores, in seconds, by profile."""


def bring_up(settings: Settings, profile: str, sample: bool, check: bool, retrain: bool) -> int:
    """Ingest, prepare, train, serve; then wait for Ctrl-C, or check every endpoint and return.

    Args:
        settings: where everything lives.
        profile: how much to train: ``quick``, ``demo`` or ``full``.
        sample: take a small sample of the demo data.
        check: call every endpoint, print what was seen, and return.
        retrain: train even if data, parameters and code are those of the champion.

    Returns:
        The exit code: 0, or 1 if a check failed.

    Raises:
        MediaReviewError: a step failed; it says what to do.
    """
    from components.ingestion import ingest_demo
    from components.preprocessing import prepare_features

    started = time.monotonic()
    lake = Lake.from_settings(settings)
    with step("Demo data: download, verify, ingest", expected_s=60):
        ingest_demo(lake, settings, sample=sample)
    with step("Features: catalogue, behaviour, Feast", expected_s=40):
        prepare_features(lake, settings)
    for name in PIPELINE_NAMES:
        train(name, profile, settings, retrain)
    from serving.platform import rollouts_note, running, wait_for_stop

    with ExitStack() as serving:
        with step("Serving: three predictors and the API", expected_s=15):
            url = serving.enter_context(running(settings))
        serving.callback(console.print, "Draining ...")
        scores(settings)
        console.print(f"[bold]Ready after {duration(time.monotonic() - started)}.[/bold]")
        if check:
            from pipelines.check import check_endpoints

            return check_endpoints(url)
        invitation(url)
        console.print(rollouts_note(settings))
        wait_for_stop()
        return 0


def train(name: str, profile: str, settings: Settings, retrain: bool) -> None:
    """Run a training pipeline, unless the newest version came from the same data, parameters and code."""
    from components.deployment.deploy import deploy
    from components.registry import Registry, settle
    from components.training.steps import pin
    from pipelines.local import run_locally

    model = name.removeprefix("train-")
    registry = Registry.from_settings(settings)
    champion = settle(model, registry, settings)
    context = pin(model, profile, {}).digest
    if champion and not retrain and any(item.tags.get("context") == context for item in registry.versions(model)):
        console.print(f"[bold]▸ {name}[/bold] [dim]was trained on this data before; --retrain trains again[/dim]")
        console.print(f"  {deploy(model, champion.version, champion.uri, settings).told}", soft_wrap=True)
        return
    with step(name, expected_s=EXPECTED_TRAINING_S[profile]):
        run_locally(name, {"profile": profile})


def scores(settings: Settings) -> None:
    """Print what each champion scored against its baselines on the same test split."""
    from components.registry import Registry
    from components.training.models import TRAINABLE

    registry = Registry.from_settings(settings)
    rows = []
    for model in TRAINABLE:
        champion = registry.champion(model)
        if champion is None:
            continue
        evaluation = registry.manifest(champion).card.evaluation
        if evaluation is None:
            continue
        metric = evaluation.primary_metric
        for score in evaluation.scores:
            if score.role == "champion":
                continue
            value = next(item for item in score.metrics if item.name == metric and not item.slice)
            interval = f"{value.ci_low:.3f} to {value.ci_high:.3f}" if value.ci_low is not None else ""
            rows.append((model, score.name, metric, f"{value.value:.4f}", interval))
    table("Scores on the test split", ["model", "scored", "metric", "value", "95 % interval"], rows)


def invitation(url: str) -> None:
    """Print where the API is and a few lines to try."""
    output.print(
        f"\n[bold]The API is at {url}[/bold] ({url}/openapi.json describes it). Ctrl-C stops everything. Try:\n"
    )
    for path, body in (
        ("recommendations?user_id=196&limit=5", ""),
        ("recommendations", '{"history": ["50", "181"], "limit": 5}'),
        ("sentiment", '{"items": [{"id": "r1", "text": "A dull, lifeless film."}]}'),
        ("moderation", '{"items": [{"id": "c1", "text": "you are an 1d10t"}]}'),
    ):
        data = f" -H 'content-type: application/json' -d '{body}'" if body else ""
        output.print(f"curl '{url}/api/ml/{path}'{data}", markup=False)
