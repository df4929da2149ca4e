"""Estimates what a registered recommender would have been clicked, from the answers of those that served."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from components.registry import Registry
from mediareview.console import output, step, table
from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from serving.off_policy import (
    Diagnostics,
    Estimate,
    diagnose,
    estimates,
    logged_clicks,
    positions,
    read_log,
    refuse_if_uninformative,
    refuse_if_unreliable,
)
from serving.off_policy.ranking import wanted


@dataclass(frozen=True)
class Estimated:
    """What was found of a candidate."""

    model: str
    version: str
    logged: Estimate
    """What the answers logged were clicked."""
    estimates: list[Estimate]
    diagnostics: Diagnostics
    not_randomised: int
    """Answers left out because their order was fixed."""
    anonymous: int
    """Answers left out because nobody knows what the visitor had seen."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON; clicks are per answer, intervals of 95 %."""
        return asdict(self)


def estimate_candidate(
    settings: Settings, model: str, version: str, days: float | None = None, max_weight: float | None = None
) -> Estimated:
    """Rank the logged users with a registered version, and estimate how often it would have been clicked.

    Args:
        settings: where registry, event stream, lake and online store are.
        model: ``recommender``.
        version: number or alias of the candidate.
        days: only answers of the last so many days.
        max_weight: to which greater weights are cut.

    Raises:
        MediaReviewError: there is no such version, or the log cannot carry an estimate, and why.
    """
    from serving.online_features import OnlineFeatures
    from serving.scorers.recommender import Recommender

    registry = Registry.from_settings(settings)
    chosen = registry.version(model, version)
    log = read_log(settings, datetime.now(UTC) - timedelta(days=days) if days else None)
    if not log.answers:
        raise MediaReviewError(
            f"No answer in randomised order was logged for a user who is known: {log.not_randomised:,} were in a fixed "
            f"order, {log.anonymous:,} for visitors.",
            "Serve with MEDIAREVIEW_EXPLORATION_SHARE=0.1 for a while, or start a rollout: it compares real answers.",
        )
    refuse_if_uninformative(diagnose(positions(log.answers, [() for _ in log.answers])))
    with step(f"Ranking for {len(log.answers):,} logged answers", expected_s=2 + len(log.answers) / 300):
        candidate = Recommender.load(registry.download(chosen.uri))
        ranked = list(wanted(candidate, log.answers, OnlineFeatures(settings).user_state))
    logged = positions(log.answers, ranked)
    diagnostics = diagnose(logged, max_weight)
    refuse_if_unreliable(diagnostics)
    return Estimated(
        model=model,
        version=chosen.version,
        logged=logged_clicks(logged),
        estimates=estimates(logged, max_weight),
        diagnostics=diagnostics,
        not_randomised=log.not_randomised,
        anonymous=log.anonymous,
    )


def show(found: Estimated) -> None:
    """Print what was found."""
    rows = [("as logged", *_told(found.logged)[:2], "")]
    rows += [(item.method, *_told(item)) for item in found.estimates]
    table(
        f"{found.model} version {found.version}: clicks per answer, estimated from answers of others",
        ["", "clicks per answer", "95 % interval", "difference to logged (95 %)"],
        rows,
    )
    clipped = f" ({found.diagnostics.clipped_share:.1%} of the matches cut)" if found.diagnostics.clipped_share else ""
    quality = found.diagnostics
    table(
        "What it rests on",
        ["", ""],
        [
            ("answers, users", f"{quality.answers:,}, {quality.units:,}"),
            ("left out", f"{found.not_randomised:,} in a fixed order, {found.anonymous:,} of visitors"),
            ("matched places", f"{quality.matched:,} of {quality.positions:,}, with {quality.clicks:,} clicks"),
            ("worth", f"{quality.effective_sample:,.0f} places and {quality.effective_clicks:,.0f} clicks"),
            ("overlap", f"{quality.overlap:.0%} of what the candidate shows could have been shown"),
            ("greatest weight", f"{quality.max_weight:,.0f}{clipped}"),
        ],
    )
    output.print("DR is the one to go by; the three should agree. Histories are today's, not those of the time.")


def _told(item: Estimate) -> tuple[str, str, str]:
    return (
        f"{item.clicks_per_answer:.4f}",
        f"{item.low:.4f} to {item.high:.4f}",
        f"{item.difference:+.4f} ({item.difference_low:+.4f} to {item.difference_high:+.4f})",
    )
