"""The commands that change rollouts, as a platform engineer types them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from components.registry import Registry
from components.rollouts.commands import rollout
from components.rollouts.planning import DURATION
from mediareview.artifact import Manifest, ModelCard, save_manifest
from mediareview.settings import Settings, get_settings
from serving.objects import ObjectDirectory, inference_service
from serving.rollouts.operations import Rollouts
from serving.rollouts.rollout import Rollout

NAME = "sentiment"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three registered versions, of which the third was damaged since."""
    home = tmp_path_factory.mktemp("home")
    registry = Registry.from_settings(Settings(home=home))
    for number in "123":
        directory = tmp_path_factory.mktemp("artifact")
        (directory / "weights.npz").write_text(number)
        save_manifest(directory, Manifest(name=NAME, variety="test"))
        registry.register(directory, ModelCard(), {"digest": number})
    damaged = registry.download(registry.version(NAME, "3").uri)
    (damaged / "weights.npz").write_text("damaged")
    registry.set_champion(registry.version(NAME, "1"))
    return home


class World:
    """That home, with version 1 served."""

    def __init__(self, home: Path) -> None:
        self.settings = get_settings()
        self.registry = Registry.from_settings(self.settings)
        self.objects = ObjectDirectory(self.settings.inference_services)
        self.objects.delete(NAME)
        self.objects.apply(inference_service(NAME, self.registry.version(NAME, "1").uri, "1"))

    def serve(self, *canaries: str, reason: str = "", message: str = "") -> None:
        """Write the status of a stand-in that runs."""
        canary = {"type": "CanaryPredictorReady", "status": "False", "reason": reason, "message": message}
        self.objects.update_status(
            NAME,
            {
                "conditions": [{"type": "Ready", "status": "True"}, canary],
                "components": {"predictor": {"traffic": [{"tag": "stable", "url": "http://127.0.0.1:1"}]}},
                "canaryStatuses": [{"name": name, "ready": True} for name in canaries],
            },
        )

    def current(self) -> Rollout | None:
        return Rollouts.from_settings(self.settings).current(NAME)


@pytest.fixture
def world(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("MEDIAREVIEW_HOME", str(home))
    monkeypatch.setenv("MEDIAREVIEW_LAKE_URL", (tmp_path / "lake").as_uri())
    get_settings.cache_clear()
    world = World(home)
    world.registry.set_champion(world.registry.version(NAME, "1"))
    yield world
    get_settings.cache_clear()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(rollout, list(arguments))


def printed(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exception is None, result.output
    return result.stdout


def told(*arguments: str) -> str:
    """What an error says."""
    result = run(*arguments)
    assert result.exit_code != 0
    return str(result.exception) if result.exit_code == 1 else result.output


def test_start_waits_for_the_candidate_and_lets_it_in(world: World) -> None:
    world.serve("v2")
    output = printed("start", NAME, "--version", "2", "--reason", "a trial", "--actor", "ana")
    assert "sentiment version 2 is running at 10 %." in output
    assert "mediareview rollout status sentiment" in output
    current = world.current()
    assert current is not None
    assert (current.phase, current.plan.every_s, current.plan.max_percent) == ("running", 600, 50)
    assert "already; nothing was changed" in printed("start", NAME, "--version", "2")


def test_options_become_the_plan(world: World) -> None:
    options = (
        "--traffic 5 --step 15 --every 90s --max 40 --metric agreement --margin 0.01 --alpha 0.1 --min-units 50 "
        "--max-units 4000 --outcome-window 2h --deadline 3d --no-wait --json"
    )
    found = json.loads(printed("start", NAME, "--version", "2", *options.split()))
    assert found["phase"] == "starting"
    assert {key: found["plan"][key] for key in ("traffic_percent", "step_percent", "every_s", "max_percent")} == {
        "traffic_percent": 5, "step_percent": 15, "every_s": 90, "max_percent": 40
    }  # fmt: skip
    assert (found["plan"]["outcome_window_s"], found["plan"]["deadline_s"]) == (7200, 259200)
    assert (found["plan"]["min_units"], found["plan"]["max_units"], found["plan"]["alpha"]) == (50, 4000, 0.1)


@pytest.mark.parametrize(
    ("options", "traffic", "maximum"),
    [("--mode ab", 50, 50), ("--mode ab --traffic 20", 20, 50), ("--traffic 70", 70, 70)],
)
def test_what_is_not_said_follows_from_the_mode(world: World, options: str, traffic: int, maximum: int) -> None:
    found = json.loads(printed("start", NAME, "--version", "2", "--no-wait", "--json", *options.split()))
    assert (found["plan"]["traffic_percent"], found["plan"]["max_percent"]) == (traffic, maximum)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("start sentiment --version 9 --no-wait", "no version or alias '9'"),
        ("start sentiment --version 1 --no-wait", "version 1 is what is served"),
        ("start sentiment --version 3 --no-wait", "was changed"),
        ("start sentiment --version 2", "Nobody serves sentiment here"),
        ("start sentiment --version 2 --traffic 101", "101 is not in the range"),
        ("start sentiment --version 2 --traffic 0", "0 is not in the range"),
        ("start sentiment --version 2 --traffic 60 --max 40", "60 % is more than the maximum of 40 %"),
        ("start sentiment --version 2 --every 10", "no duration"),
        ("start sentiment --version 2 --metric clicks", "has no metric 'clicks'"),
        ("start nothing --version 2", "has no version"),
        ("pause sentiment", "has no rollout"),
        ("rollback sentiment", "has no rollout"),
        ("token sentiment --variant blue", "has no variant 'blue'"),
        ("token sentiment --variant stable --hours 10000", "not in the range"),
    ],
)
def test_a_mistake_is_refused_in_words_and_changes_nothing(world: World, arguments: str, words: str) -> None:
    before = world.objects.get(NAME)
    assert words in told(*arguments.split())
    assert world.objects.get(NAME) == before


def test_a_candidate_that_does_not_start_is_taken_back_and_the_command_says_why(world: World) -> None:
    world.serve(reason="ModelLoadFailed", message="v2 version 2 does not start: no vocabulary")
    assert "does not become ready: v2 version 2 does not start: no vocabulary" in told("start", NAME, "--version", "2")
    current = world.current()
    assert current is not None
    assert current.phase == "rolled_back"
    assert "was rolled back before: The candidate did not become ready" in told("start", NAME, "--version", "2")


def test_from_pause_to_rollback_each_command_says_where_it_led(world: World) -> None:
    world.serve("v2")
    printed("start", NAME, "--version", "2", "--actor", "ana")
    assert printed("pause", NAME).startswith("sentiment version 2 is paused at 10 %.")
    assert "already; nothing was changed" in printed("pause", NAME)
    assert "is running at 10 %" in printed("resume", NAME)
    assert printed("rollback", NAME, "--reason", "slow", "--actor", "bo").startswith(
        "sentiment version 2 was rolled back."
    )
    changes = json.loads(printed("history", NAME, "--json"))
    assert [change["action"] for change in changes] == ["start", "enter", "pause", "resume", "roll_back"]
    assert (changes[-1]["actor"], changes[-1]["reason"]) == ("bo", "slow")
    table = printed("history", NAME)
    assert all(word in table for word in ("2026", "roll back", "1 > 2", "slow", "bo"))
    assert printed("history") == table


def test_who_does_it_is_known_without_being_said(world: World) -> None:
    printed("start", NAME, "--version", "2", "--no-wait")
    (change,) = json.loads(printed("history", "--json"))
    user, _, host = change["actor"].partition("@")
    assert user
    assert host


def test_the_registry_follows_a_promotion(world: World) -> None:
    world.serve("v2")
    printed("start", NAME, "--version", "2")
    assert json.loads(printed("promote", NAME, "--json"))["phase"] == "promoted"
    champion = world.registry.champion(NAME)
    assert champion is not None
    assert champion.version == "2"


def test_a_promotion_without_traffic_needs_force(world: World) -> None:
    world.serve("v2")
    printed("start", NAME, "--version", "2", "--mode", "shadow")
    assert "shadow mode" in told("promote", NAME)
    assert "was promoted" in printed("promote", NAME, "--force")


def test_a_lake_that_is_away_stops_no_rollback_and_is_told(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    printed("start", NAME, "--version", "2", "--no-wait")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEDIAREVIEW_LAKE_URL", (tmp_path / "file" / "lake").as_uri())
    get_settings.cache_clear()
    result = run("rollback", NAME)
    assert result.exit_code == 0
    assert "was rolled back" in result.stdout
    assert "The audit log lacks the last 1 changes of sentiment" in caplog.text
    current = world.current()
    assert current is not None
    assert len(current.pending) == 1


def test_history_before_the_first_rollout_says_so(world: World) -> None:
    assert printed("history").strip() == "Nothing was rolled out yet."
    assert json.loads(printed("history", NAME, "--json")) == []


def test_a_token_is_printed_alone_so_that_it_can_be_piped(world: World) -> None:
    assert printed("token", NAME, "--variant", "canary").startswith("X-Variant: ")
    found = json.loads(printed("token", NAME, "--variant", "stable", "--hours", "2", "--json"))
    assert (found["model"], found["variant"], found["hours"]) == (NAME, "stable", 2)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400), ("7D", 604800)])
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert DURATION.convert(text, None, None) == seconds


def test_help_is_instant_and_names_every_command() -> None:
    output = run("--help").output
    assert all(command in output for command in ("start", "pause", "resume", "promote", "rollback", "history", "token"))
