"""A pipeline is submitted to a server, followed to its end, and what went wrong is said so that it can be mended.

The server is ``tests/kubeflow_api.py``, which speaks the API's own schema over HTTP; a real one cannot run here.
"""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mediareview.errors import MediaReviewError
from mediareview.settings import get_settings
from pipelines.catalogue import STEPS
from pipelines.kubeflow import transport
from pipelines.pipeline_commands import pipeline
from tests.kubeflow_api import KubeflowApi

Cli = Callable[..., Result]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cli]:
    """Call ``mediareview pipeline`` with settings from the environment given."""

    def call(*arguments: str, **environment: str) -> Result:
        for name, value in {"HOME": str(tmp_path), **environment}.items():
            monkeypatch.setenv(f"MEDIAREVIEW_{name}", value)
        get_settings.cache_clear()
        return CliRunner().invoke(pipeline, list(arguments), standalone_mode=False)

    yield call
    get_settings.cache_clear()


def submitted(server: KubeflowApi, cli: Cli, *more: str, **environment: str) -> Result:
    return cli("run", "train-sentiment", "--endpoint", server.url, "--profile", "quick", *more, **environment)


def said(result: Result) -> str:
    """What a person is told about a failure."""
    assert isinstance(result.exception, MediaReviewError), result.exception
    return str(result.exception)


def test_a_run_is_followed_to_its_end_and_its_steps_are_listed(server: KubeflowApi, cli: Cli) -> None:
    server.cached = {"load"}
    result = submitted(server, cli, "--json", "--param", "seed=7")
    assert result.return_value == 0
    record = json.loads(result.stdout)
    assert record["state"] == "SUCCEEDED"
    assert [task["name"] for task in record["tasks"]] == list(STEPS)
    assert [task["name"] for task in record["tasks"] if task["cached"]] == ["load"]
    assert record["url"] == f"{server.url}/#/runs/details/{record['run_id']}"
    (run,) = server.runs.values()
    assert run.runtime_config.parameters == {"profile": "quick", "overrides": {"seed": 7}}
    assert run.service_account == "pipeline-step"


def test_what_is_uploaded_carries_how_steps_run_on_the_cluster(server: KubeflowApi, cli: Cli) -> None:
    submitted(server, cli, "--no-wait")
    (version,) = server.versions.values()
    deployment = version.pipeline_spec["platform_spec"]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert set(deployment) == {f"exec-{step}" for step in STEPS}
    assert all(settings["pvcMount"] for settings in deployment.values())


def test_a_version_is_uploaded_only_if_its_content_is_new(server: KubeflowApi, cli: Cli, tmp_path: Path) -> None:
    for _ in range(2):
        submitted(server, cli, "--no-wait")
    assert (len(server.runs), len(server.versions), len(server.pipelines)) == (2, 1, 1)
    config = tmp_path / "config.yaml"
    config.write_text("defaults: {image: 'other/image:1'}\n")
    submitted(server, cli, "--no-wait", "--config", str(config))
    assert len(server.versions) == 2


def test_a_step_that_fails_is_named_with_its_message_and_where_its_logs_are(server: KubeflowApi, cli: Cli) -> None:
    server.failing = {"load": "The lake has no table 'reviews'."}
    message = said(submitted(server, cli))
    assert "train-sentiment failed in the step load: The lake has no table 'reviews'." in message
    assert "kubectl" in message


@pytest.mark.parametrize(("state", "word"), [("CANCELED", "cancelled"), ("SKIPPED", "skipped")])
def test_a_run_that_does_not_succeed_is_a_failure(server: KubeflowApi, cli: Cli, state: str, word: str) -> None:
    server.ends_as = state
    assert f"train-sentiment was {word}" in said(submitted(server, cli))


def test_a_run_that_takes_too_long_goes_on_without_being_followed(server: KubeflowApi, cli: Cli) -> None:
    server.stuck = "train"
    message = said(submitted(server, cli, "--timeout", "0.2"))
    (run_id,) = server.runs
    assert "has not ended" in message
    assert f"mediareview pipeline status train-sentiment --endpoint {server.url} --run {run_id} --follow" in message
    assert server.called("terminate") == 0


def test_ctrl_c_stops_following_and_not_the_run(server: KubeflowApi, cli: Cli) -> None:
    server.stuck = "train"

    def interrupt() -> None:
        server.wait_for_call.wait()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    result = submitted(server, cli)
    thread.join()
    assert result.return_value == 130
    assert "The run goes on" in result.stderr
    assert server.called("terminate") == 0


def test_status_finds_the_latest_run_and_stop_ends_it(server: KubeflowApi, cli: Cli) -> None:
    server.stuck = "train"
    for _ in range(2):
        submitted(server, cli, "--no-wait")
    newest = list(server.runs)[-1]
    shown = json.loads(cli("status", "train-sentiment", "--endpoint", server.url, "--json").stdout)
    assert shown["run_id"] == newest
    cli("stop", newest, "--endpoint", server.url)
    followed = cli("status", "train-sentiment", "--endpoint", server.url, "--follow")
    assert "was cancelled" in said(followed)


def test_a_pipeline_that_never_ran_has_no_status(server: KubeflowApi, cli: Cli) -> None:
    assert "train-sentiment has not run at" in said(cli("status", "train-sentiment", "--endpoint", server.url))


@pytest.mark.parametrize("fault", [503, "lost"])
def test_a_run_is_created_once_however_the_answer_is_lost(server: KubeflowApi, cli: Cli, fault: int | str) -> None:
    server.fault(fault, pattern="POST /apis/v2beta1/runs$")
    assert submitted(server, cli, "--no-wait").return_value == 0
    assert len(server.runs) == 1


def test_a_server_that_is_away_for_a_moment_does_not_end_the_following(server: KubeflowApi, cli: Cli) -> None:
    server.fault(503, times=4, pattern="GET /apis/v2beta1/runs/")
    result = submitted(server, cli)
    assert result.return_value == 0
    assert "Trying on" in result.stderr


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("page", "login page"),
        ("redirect", "https://login.example.com/auth"),
        ("garbage", "not with JSON"),
        (404, "There is no Kubeflow Pipelines API"),
    ],
)
def test_an_address_that_is_not_the_apis_is_said_to_be_so(
    server: KubeflowApi, cli: Cli, fault: int | str, told: str
) -> None:
    server.fault(fault, times=9)
    message = said(submitted(server, cli))
    assert told in message
    assert "s3cret" not in message


def test_a_token_is_wanted_wrong_or_not_enough(server: KubeflowApi, cli: Cli) -> None:
    server.token = "right"
    assert "MEDIAREVIEW_PIPELINES_TOKEN" in said(submitted(server, cli))
    wrong = said(submitted(server, cli, PIPELINES_TOKEN="not-to-be-told"))
    assert "expired" in wrong
    assert "not-to-be-told" not in wrong
    server.forbidden = True
    assert "ml-engineer" in said(submitted(server, cli, PIPELINES_TOKEN="right"))


def test_a_token_file_is_read_for_each_call(server: KubeflowApi, cli: Cli, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    server.stuck = "train"

    def rotate() -> None:
        server.wait_for_call.wait()
        token.write_text("second\n")

    thread = threading.Thread(target=rotate)
    thread.start()
    submitted(server, cli, "--timeout", "0.5", PIPELINES_TOKEN_PATH=str(token))
    thread.join()
    assert set(server.tokens) == {"first", "second"}


def test_a_server_that_does_not_answer_is_given_up(
    server: KubeflowApi, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "TIMEOUT_S", 0.2)
    server.fault("hang", times=9)
    assert "did not answer in time" in said(submitted(server, cli))


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        ("http://127.0.0.1:9", "Nothing listens"),
        ("kubeflow.example.com", "is not a URL"),
        ("http://name:word@host", "holds a user or password"),
    ],
)
def test_a_wrong_endpoint_is_explained(cli: Cli, endpoint: str, told: str) -> None:
    assert told in said(cli("run", "train-sentiment", "--endpoint", endpoint))


def test_a_server_of_several_users_wants_a_namespace(server: KubeflowApi, cli: Cli) -> None:
    server.multi_user = True
    assert "--namespace" in said(submitted(server, cli))
    assert submitted(server, cli, "--namespace", "mediareview-pipelines").return_value == 0
    assert {item.namespace for item in server.experiments.values()} == {"mediareview-pipelines"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("train-nothing",), "There is no pipeline"),
        (("train-sentiment", "--param", "colour=red"), "colour"),
        (("train-sentiment", "--param", "min_gain=much"), "min_gain"),
    ],
)
def test_wrong_parameters_are_refused_before_anything_is_sent(
    server: KubeflowApi, cli: Cli, arguments: tuple[str, ...], told: str
) -> None:
    assert told in said(cli("run", *arguments, "--endpoint", server.url))
    assert server.calls == []


def test_here_and_on_a_cluster_do_not_go_together(cli: Cli) -> None:
    assert "do not go together" in said(cli("run", "train-sentiment", "--local", "--endpoint", "http://x"))
    assert "Where?" in said(cli("run", "train-sentiment"))


def schedule(server: KubeflowApi, cli: Cli, *more: str) -> dict[str, Any]:
    result = cli("schedule", "train-sentiment", "--endpoint", server.url, "--json", *more)
    assert result.exception is None, result.exception
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_schedule_is_created_once_and_changed_in_place(server: KubeflowApi, cli: Cli) -> None:
    assert schedule(server, cli, "--cron", "0 3 * * *")["change"] == "created"
    (run,) = server.enabled()
    assert run.trigger.cron_schedule.cron == "0 0 3 * * *"
    assert (run.no_catchup, run.max_concurrency) == (True, "1")
    assert schedule(server, cli, "--cron", "0 3 * * *")["change"] == "unchanged"
    assert list(server.recurring_runs) == [run.recurring_run_id]
    assert schedule(server, cli, "--cron", "30 4 * * *", "--max-concurrency", "2")["change"] == "updated"
    (changed,) = server.recurring_runs.values()
    assert (changed.trigger.cron_schedule.cron, changed.max_concurrency) == ("0 30 4 * * *", "2")
    assert server.most_enabled == 1


def test_a_schedule_is_disabled_and_enabled_again(server: KubeflowApi, cli: Cli) -> None:
    schedule(server, cli, "--cron", "0 3 * * *")
    assert schedule(server, cli, "--disable")["change"] == "disabled"
    assert server.enabled() == []
    assert schedule(server, cli, "--cron", "0 3 * * *")["change"] == "enabled"
    assert len(server.enabled()) == 1


@pytest.mark.parametrize("call", ["create", ":disable", ":enable", "DELETE"])
def test_an_interrupted_change_leaves_one_schedule_and_the_next_tidies_up(
    server: KubeflowApi, cli: Cli, call: str
) -> None:
    schedule(server, cli, "--cron", "0 3 * * *")
    pattern = "POST /apis/v2beta1/recurringruns$" if call == "create" else call
    server.fault(400, pattern=pattern)
    failed = cli("schedule", "train-sentiment", "--endpoint", server.url, "--cron", "0 4 * * *")
    assert isinstance(failed.exception, MediaReviewError)
    assert len(server.enabled()) == 1
    schedule(server, cli, "--cron", "0 4 * * *")
    (left,) = server.recurring_runs.values()
    assert (left.mode, left.trigger.cron_schedule.cron) == ("ENABLE", "0 0 4 * * *")
    assert server.most_enabled == 1


def test_schedules_are_listed(server: KubeflowApi, cli: Cli) -> None:
    schedule(server, cli, "--cron", "0 3 * * *")
    (listed,) = json.loads(cli("schedules", "--endpoint", server.url, "--json").stdout)
    assert (listed["pipeline"], listed["enabled"]) == ("train-sentiment", True)


@pytest.mark.parametrize(
    "cron", ["0 3 * *", "61 3 * * *", "0 3 * * 7", "0 25 * * *", "daily", "5-1 * * * *", "*/0 * * * *"]
)
def test_a_cron_expression_that_is_none_is_refused(server: KubeflowApi, cli: Cli, cron: str) -> None:
    assert "cron expression" in said(cli("schedule", "train-sentiment", "--endpoint", server.url, "--cron", cron))
    assert server.calls == []


def test_a_schedule_that_somebody_else_made_is_left_alone(server: KubeflowApi, cli: Cli) -> None:
    schedule(server, cli, "--cron", "0 3 * * *")
    (run,) = server.recurring_runs.values()
    run.description = "By hand."
    assert schedule(server, cli, "--cron", "0 4 * * *")["change"] == "created"
    assert run.recurring_run_id in server.recurring_runs
    assert len(server.recurring_runs) == 2


def test_a_changed_pipeline_is_what_the_schedule_runs_from_then_on(
    server: KubeflowApi, cli: Cli, tmp_path: Path
) -> None:
    schedule(server, cli, "--cron", "0 3 * * *")
    config = tmp_path / "config.yaml"
    config.write_text("defaults: {image: 'other/image:1'}\nservice_account: somebody\n")
    assert schedule(server, cli, "--cron", "0 3 * * *", "--config", str(config))["change"] == "updated"
    (run,) = server.recurring_runs.values()
    assert run.pipeline_version_reference.pipeline_version_id == list(server.versions)[-1]
    assert run.service_account == "somebody"


def test_a_schedule_that_is_not_there_cannot_be_disabled(server: KubeflowApi, cli: Cli) -> None:
    assert "has no schedule" in said(cli("schedule", "train-sentiment", "--endpoint", server.url, "--disable"))
    assert "--cron" in said(cli("schedule", "train-sentiment", "--endpoint", server.url))


def test_a_person_is_told_in_which_form_a_schedule_is_kept(server: KubeflowApi, cli: Cli) -> None:
    told = cli("schedule", "train-sentiment", "--endpoint", server.url, "--cron", "0 3 * * mon-fri").stdout
    assert "0 0 3 * * mon-fri" in told
    assert "UTC" in told
    assert "no catch-up" in told


def test_a_pipeline_without_versions_gets_one(server: KubeflowApi, cli: Cli) -> None:
    server.fault(400, pattern="upload_version")
    said(submitted(server, cli))
    assert (len(server.pipelines), len(server.versions)) == (1, 0)
    assert submitted(server, cli).return_value == 0
    assert (len(server.pipelines), len(server.versions)) == (1, 1)


@pytest.mark.parametrize("call", ["pipelines$", "upload_version$", "experiments$"])
def test_nothing_is_created_twice_when_an_answer_is_lost(server: KubeflowApi, cli: Cli, call: str) -> None:
    server.fault("lost", pattern=f"POST .*/{call}")
    assert submitted(server, cli, "--no-wait").return_value == 0
    assert (len(server.pipelines), len(server.versions), len(server.experiments), len(server.runs)) == (1, 1, 1, 1)


def test_the_settings_name_the_server_unless_the_run_is_local(server: KubeflowApi, cli: Cli) -> None:
    assert cli("run", "train-sentiment", "--no-wait", PIPELINES_URL=server.url).return_value == 0
    assert "has not run here" in said(cli("status", "train-sentiment", "--local", PIPELINES_URL=server.url))
    assert len(server.runs) == 1


def test_what_only_a_cluster_knows_is_refused_here(cli: Cli) -> None:
    message = said(cli("run", "train-sentiment", "--local", "--timeout", "5", "--no-wait"))
    assert "--timeout, --no-wait" in message
    assert "--follow" in said(cli("status", "train-sentiment", "--local", "--follow"))
