"""Model quality against every baseline, on the same test split of the same run.

Trains the three models with the given profile in a home of its own, ``HOME/benchmarks/PROFILE``, through the same
pipelines that everybody runs; what was trained there before with equal data and code is taken from the cache.

Usage: ``python -m benchmarks.models [--profile quick|demo|full]``
"""

import argparse

from benchmarks.home import use_own_home
from mediareview.settings import get_settings

METRICS = {
    "recommender": ("ndcg@10", "recall@10", "map@10", "ndcg@10 (temporal)"),
    "sentiment": ("macro_f1", "neutral_f1", "accuracy", "ece"),
    "moderation": ("auc_abusive", "auc_spam", "f1_abusive", "f1_spam", "macro_auc"),
}
"""What is reported of each model; ``NAME (SLICE)`` for a metric of a slice."""


def main() -> None:
    """Train, collect the evaluations, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=("quick", "demo", "full"), default="demo")
    profile = parser.parse_args().profile

    use_own_home(profile)

    from components.ingestion import ingest_demo
    from components.preprocessing import prepare_features
    from components.registry import Registry
    from mediareview.console import step
    from mediareview.lake import Lake
    from pipelines.catalogue import PIPELINE_NAMES
    from pipelines.local import run_locally

    settings = get_settings()
    lake = Lake.from_settings(settings)
    with step("Demo data and features", expected_s=80):
        ingest_demo(lake, settings)
        prepare_features(lake, settings)
    rows = []
    for name in PIPELINE_NAMES:
        with step(f"{name} ({profile})"):
            run_locally(name, {"profile": profile})
        model = name.removeprefix("train-")
        # Every version carries the evaluation of its own training; the newest version is what was just trained.
        newest = Registry.from_settings(settings).versions(model)[0]
        rows += comparisons(model, Registry.from_settings(settings).manifest(newest).card.evaluation, profile)

    from benchmarks.report import report

    report("models", rows)


def comparisons(model, evaluation, profile):  # type: ignore[no-untyped-def]
    """Return a row for each reported metric of the candidate and each baseline that has it."""
    from benchmarks.report import Row

    rows = []
    for reported in METRICS[model]:
        name, _, part = reported.partition(" (")
        part = part.rstrip(")")

        def find(score, name=name, part=part):  # type: ignore[no-untyped-def]
            return next((item for item in score.metrics if (item.name, item.slice) == (name, part)), None)

        candidate = find(evaluation.candidate)
        for baseline in evaluation.by_role("baseline"):
            other = find(baseline)
            if candidate is None or other is None:
                continue
            interval = (
                f"[{candidate.ci_low:.3f}, {candidate.ci_high:.3f}]" if candidate.ci_low is not None else "no interval"
            )
            metric = f"{model}_{name.replace('@', '_at_')}{'_' + part.replace(' ', '_') if part else ''}"
            note = f"95 % {interval}, seed {evaluation.seed}, {profile}"
            rows.append(Row(metric, candidate.value, "", baseline.name, other.value, note))
    return rows


if __name__ == "__main__":
    main()
