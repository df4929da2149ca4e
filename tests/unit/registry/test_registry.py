"""The registry keeps versions, aliases and artifacts, and survives repetition and interruption."""

from pathlib import Path

import pytest

from components.registry import Registry
from mediareview.artifact import Manifest, ModelCard, load_manifest, save_manifest
from mediareview.errors import MediaReviewError
from mediareview.evaluation import Metric
from mediareview.settings import Settings

CARD = ModelCard(lake_versions={"reviews": 3}, parameters={"epochs": 2}, metrics=[Metric(name="ndcg@10", value=0.5)])


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return Registry.from_settings(Settings(home=tmp_path_factory.mktemp("home")))


def artifact(directory: Path, name: str, weights: str = "weights") -> Path:
    directory.mkdir()
    (directory / "weights.npz").write_text(weights)
    save_manifest(directory, Manifest(name=name, variety="test"))
    return directory


def test_a_version_carries_its_number_its_card_and_its_intact_artifact(registry: Registry, tmp_path: Path) -> None:
    version = registry.register(artifact(tmp_path / "a", "one"), CARD, {"digest": "1"})
    manifest = load_manifest(registry.download(version.uri), verify=True)
    assert (version.version, manifest.version) == ("1", "1")
    assert manifest.card == CARD


def test_registering_the_same_artifact_twice_gives_the_same_version(registry: Registry, tmp_path: Path) -> None:
    directory = artifact(tmp_path / "a", "two")
    first = registry.register(directory, CARD, {"digest": "1"})
    again = registry.register(directory, CARD, {"digest": "1"})
    other = registry.register(directory, CARD, {"digest": "2"})
    assert first.version == again.version != other.version


def test_a_version_whose_upload_was_interrupted_is_invisible_and_replaced(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = artifact(tmp_path / "a", "three")

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(registry._client, "log_artifacts", full_disk)
        with pytest.raises(OSError, match="No space"):
            registry.register(directory, CARD, {"digest": "1"})
    assert registry.versions("three") == []
    version = registry.register(directory, CARD, {"digest": "1"})
    assert [item.version for item in registry.versions("three", include_incomplete=True)] == [version.version]


def test_a_dethroned_champion_becomes_challenger(registry: Registry, tmp_path: Path) -> None:
    old = registry.register(artifact(tmp_path / "a", "four"), CARD, {"digest": "1"})
    new = registry.register(artifact(tmp_path / "b", "four", "better"), CARD, {"digest": "2"})
    assert registry.champion("four") is None
    registry.set_champion(old)
    registry.set_champion(new)
    aliases = {item.version: item.aliases for item in registry.versions("four")}
    assert aliases == {new.version: ("champion",), old.version: ("challenger",)}
    assert registry.version("four", "champion").version == new.version


def test_an_unknown_version_is_answered_with_what_there_is(registry: Registry, tmp_path: Path) -> None:
    registry.register(artifact(tmp_path / "a", "five"), CARD, {"digest": "1"})
    with pytest.raises(MediaReviewError, match="It has: 1"):
        registry.version("five", "7")
    with pytest.raises(MediaReviewError, match="pipeline run train-six"):
        registry.version("six", "champion")


def test_a_changed_artifact_is_refused(registry: Registry, tmp_path: Path) -> None:
    directory = artifact(tmp_path / "a", "seven")
    (directory / "weights.npz").write_text("tampered")
    with pytest.raises(MediaReviewError, match="was changed"):
        registry.register(directory, CARD, {"digest": "1"})
