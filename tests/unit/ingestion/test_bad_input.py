"""Bad input of every kind gets a clear answer, and no row is lost."""

import errno
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.ingestion import ReadOptions, ingest_file
from mediareview.contracts import CONTRACTS, Rating
from mediareview.errors import MediaReviewError
from mediareview.lake import Lake

HEADER = "userId,movieId,rating,timestamp\n"
GOOD = "1,2,4,881250949\n"


def dead(lake: Lake) -> list[dict]:
    return sorted(lake.read("dead_letters").to_pylist(), key=lambda row: row["line"])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,2,nan,881250949", "rating"),
        ("1,2,inf,881250949", "rating"),
        ("1,2,9,881250949", "less than or equal to 5"),
        ("1,2,many,881250949", "'many' is not a number"),
        ("1,2,4,4102444800", "in the future"),
        ("1,2,4,yesterday", "rated_at"),
        ("1,2,4,-5", "before 1970"),
        (",2,4,881250949", "user_id: is missing"),
        ("1,2,4", "has 3 columns, the header has 4"),
        ("1,2,4,881250949,extra", "has 5 columns"),
    ],
)
def test_a_bad_row_becomes_a_dead_letter_and_the_rest_is_stored(row: str, reason: str, ingest, lake: Lake) -> None:
    summary = ingest("ratings", "r.csv", f"{HEADER}{row}\n{GOOD}")
    assert (summary.inserted, summary.dead) == (1, 1)
    (letter,) = dead(lake)
    assert reason in letter["reason"]
    assert (letter["file"], letter["line"], letter["contract"], letter["raw"]) == ("r.csv", 2, "ratings", row)


def test_ingesting_a_file_twice_changes_nothing_not_even_a_version(ingest, lake: Lake) -> None:
    content = HEADER + GOOD + "1,2,nan,881250950\n"
    ingest("ratings", "r.csv", content)
    versions = lake.pin(["ratings", "dead_letters"])
    again = ingest("ratings", "r.csv", content)
    assert (again.inserted, again.updated, again.unchanged, again.dead) == (0, 0, 1, 1)
    assert lake.pin(["ratings", "dead_letters"]) == versions


def test_a_corrected_row_replaces_the_old_one(ingest, lake: Lake) -> None:
    ingest("ratings", "r.csv", HEADER + GOOD)
    assert ingest("ratings", "r.csv", HEADER + "1,2,5,881250949\n").updated == 1
    assert lake.read("ratings")["rating"].to_pylist() == [5.0]


def test_a_repeated_key_names_the_line_it_repeats(ingest, lake: Lake) -> None:
    ingest("ratings", "r.csv", HEADER + GOOD + GOOD)
    assert dead(lake)[0]["reason"] == "repeats the user_id, media_id, rated_at of line 2"


def test_bytes_in_another_encoding_are_kept_and_told(ingest, lake: Lake) -> None:
    content = "text,sentiment\nDéjà vu,positive\nFine,positive\n".encode("latin-1")
    summary = ingest("reviews", "r.csv", content)
    assert (summary.inserted, summary.dead) == (1, 1)
    assert "--encoding" in dead(lake)[0]["reason"]
    assert "Déjà vu" in dead(lake)[0]["raw"]
    assert ingest("reviews", "r.csv", content, encoding="latin-1").dead == 0


def test_a_text_of_ten_megabytes_is_refused_alone(ingest, lake: Lake) -> None:
    summary = ingest("reviews", "r.csv", f"text,sentiment\n{'x' * 10_000_000},positive\nFine,positive\n")
    assert (summary.inserted, summary.dead) == (1, 1)
    assert "the limit is 65536" in dead(lake)[0]["reason"]


def test_lines_that_are_no_json_objects(ingest, lake: Lake) -> None:
    lines = [
        '{"text": "ok", "sentiment": "positive"}',
        "{nope",
        "[1, 2]",
        '{"text": "x", "sentiment": "meh"}',
        "[" * 99_999,
    ]
    summary = ingest("reviews", "r.jsonl", "\n".join(lines) + "\n")
    assert (summary.inserted, summary.dead) == (1, 4)
    reasons = [letter["reason"] for letter in dead(lake)]
    assert reasons[0].startswith("not valid JSON")
    assert reasons[1] == "a JSON object is needed, this is a list"
    assert "--label meh=" in reasons[2]


@pytest.mark.parametrize(
    ("table", "name", "content", "format", "says"),
    [
        ("ratings", "empty.csv", b"", "auto", "is empty"),
        ("ratings", "header.csv", HEADER.encode(), "auto", "holds no rows"),
        ("ratings", "blank.jsonl", b"\n\n", "auto", "is empty"),
        ("reviews", "cols.csv", b"words,label\nx,positive\n", "auto", "--map COLUMN=text"),
        ("reviews", "utf16.csv", "text,label\nx,positive\n".encode("utf-16"), "auto", "--encoding"),
        ("ratings", "bad.parquet", b"PAR1 not really", "auto", "not a readable Parquet file"),
        ("media", "bad.db", b"SQLite format 3\0 not really", "auto", "not the film database"),
        ("ratings", "what.bin", b"x", "auto", "--format"),
        ("ratings", "a.csv", b"x\n", "csvv", "no format 'csvv'"),
        ("ratings", "a.db", b"x", "filmdb", "holds no ratings"),
        ("ratings", "b.inter", b"user:token\tx:token\n1\t2\n", "auto", "no column for"),
        ("ratings", "ratings.csv", b"userId,movieId\n1,2\n", "movielens", "no column for"),
    ],
)
def test_a_file_that_cannot_be_read_is_answered_with_what_to_do(table, name, content, format, says, ingest) -> None:
    with pytest.raises(MediaReviewError) as raised:
        ingest(table, name, content, format)
    assert says in str(raised.value)
    assert raised.value.hint


def test_files_that_are_not_there_and_wrong_options(tmp_path: Path, lake: Lake, ingest) -> None:
    with pytest.raises(MediaReviewError, match="does not exist"):
        ingest_file(lake, "ratings", tmp_path / "nowhere.csv")
    with pytest.raises(MediaReviewError, match="has no field 'stars'"):
        ingest("ratings", "a.csv", HEADER + GOOD, "csv", columns={"rating": "stars"})
    with pytest.raises(MediaReviewError, match="has no column colour"):
        ingest("ratings", "a.csv", HEADER + GOOD, "csv", columns={"colour": "rating"})
    with pytest.raises(MediaReviewError, match="holds no ratings"):
        ingest_file(lake, "ratings", tmp_path, "movielens")


def test_a_full_disk_stores_nothing_by_halves_and_the_next_run_completes(
    ingest, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest("ratings", "a.csv", HEADER + GOOD)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    more = HEADER + GOOD + "1,3,4,881250949\n"
    with monkeypatch.context() as patch:
        patch.setattr(Lake, "merge", full)
        with pytest.raises(MediaReviewError, match=r"disk of the lake .* is full"):
            ingest("ratings", "b.csv", more)
    assert lake.read("ratings").num_rows == 1
    again = ingest("ratings", "b.csv", more)
    assert (again.inserted, again.unchanged) == (1, 1)


ids = st.text(
    st.characters(exclude_categories=("C",), exclude_characters='"\u2028\u2029\x85'), min_size=1, max_size=8
).filter(lambda text: text.strip() == text)
ratings = st.lists(
    st.builds(
        Rating,
        user_id=ids,
        media_id=ids,
        rating=st.sampled_from([0.5, 1, 2.5, 5]),
        rated_at=st.integers(1, 1_700_000_000),
        source=st.just("s"),
    ),
    min_size=1,
    max_size=20,
    unique_by=lambda rating: (rating.user_id, rating.media_id, rating.rated_at),
)
relaxed = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@relaxed
@given(rows=ratings, format=st.sampled_from(["csv", "jsonl"]))
def test_what_was_written_is_what_is_read(rows: list[Rating], format: str, tmp_path_factory) -> None:
    import csv
    import json

    directory = tmp_path_factory.mktemp("roundtrip")
    path = directory / f"rows.{format}"
    with path.open("w", encoding="utf-8", newline="") as file:
        if format == "csv":
            writer = csv.writer(file)
            writer.writerow(["user_id", "media_id", "rating", "rated_at"])
            writer.writerows([row.user_id, row.media_id, row.rating, row.rated_at.isoformat()] for row in rows)
        else:
            file.writelines(json.dumps(row.model_dump(mode="json")) + "\n" for row in rows)
    lake = Lake((directory / "lake").as_uri())
    summary = ingest_file(lake, "ratings", path, format, ReadOptions(source="s"))
    assert (summary.inserted, summary.dead) == (len(rows), 0), summary
    stored = {tuple(row.values()) for row in lake.read("ratings").to_pylist()}
    assert stored == {tuple(dict(row).values()) for row in rows}


@relaxed
@given(
    garbage=st.lists(st.binary(max_size=40), max_size=10),
    name=st.sampled_from(["r.csv", "r.jsonl", "u.data", "r.dat"]),
    table=st.sampled_from(["ratings", "reviews", "media"]),
)
def test_whatever_stands_in_a_file_rows_add_up(garbage: list[bytes], name: str, table: str, tmp_path_factory) -> None:
    directory = tmp_path_factory.mktemp("garbage")
    path = directory / name
    head = b"user_id,media_id,rating,rated_at,text,title\n1,2,3,881250949,t,t\n" if name == "r.csv" else b""
    path.write_bytes(head + b"\n".join(garbage))
    lake = Lake((directory / "lake").as_uri())
    try:
        summary = ingest_file(lake, table, path, "auto" if table != "reviews" else "csv" if "csv" in name else "jsonl")
    except MediaReviewError:
        return
    stored = lake.read(table).num_rows if lake.exists(table) else 0
    letters = lake.read("dead_letters").num_rows if lake.exists("dead_letters") else 0
    assert summary.rows_in == stored + summary.dead
    assert letters == summary.dead
    assert all(
        set(row) == set(CONTRACTS[table].model_fields) for row in (lake.read(table).to_pylist() if stored else [])
    )
