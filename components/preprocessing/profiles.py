"""What a user consumed and favours, as lists: one row per user and active day.

Lists grow with every event, so they are kept by the day and not by the event as in ``behaviour``: a row holds all
events up to the last one of its day and is valid from one microsecond after that, never before.
"""

from typing import Any

import ibis

from mediareview.features import HISTORY_LENGTH

PEOPLE = 10
"""How many favourite people a profile names."""
PRIOR_PERSON_RATINGS = 3
"""Weight of indifference in a user's affinity to a person, in ratings."""
CONSUMING = ("view", "like")
"""Interactions after which a title counts as consumed, without a rating."""
BLOCKING = ("hide", "block", "dismiss")
"""Interactions after which a title is not shown again."""


def user_profiles(ratings: Any, interactions: Any, people: Any) -> Any:
    """Return histories, blocked titles and favourite people of users, by active day.

    Args:
        ratings: ``user_id, media_id, rating, rated_at``.
        interactions: ``user_id, media_id, type, occurred_at``.
        people: ``media_id, person`` of directors and cast.

    Returns:
        ``user_id, event_timestamp``; ``history_media_ids`` and ``history_ratings`` (the newest ``HISTORY_LENGTH``,
        oldest first; NaN where a title was consumed without a rating), ``blocked_media_ids``, ``favourite_people``
        (highest affinity first, only those above 0).
    """
    blocks = interactions.filter(interactions.type.isin(BLOCKING))
    blocks = blocks.select("user_id", "media_id", at=blocks.occurred_at)
    rated = ratings.select("user_id", "media_id", "rating", at=ratings.rated_at)
    viewed = interactions.filter(interactions.type.isin(CONSUMING))
    viewed = viewed.select("user_id", "media_id", rating=ibis.literal(float("nan"), "float64"), at=viewed.occurred_at)
    consumed = ibis.union(rated, viewed)
    events = ibis.union(consumed.select("user_id", "at"), blocks.select("user_id", "at"))
    days = events.group_by("user_id", day=events.at.truncate("D")).aggregate(until=events.at.max())
    days = days.select("user_id", "until")
    histories = _histories(days, consumed)
    blocked = _blocked(days, blocks)
    favourites = _favourite_people(days, rated, people)
    profile = days.left_join(histories, ["user_id", "until"]).drop("user_id_right", "until_right")
    profile = profile.left_join(blocked, ["user_id", "until"]).drop("user_id_right", "until_right")
    profile = profile.left_join(favourites, ["user_id", "until"])
    nobody = ibis.literal([], "array<string>")
    return profile.select(
        "user_id",
        event_timestamp=profile.until + ibis.interval(microseconds=1),
        history_media_ids=profile.history_media_ids.fill_null(nobody),
        history_ratings=profile.history_ratings.fill_null(ibis.literal([], "array<float32>")),
        blocked_media_ids=profile.blocked_media_ids.fill_null(nobody),
        favourite_people=profile.favourite_people.fill_null(nobody),
    )


def title_people(catalogue: Any) -> Any:
    """Return ``media_id, person`` of directors and cast, one row each.

    Args:
        catalogue: ``media_id, directors, cast``.
    """
    names = catalogue.select("media_id", person=catalogue.directors.concat(catalogue["cast"]).unnest())
    return names.distinct()


def _until(days: Any, events: Any) -> Any:
    """Join each user's days with the events up to then."""
    joined = days.join(events, [days.user_id == events.user_id, events.at <= days.until])
    return joined.select(days.user_id, days.until, *[events[name] for name in events.columns if name != "user_id"])


def _histories(days: Any, consumed: Any) -> Any:
    # Numbered first, so that the join brings at most HISTORY_LENGTH ratings to each day.
    numbered = consumed.mutate(
        number=ibis.row_number().over(group_by="user_id", order_by=["at", "media_id", "rating"]).cast("int64")
    )
    last = _until(days, numbered).group_by("user_id", "until").aggregate(last=lambda t: t.number.max())
    joined = last.join(
        numbered,
        [
            last.user_id == numbered.user_id,
            numbered.number <= last["last"],
            numbered.number > last["last"] - HISTORY_LENGTH,
        ],
    )
    joined = joined.select(last.user_id, last.until, numbered.number, numbered.media_id, numbered.rating)
    return joined.group_by("user_id", "until").aggregate(
        history_media_ids=_in_order(joined.media_id, joined.number),
        history_ratings=_in_order(joined.rating.cast("float32"), joined.number),
    )


def _blocked(days: Any, blocks: Any) -> Any:
    joined = _until(days, blocks)
    return joined.group_by("user_id", "until").aggregate(
        blocked_media_ids=joined.media_id.collect(distinct=True).sort()
    )


def _favourite_people(days: Any, rated: Any, people: Any) -> Any:
    """Rank people by the shrunk mean deviation of their titles' ratings from the user's own mean."""
    means = _until(days, rated).group_by("user_id", "until").aggregate(mean=lambda t: t.rating.mean())
    seen = rated.join(people, "media_id").select("user_id", "at", "rating", "person")
    # One title in common says little about a person.
    often = seen.group_by("user_id", "person").having(lambda t: t.count() >= 2).aggregate(times=lambda t: t.count())
    seen = seen.semi_join(often, ["user_id", "person"])
    so_far = _until(days, seen)
    so_far = so_far.group_by("user_id", "until", "person").aggregate(n=so_far.count(), total=so_far.rating.sum())
    scored = so_far.filter(so_far.n >= 2).join(means, ["user_id", "until"])
    scored = scored.mutate(affinity=(scored.total - scored["mean"] * scored.n) / (scored.n + PRIOR_PERSON_RATINGS))
    scored = scored.filter(scored.affinity > 0)
    ranked = scored.mutate(
        place=ibis.row_number().over(group_by=["user_id", "until"], order_by=[ibis.desc("affinity"), "person"])
    )
    ranked = ranked.filter(ranked.place < PEOPLE)
    return ranked.group_by("user_id", "until").aggregate(favourite_people=_in_order(ranked.person, ranked.place))


def _in_order(values: Any, numbers: Any) -> Any:
    """Collect values in the order of numbers that differ. Spark cannot order while it collects."""
    pairs = ibis.struct({"number": numbers, "value": values}).collect().sort()
    return pairs.map(lambda pair: pair.value)
