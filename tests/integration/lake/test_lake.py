"""The lake behaves alike on a directory and on S3."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import SecretStr

from components.ingestion import ingest_file
from mediareview.errors import MediaReviewError
from mediareview.lake import Lake
from mediareview.settings import Settings

pytestmark = pytest.mark.integration


@pytest.fixture(params=["directory", "s3"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "directory":
        return Settings(home=tmp_path)
    s3: Settings = request.getfixturevalue("s3")
    return s3.model_copy(update={"lake_url": f"s3://lake-bucket/{tmp_path.name}"})


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Lake.from_settings(settings)


def rows(**columns: list) -> pa.Table:
    return pa.table(columns)


def test_a_merge_counts_what_it_did_and_repeating_it_makes_no_version(lake: Lake) -> None:
    first = lake.merge("t", rows(key=["a", "b"], value=[1, 2]), ["key"])
    assert (first.inserted, first.updated, first.unchanged) == (2, 0, 0)
    second = lake.merge("t", rows(key=["b", "c"], value=[3, 4]), ["key"])
    assert (second.inserted, second.updated, second.unchanged) == (1, 1, 0)
    version = lake.version("t")
    third = lake.merge("t", rows(key=["b", "c"], value=[3, 4]), ["key"])
    assert (third.inserted, third.updated, third.unchanged) == (0, 0, 2)
    assert lake.version("t") == version


def test_a_pinned_version_reads_as_it_was(lake: Lake) -> None:
    lake.append("t", rows(key=["a"]))
    pins = lake.pin(["t"])
    lake.append("t", rows(key=["b"]))
    lake.replace("t", rows(key=["z"], more=[1]))
    assert lake.read("t", pins["t"]).to_pylist() == [{"key": "a"}]
    assert lake.read("t").to_pylist() == [{"key": "z", "more": 1}]


def test_insert_only_keeps_what_is_there(lake: Lake) -> None:
    lake.merge("t", rows(key=["a"], value=[1]), ["key"])
    lake.merge("t", rows(key=["a"], value=[2]), ["key"], update=False)
    assert lake.read("t")["value"].to_pylist() == [1]


def test_repeated_keys_unknown_tables_and_versions_are_told(lake: Lake) -> None:
    with pytest.raises(MediaReviewError, match="repeat a key"):
        lake.merge("t", rows(key=["a", "a"]), ["key"])
    with pytest.raises(MediaReviewError, match="has no table 'nothing'"):
        lake.read("nothing")
    lake.append("t", rows(key=["a"]))
    with pytest.raises(MediaReviewError, match="versions run from 0 to 0"):
        lake.read("t", version=7)


def test_tables_are_listed(lake: Lake) -> None:
    lake.append("b", rows(key=["a"]))
    lake.append("a", rows(key=["a"]))
    assert lake.tables() == ["a", "b"]


def test_a_file_is_ingested_with_its_dead_letters(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("userId,movieId,rating,timestamp\n1,2,4,881250949\n1,3,nan,881250949\n")
    for _ in range(2):
        summary = ingest_file(lake, "ratings", path)
        assert (summary.stored, summary.dead) == (1, 1)
    assert (lake.version("ratings"), lake.version("dead_letters")) == (0, 0)


WRITER = """
import sys, pyarrow as pa
from mediareview.lake import Lake
for part in range(5):
    Lake.from_settings().append("t", pa.table({"key": [f"{sys.argv[1]}-{part}"]}))
"""


def test_six_concurrent_writers_lose_nothing(lake: Lake, settings: Settings) -> None:
    lake.append("t", rows(key=["first"]))
    environment = {
        **os.environ,
        "MEDIAREVIEW_HOME": str(settings.home),
        "MEDIAREVIEW_LAKE_URL": settings.lake,
        "MEDIAREVIEW_S3_ENDPOINT_URL": settings.s3_endpoint_url,
        "MEDIAREVIEW_S3_ACCESS_KEY_ID": settings.s3_access_key_id,
        "MEDIAREVIEW_S3_SECRET_ACCESS_KEY": settings.s3_secret_access_key.get_secret_value(),
    }
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(n)], env=environment) for n in range(6)]
    assert [writer.wait(120) for writer in writers] == [0] * 6
    assert lake.read("t").num_rows == 31


def test_wrong_credentials_and_absent_servers_are_told(s3: Settings) -> None:
    with pytest.raises(MediaReviewError, match="cannot be used"):
        Lake.from_settings(
            s3.model_copy(update={"s3_secret_access_key": SecretStr("wrong"), "lake_url": "s3://other/x"})
        )
    with pytest.raises(MediaReviewError, match="cannot be used"):
        Lake.from_settings(s3.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:9"}))


def test_a_url_of_another_kind_is_refused() -> None:
    with pytest.raises(MediaReviewError, match="file:///directory or s3://bucket"):
        Lake("hdfs://cluster/lake")
