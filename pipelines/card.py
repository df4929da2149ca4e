"""Print a model card."""

from typing import Any


def show_card(name: str, version: str, as_json: bool = False) -> None:
    """Print the card of a registered version, to be read or as JSON.

    Args:
        name: the model.
        version: number or alias.
        as_json: the whole manifest instead.

    Raises:
        MediaReviewError: there is no such version.
    """
    from components.registry import Registry
    from mediareview.console import output, table

    registry = Registry.from_settings()
    manifest = registry.manifest(registry.version(name, version))
    card = manifest.card
    if as_json:
        print(manifest.model_dump_json(indent=2))
        return
    output.print(f"[bold]{name} version {manifest.version}[/bold] ({manifest.variety}), code {card.code_revision}")
    for line in (card.summary, f"Labels: {card.labels}" if card.labels else "", f"Gate: {card.decision}"):
        if line:
            output.print(line, markup=False)
    output.print("Data: " + ", ".join(f"{table_} v{number}" for table_, number in card.lake_versions.items()))
    if card.evaluation:
        evaluation = card.evaluation
        output.print(f"Test split: {evaluation.split}, seed {evaluation.seed}", markup=False)
        whole = [metric for metric in evaluation.candidate.metrics if not metric.slice]
        slices = [metric for metric in evaluation.candidate.metrics if metric.slice]
        names = [score.name for score in evaluation.scores]
        table("Metrics", ["metric", "95 % interval", *names], [_scores(metric, evaluation) for metric in whole])
        if slices:
            rows = [(metric.slice, *_scores(metric, evaluation)) for metric in slices]
            table("Slices", ["slice", "metric", "95 % interval", *names], rows)
    for limit in card.limits:
        output.print(f"- {limit}", markup=False)


def _scores(metric: Any, evaluation: Any) -> tuple[str, ...]:
    """Return a metric's name, the interval of the candidate, and the value of every model."""
    interval = f"{metric.ci_low:.3f} to {metric.ci_high:.3f}" if metric.ci_low is not None else ""
    values = [
        next((item.value for item in score.metrics if (item.name, item.slice) == (metric.name, metric.slice)), None)
        for score in evaluation.scores
    ]
    return (metric.name, interval, *("" if value is None else f"{value:.3f}" for value in values))
