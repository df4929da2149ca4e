"""Point-in-time correctness of behaviour features against a reference that simply looks at the events before."""

import math
import statistics
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from components.preprocessing.catalogue import CATALOGUE_SCHEMA
from components.preprocessing.engines.duckdb import DuckDBEngine
from components.preprocessing.feature_tables import feature_expressions
from mediareview.contracts import CONTRACTS, arrow_schema
from mediareview.features import GENRES

START = datetime(1998, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
TITLES = {
    "m1": {"genres": ["Drama", "War"], "directors": ["Ann", "Ben"], "cast": ["Cem"], "year": 1990},
    "m2": {"genres": ["Drama"], "directors": ["Ann"], "cast": ["Dot"], "year": None},
    "m3": {"genres": ["Comedy"], "directors": ["Eve"], "cast": ["Cem", "Dot"], "year": 1998},
}

# Few distinct moments, some exactly a window apart, so that ties and edges of windows are common.
MOMENTS = st.builds(
    lambda days, microseconds: START + timedelta(days=days, microseconds=microseconds),
    st.sampled_from([0, 1, 7, 8, 30, 31, 37, 60, 90, 120]),
    st.sampled_from([0, 1, 86_399_999_999]),
)
RATINGS = st.lists(
    st.tuples(st.sampled_from("uv"), st.sampled_from(sorted(TITLES)), st.sampled_from([0.5, 3.0, 4.0, 5.0]), MOMENTS),
    min_size=1,
    max_size=14,
)
OTHERS = st.lists(st.tuples(st.sampled_from("uw"), MOMENTS, st.booleans()), max_size=6)


def table(name: str, rows: Iterable[dict[str, Any]]) -> pa.Table:
    schema = arrow_schema(CONTRACTS[name])
    return pa.Table.from_pylist([dict.fromkeys(schema.names) | row for row in rows], schema=schema)


def compute(
    tmp_path: Path,
    ratings: list[tuple[str, str, float, datetime]],
    reviews: list[tuple[str, datetime, bool]] = [],  # noqa: B006
    verdicts: list[tuple[str, datetime, bool]] = [],  # noqa: B006
    interactions: Iterable[dict[str, Any]] = (),
    only: str = "",
) -> dict[str, list[dict[str, Any]]]:
    names = ("user_id", "media_id", "rating", "rated_at")
    tables = {
        "ratings": table("ratings", (dict(zip(names, row, strict=True)) for row in ratings)),
        "reviews": table("reviews", ({"user_id": user, "created_at": at} for user, at, _ in reviews)),
        "moderation": table(
            "moderation", ({"author_id": user, "labelled_at": at, "abusive": bad} for user, at, bad in verdicts)
        ),
        "interactions": table("interactions", interactions),
        "catalogue": pa.Table.from_pylist(
            [dict.fromkeys(CATALOGUE_SCHEMA.names) | {"media_id": key} | title for key, title in TITLES.items()],
            schema=CATALOGUE_SCHEMA,
        ),
    }
    with closing(DuckDBEngine(tmp_path, threads=2)) as engine:
        expressions = feature_expressions({name: engine.table(name, rows) for name, rows in tables.items()})
        return {
            name: engine.stream(expression).read_all().to_pylist()
            for name, expression in expressions.items()
            if only in ("", name)
        }


def as_of(rows: list[dict[str, Any]], key: str, entity: str, moment: datetime) -> dict[str, Any] | None:
    """What a point-in-time join finds: the newest row at or before the moment."""
    known = [row for row in rows if row[key] == entity and row["event_timestamp"] <= moment]
    return max(known, key=lambda row: row["event_timestamp"], default=None)


def same(found: Any, expected: float | None) -> bool:
    if expected is None or found is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=1e-5, abs_tol=1e-6)


def moments_of_interest(events: Iterable[datetime]) -> list[datetime]:
    """At, just after and between events, and where they leave a window."""
    days = (0, 3, 7, 30, 90)
    return sorted(
        {at + timedelta(days=day) + step for at in events for day in days for step in (0 * MICROSECOND, MICROSECOND)}
    )


# Every example compiles a query, so there are few, and a failing one is not shrunk for minutes.
slow = settings(
    deadline=None,
    max_examples=15,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@slow
@given(ratings=RATINGS, reviews=OTHERS, verdicts=OTHERS)
def test_user_features_hold_what_happened_strictly_before(
    tmp_path: Path,
    ratings: list[tuple[str, str, float, datetime]],
    reviews: list[tuple[str, datetime, bool]],
    verdicts: list[tuple[str, datetime, bool]],
) -> None:
    rows = compute(tmp_path, ratings, reviews, verdicts, only="user_features")["user_features"]
    times = [at for *_, at in ratings] + [at for _, at, _ in reviews + verdicts]
    for user in "uvw":
        for moment in moments_of_interest(times):
            row = as_of(rows, "user_id", user, moment)
            rated = [(media_id, rating, at) for who, media_id, rating, at in ratings if who == user and at < moment]
            written = [at for who, at, _ in reviews if who == user and at < moment]
            judged = [bad for who, at, bad in verdicts if who == user and at < moment]
            if row is None:
                assert not rated
                assert not written
                assert not judged
                continue
            stars = [rating for _, rating, _ in rated]
            mean = statistics.fmean(stars) if stars else None
            assert row["rating_count"] == len(rated)
            assert same(row["rating_mean"], mean)
            assert same(row["rating_spread"], statistics.pstdev(stars) if stars else None)
            assert same(row["high_share"], sum(star >= 4 for star in stars) / len(stars) if stars else None)
            for days in (7, 30):
                recent = [at for *_, at in rated if at >= moment - timedelta(days=days)]
                assert row[f"ratings_{days}d"] == len(recent)
            assert row["reviews_30d"] == sum(at >= moment - timedelta(days=30) for at in written)
            assert row["last_rated_at"] == max((at for *_, at in rated), default=None)
            assert (row["review_count"], row["judged_count"], row["flagged_count"]) == (
                len(written), len(judged), sum(judged),
            )  # fmt: skip
            for position, genre in enumerate(GENRES):
                liked = [rating for media_id, rating, _ in rated if genre in TITLES[media_id]["genres"]]  # type: ignore[operator]
                expected = sum(star - (mean or 0.0) for star in liked) / (len(liked) + 3)
                assert same(row["genre_affinity"][position], expected)


@slow
@given(ratings=RATINGS)
def test_media_features_hold_what_happened_strictly_before(
    tmp_path: Path, ratings: list[tuple[str, str, float, datetime]]
) -> None:
    rows = compute(tmp_path, ratings, only="media_features")["media_features"]
    for media_id, title in TITLES.items():
        for moment in moments_of_interest(at for *_, at in ratings):
            row = as_of(rows, "media_id", media_id, moment)
            rated = [(rating, at) for _, which, rating, at in ratings if which == media_id and at < moment]
            if row is None:
                assert not rated
                continue
            stars = [rating for rating, _ in rated]
            assert row["rating_count"] == len(rated)
            assert same(row["rating_mean"], statistics.fmean(stars))
            assert same(row["rating_spread"], statistics.pstdev(stars))
            last = {days: sum(at >= moment - timedelta(days=days) for _, at in rated) for days in (30, 90)}
            assert (row["ratings_30d"], row["ratings_90d"]) == (last[30], last[90])
            assert same(row["trend"], math.log((last[30] + 1) / ((last[90] - last[30]) / 2 + 1)))
            # The prior is the mean of all ratings when the row became valid.
            everything = [rating for *_, rating, at in ratings if at < row["event_timestamp"]]
            assert same(row["shrunk_mean"], (10 * statistics.fmean(everything) + sum(stars)) / (10 + len(stars)))
            released = title["year"]
            year = (row["event_timestamp"] - MICROSECOND).year
            assert row["age_years"] == (None if released is None else max(0, year - released))  # type: ignore[operator]


@slow
@given(ratings=RATINGS)
def test_profiles_hold_whole_days_of_the_past_in_order(
    tmp_path: Path, ratings: list[tuple[str, str, float, datetime]]
) -> None:
    rows = compute(tmp_path, ratings, only="user_profiles")["user_profiles"]
    for user in "uv":
        mine = sorted((at, media_id, rating) for who, media_id, rating, at in ratings if who == user)
        for row in (row for row in rows if row["user_id"] == user):
            before = [event for event in mine if event[0] < row["event_timestamp"]]
            assert row["history_media_ids"] == [media_id for _, media_id, _ in before]
            assert row["history_ratings"] == [rating for *_, rating in before]
        days = {at.date() for at, *_ in mine}
        assert sum(row["user_id"] == user for row in rows) == len(days)


def test_events_of_the_same_instant_do_not_see_one_another(tmp_path: Path) -> None:
    rows = compute(tmp_path, [("u", "m1", 5.0, START), ("u", "m2", 1.0, START)])["user_features"]
    assert as_of(rows, "user_id", "u", START) is None
    after = as_of(rows, "user_id", "u", START + MICROSECOND)
    assert after is not None
    assert after["rating_count"] == 2


def test_the_order_of_rows_in_the_table_does_not_matter(tmp_path: Path) -> None:
    ratings = [("u", f"m{1 + day % 3}", 1.0 + day % 5, START + timedelta(days=day)) for day in range(40)]
    straight, reversed_ = compute(tmp_path, ratings), compute(tmp_path, ratings[::-1])
    for name, rows in straight.items():
        assert sorted(map(repr, rows)) == sorted(map(repr, reversed_[name]))


def test_people_of_well_rated_titles_become_favourites(tmp_path: Path) -> None:
    ratings = [
        ("u", "m1", 5.0, START),
        ("u", "m2", 5.0, START + timedelta(hours=1)),
        ("u", "m3", 1.0, START + timedelta(hours=2)),
    ]
    (row,) = compute(tmp_path, ratings)["user_profiles"]
    # Ann made two titles of five stars; Cem and Dot appear in a good and a bad one; all others in only one.
    assert row["favourite_people"] == ["Ann"]


def test_views_count_as_consumed_and_hidden_titles_as_blocked(tmp_path: Path) -> None:
    def interaction(media_id: str, type_: str, hours: int) -> dict[str, Any]:
        return {"user_id": "u", "media_id": media_id, "type": type_, "occurred_at": START + timedelta(hours=hours)}

    done = [interaction("m2", "view", 1), interaction("m3", "hide", 2), interaction("m1", "click", 3)]
    (row,) = compute(tmp_path, [("u", "m1", 5.0, START)], interactions=done)["user_profiles"]
    assert row["history_media_ids"] == ["m1", "m2"]
    assert row["history_ratings"] == [5.0, pytest.approx(math.nan, nan_ok=True)]
    assert row["blocked_media_ids"] == ["m3"]


def test_no_events_give_no_rows_with_the_same_columns(tmp_path: Path) -> None:
    assert compute(tmp_path, []) == {"user_features": [], "user_profiles": [], "media_features": []}
