"""Behaviour features as of any moment, as ibis expressions: what a user or title looked like before an event.

A row with ``event_timestamp`` T describes the entity from T on, until its next row. It is computed from the events
before T, and events are valid from one microsecond after they happened. The newest row at or before a moment
therefore holds exactly the events strictly before that moment: an event never sees itself, nor others of the same
instant. Rows are written when an event happens and when one leaves a time window, so that windowed counts are right
at every moment and not only at those of events. That makes at most three rows per event.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import ibis

from mediareview.features import GENRES

USER_WINDOWS_DAYS = (7, 30)
MEDIA_WINDOWS_DAYS = (30, 90)
HIGH_RATING = 4.0
"""Stars from which a rating counts as high."""
PRIOR_RATINGS = 10
"""Weight of the mean of all ratings in a title's shrunk mean, in ratings."""
PRIOR_GENRE_RATINGS = 3
"""Weight of indifference in a user's affinity to a genre, in ratings."""

MICROSECOND = timedelta(microseconds=1)


def user_events(ratings: Any, genres: Any, reviews: Any, verdicts: Any) -> Any:
    """Return what users did, one row per event: ``user_id, at, rating, genres, reviewed, judged, flagged``.

    Args:
        ratings: ``user_id, media_id, rating, rated_at``.
        genres: ``media_id, genres`` of the catalogue.
        reviews: ``user_id, created_at``; rows without either are left out.
        verdicts: ``author_id, labelled_at, spam, abusive, inappropriate`` of moderation.
    """
    no_genres = ibis.null("array<string>")
    rated = ratings.left_join(genres, "media_id")
    rated = rated.select(
        "user_id", at="rated_at", rating="rating", genres=rated.genres, reviewed=ibis.literal(0, "int64"),
        judged=ibis.literal(0, "int64"), flagged=ibis.literal(0, "int64"),
    )  # fmt: skip
    written = reviews.filter(reviews.user_id.notnull(), reviews.created_at.notnull())
    written = written.select(
        "user_id", at="created_at", rating=ibis.null("float64"), genres=no_genres, reviewed=ibis.literal(1, "int64"),
        judged=ibis.literal(0, "int64"), flagged=ibis.literal(0, "int64"),
    )  # fmt: skip
    judged = verdicts.filter(verdicts.author_id.notnull(), verdicts.labelled_at.notnull())
    flags = [judged[name].fill_null(False) for name in ("spam", "abusive", "inappropriate")]
    judged = judged.select(
        user_id="author_id", at="labelled_at", rating=ibis.null("float64"), genres=no_genres,
        reviewed=ibis.literal(0, "int64"), judged=ibis.literal(1, "int64"),
        flagged=(flags[0] | flags[1] | flags[2]).cast("int64"),
    )  # fmt: skip
    return ibis.union(rated, written, judged)


def user_features(events: Any) -> Any:
    """Return activity, taste and conduct of users as of the moments described above.

    Args:
        events: of ``user_events``.

    Returns:
        ``user_id, event_timestamp``; ``rating_count``, ``rating_mean`` and ``rating_spread`` (standard deviation of
        the population, stars), ``high_share`` (of ratings, 0 to 1), ``ratings_7d``, ``ratings_30d``,
        ``first_seen_at``, ``last_rated_at``, ``account_age_days`` and ``recency_days`` at ``event_timestamp``;
        ``genre_affinity`` (shrunk mean deviation from the user's own mean in stars, by ``GENRES``);
        ``review_count``, ``reviews_30d``, ``judged_count``, ``flagged_count``.
    """
    rated = events.rating.notnull()
    sums = {
        "n": rated.cast("int64").sum(),
        "total": events.rating.fill_null(0.0).sum(),
        "squares": (events.rating * events.rating).fill_null(0.0).sum(),
        "high": (rated & (events.rating >= HIGH_RATING)).cast("int64").sum(),
        "reviewed": events.reviewed.sum(),
        "judged": events.judged.sum(),
        "flagged": events.flagged.sum(),
    }
    for position, genre in enumerate(GENRES):
        has = events.genres.contains(genre).fill_null(False) & rated
        sums[f"n{position}"] = has.cast("int64").sum()
        sums[f"total{position}"] = ibis.ifelse(has, events.rating, 0.0).sum()
    moments = _moments(events, "user_id", sums, USER_WINDOWS_DAYS)
    so_far = ibis.cumulative_window(group_by="user_id", order_by="at")
    state = moments.mutate(
        **{name: moments[name].sum().over(so_far) for name in sums},
        ratings_7d=moments.n.sum().over(_last("user_id", 7)),
        ratings_30d=moments.n.sum().over(_last("user_id", 30)),
        reviews_30d=moments.reviewed.sum().over(_last("user_id", 30)),
        first_seen_at=moments.at.min().over(so_far),
        last_rated_at=(moments.n > 0).ifelse(moments.at, ibis.null(moments.at.type())).max().over(so_far),
    )
    mean = state.total / state.n.nullif(0)
    affinities = [
        (
            (state[f"total{position}"] - mean.fill_null(0.0) * state[f"n{position}"])
            / (state[f"n{position}"] + PRIOR_GENRE_RATINGS)
        ).cast("float32")
        for position in range(len(GENRES))
    ]
    return state.select(
        "user_id",
        event_timestamp=state.at + ibis.interval(microseconds=1),
        rating_count=state.n,
        rating_mean=mean,
        rating_spread=_spread(state),
        high_share=state.high / state.n.nullif(0),
        ratings_7d=state.ratings_7d,
        ratings_30d=state.ratings_30d,
        first_seen_at=state.first_seen_at,
        last_rated_at=state.last_rated_at,
        account_age_days=_days_between(state.first_seen_at, state.at),
        recency_days=_days_between(state.last_rated_at, state.at),
        genre_affinity=ibis.array(affinities),
        review_count=state.reviewed,
        reviews_30d=state.reviews_30d,
        judged_count=state.judged,
        flagged_count=state.flagged,
    )


def media_features(ratings: Any, years: Any) -> Any:
    """Return the popularity and quality of titles as of the moments described above.

    Args:
        ratings: ``media_id, rating, rated_at``.
        years: ``media_id, year`` of the catalogue.

    Returns:
        ``media_id, event_timestamp``; ``rating_count``, ``rating_mean``, ``rating_spread``, ``ratings_30d``,
        ``ratings_90d``, ``trend`` (log of the last 30 days' ratings over those expected from the 60 days before),
        ``shrunk_mean`` (Bayesian mean with the mean of all ratings so far as prior), ``age_years`` since release.
    """
    events = ratings.select("media_id", "rating", at=ratings.rated_at)
    sums = {
        "n": events.count(),
        "total": events.rating.sum(),
        "squares": (events.rating * events.rating).sum(),
    }
    moments = _moments(events, "media_id", sums, MEDIA_WINDOWS_DAYS)
    so_far = ibis.cumulative_window(group_by="media_id", order_by="at")
    # All ratings so far are those of earlier days and of the same day so far: no window holds more than a day.
    moments = moments.mutate(day=moments.at.truncate("D"))
    days = moments.group_by("day").aggregate(day_n=moments.n.sum(), day_total=moments.total.sum())
    earlier = ibis.window(order_by="day", preceding=(None, 1))
    days = days.select(
        "day", earlier_n=days.day_n.sum().over(earlier), earlier_total=days.day_total.sum().over(earlier)
    )
    moments = moments.join(days, "day")
    # Peers must count in full: with ROWS, titles rated in the same instant would see different priors.
    same_day = ibis.range_window(group_by="day", order_by="at", preceding=None, following=ibis.interval(microseconds=0))
    state = moments.mutate(
        **{name: moments[name].sum().over(so_far) for name in sums},
        ratings_30d=moments.n.sum().over(_last("media_id", 30)),
        ratings_90d=moments.n.sum().over(_last("media_id", 90)),
        all_n=moments.earlier_n.fill_null(0) + moments.n.sum().over(same_day),
        all_total=moments.earlier_total.fill_null(0.0) + moments.total.sum().over(same_day),
    )
    state = state.left_join(years, "media_id")
    prior = state.all_total / state.all_n
    before = (state.ratings_90d - state.ratings_30d) / 2.0
    return state.select(
        "media_id",
        event_timestamp=state.at + ibis.interval(microseconds=1),
        rating_count=state.n,
        rating_mean=state.total / state.n,
        rating_spread=_spread(state),
        ratings_30d=state.ratings_30d,
        ratings_90d=state.ratings_90d,
        trend=((state.ratings_30d + 1.0) / (before + 1.0)).ln(),
        shrunk_mean=(prior * PRIOR_RATINGS + state.total) / (state.n + PRIOR_RATINGS),
        age_years=_not_negative(state.at.year() - state.year).cast("int64"),
    )


def _moments(events: Any, entity: str, sums: dict[str, Any], windows_days: Iterable[int]) -> Any:
    """Return one row per entity and moment at which its state changes, with the sums of what happened then."""
    happened = events.group_by(entity, "at").aggregate(**sums)
    nothing = {name: ibis.literal(0, happened[name].type()) for name in sums}
    left = [
        happened.select(entity, at=happened.at + ibis.interval(days=days), **nothing).select(happened.columns)
        for days in windows_days
    ]
    together = ibis.union(happened, *left)
    return together.group_by(entity, "at").aggregate(**{name: together[name].sum() for name in sums})


def _last(entity: str, days: int) -> Any:
    """The window of the events younger than ``days`` when the row becomes valid, a microsecond after ``at``."""
    width = timedelta(days=days) - MICROSECOND
    preceding, following = ibis.interval(microseconds=width // MICROSECOND), ibis.interval(microseconds=0)
    return ibis.range_window(group_by=entity, order_by="at", preceding=preceding, following=following)


def _spread(state: Any) -> Any:
    n = state.n.nullif(0)
    mean = state.total / n
    return _not_negative(state.squares / n - mean * mean).sqrt()


def _not_negative(value: Any) -> Any:
    # GREATEST alone would make 0 of what is unknown.
    return value.notnull().ifelse(ibis.greatest(value, 0), ibis.null(value.type()))


def _days_between(start: Any, end: Any) -> Any:
    # Of whole seconds: engines disagree whether a second that is not over yet counts.
    return end.truncate("s").delta(start.truncate("s"), unit="second") / 86_400.0
