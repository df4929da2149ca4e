"""The champion is what is served or on its way there, whatever rollouts ended with."""

import shutil
from pathlib import Path

import pytest

from components.registry import ModelVersion, Registry, settle
from components.registry.registry import ROLLED_BACK
from mediareview.artifact import Manifest, ModelCard, save_manifest
from mediareview.settings import Settings
from serving.objects import ObjectDirectory, inference_service
from serving.rollouts.audit import AuditLog
from serving.rollouts.operations import Rollouts
from serving.rollouts.plan import Plan
from serving.rollouts.rollout import Candidate
from tests.rollout_world import MemoryLog, status_of

NAME = "sentiment"
WHO = {"actor": "ana", "reason": "slow"}


class World:
    """A registry with three versions, and version 1 served."""

    def __init__(self, root: Path, registry: Path) -> None:
        shutil.copytree(registry, root / "home" / "registry")
        self.settings = Settings(home=root / "home")
        self.registry = Registry.from_settings(self.settings)
        self.objects = ObjectDirectory(self.settings.inference_services)
        self.log: AuditLog = MemoryLog()
        self.rollouts = Rollouts(self.objects, self.log)
        self.root = root
        self.versions: dict[str, ModelVersion] = {}
        self.register("1")
        self.registry.set_champion(self.versions["1"])
        self.objects.apply(inference_service(NAME, self.versions["1"].uri, "1"))

    def register(self, number: str) -> None:
        directory = self.root / number
        directory.mkdir()
        (directory / "weights.npz").write_text(number)
        save_manifest(directory, Manifest(name=NAME, variety="test"))
        self.versions[number] = self.registry.register(directory, ModelCard(), {"digest": number})

    def start(self, number: str, *, again: bool = False) -> None:
        version = self.versions[number]
        candidate = Candidate(version=number, uri=version.uri, predictor=f"v{number}")
        self.rollouts.start(NAME, candidate, Plan(), "ana", "", again=again)
        self.objects.update_status(NAME, status_of(self.objects.get(NAME)))
        self.rollouts.enter(NAME, **WHO)

    def settled(self) -> dict[str, str]:
        """Aliases by version, after settling; settling again changes nothing."""
        champion = settle(NAME, self.registry, self.settings)
        aliases = {item.version: ",".join(item.aliases) for item in self.registry.versions(NAME)}
        assert champion is not None
        assert settle(NAME, self.registry, self.settings) == self.registry.champion(NAME) == champion
        return {version: alias for version, alias in aliases.items() if alias}

    def tag(self, number: str) -> str | None:
        return self.registry.version(NAME, number).tags.get(ROLLED_BACK)


@pytest.fixture(scope="module")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a registry; making one takes seconds."""
    home = tmp_path_factory.mktemp("registry")
    assert Registry.from_settings(Settings(home=home)).versions(NAME) == []
    return home / "registry"


@pytest.fixture
def world(tmp_path: Path, empty_registry: Path) -> World:
    return World(tmp_path, empty_registry)


def test_before_anything_is_trained_or_served_there_is_nothing_to_settle(empty_registry: Path) -> None:
    settings = Settings(home=empty_registry.parent)
    assert settle(NAME, Registry.from_settings(settings), settings) is None


def test_a_champion_that_waits_to_be_deployed_or_is_rolled_out_stays(world: World) -> None:
    world.register("2")
    world.registry.set_champion(world.versions["2"])
    assert world.settled() == {"2": "champion", "1": "challenger"}
    world.start("2")
    assert world.settled() == {"2": "champion", "1": "challenger"}
    world.rollouts.promote(NAME, **WHO)
    assert world.settled() == {"2": "champion", "1": "challenger"}


def test_a_champion_that_was_rolled_back_gives_way_to_what_is_served(world: World) -> None:
    world.register("2")
    world.registry.set_champion(world.versions["2"])
    world.start("2")
    world.rollouts.roll_back(NAME, **WHO)
    assert world.settled() == {"1": "champion", "2": "challenger"}
    assert world.tag("2") == "slow"


def test_what_was_rolled_back_and_then_promoted_is_no_longer_tagged(world: World) -> None:
    world.register("2")
    world.registry.set_champion(world.versions["2"])
    world.start("2")
    world.rollouts.roll_back(NAME, **WHO)
    world.settled()
    world.start("2", again=True)
    world.rollouts.promote(NAME, **WHO)
    assert world.settled() == {"2": "champion", "1": "challenger"}
    assert world.tag("2") is None


def test_a_challenger_that_a_person_promoted_becomes_champion(world: World) -> None:
    world.register("2")
    world.start("2")
    assert world.settled() == {"1": "champion"}
    world.rollouts.promote(NAME, **WHO)
    assert world.settled() == {"2": "champion", "1": "challenger"}


def test_a_champion_registered_after_the_last_promotion_waits_to_be_deployed(world: World) -> None:
    world.register("2")
    world.start("2")
    world.rollouts.promote(NAME, **WHO)
    world.register("3")
    world.registry.set_champion(world.versions["3"])
    assert world.settled() == {"3": "champion", "1": "challenger"}


def test_a_challenger_that_was_rolled_back_leaves_the_champion(world: World) -> None:
    world.register("2")
    world.start("2")
    world.rollouts.roll_back(NAME, **WHO)
    assert world.settled() == {"1": "champion"}
    assert world.tag("2") == "slow"


def test_what_is_served_from_another_registry_moves_no_alias(world: World) -> None:
    world.objects.apply(inference_service(NAME, "file:///elsewhere", "77"))
    assert world.settled() == {"1": "champion"}
