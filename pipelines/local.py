"""Run a pipeline on this machine with Kubeflow's own local runner, and show what it does."""

import io
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel, Field
from rich.markup import escape
from rich.status import Status

from mediareview.console import console, duration
from mediareview.errors import MediaReviewError
from mediareview.settings import get_settings
from pipelines.catalogue import check_name
from pipelines.parameters import check_parameters

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_STARTED = re.compile(r"Executing task '([^']+)'")
_FINISHED = re.compile(r"Task '([^']+)' finished with status (\w+)")
_CACHED = re.compile(r"Task '?([\w-]+)'? cache hit")
_PROGRESS_BAR = re.compile(r"\d+%\||it/s|s/it")
_RUNNER_NOISE = re.compile(r"^\s*(\[KFP Executor|[{}\"\]]|-{10,}|$)|^\d\d:\d\d:\d\d\.\d+ - ")

EXPECTED_S: dict[tuple[str, str, str], float] = {
    ("train-recommender", "demo", "train"): 60,
    ("train-recommender", "demo", "evaluate"): 15,
    ("train-sentiment", "demo", "train"): 120,
    ("train-moderation", "demo", "train"): 120,
    ("train-moderation", "demo", "evaluate"): 20,
}
"""Expected duration of the long steps on two cores, in seconds, by pipeline, profile and task."""


class LocalRun(BaseModel):
    """What a local run did; kept beside its log."""

    pipeline: str
    parameters: dict[str, Any]
    started_at: datetime
    log: Path
    succeeded: bool = False
    seconds: dict[str, float] = Field(default_factory=dict)
    """Duration of each task that ran."""
    cached: list[str] = Field(default_factory=list)
    """Tasks whose earlier result was used."""


class _Narrator(io.TextIOBase):
    """Reads the runner's log as it is written: keeps all of it in a file, and tells a person the story."""

    def __init__(self, run: LocalRun, profile: str) -> None:
        self._run, self._profile = run, profile
        self._file = run.log.open("w", encoding="utf-8")
        self._status: Status | None = None
        self._task, self._started, self._tail = "", 0.0, ""

    def write(self, text: str) -> int:
        self._tail += text
        *lines, self._tail = self._tail.split("\n")
        for line in lines:
            line = _COLOUR.sub("", line)
            print(line, file=self._file, flush=True)
            self._tell(line)
        return len(text)

    def _tell(self, line: str) -> None:
        if match := _STARTED.search(line):
            self._task, self._started = match[1], time.monotonic()
            expected = EXPECTED_S.get((self._run.pipeline, self._profile, self._task))
            about = f" [dim](about {duration(expected)})[/dim]" if expected else ""
            console.print(f"  [bold]{self._task}[/bold]{about}")
            if console.is_terminal:
                self._status = console.status("    …")
                self._status.start()
        elif match := _FINISHED.search(line):
            self._stop_status()
            seconds = self._run.seconds[match[1]] = time.monotonic() - self._started
            mark = "[green]✓[/green]" if match[2] == "SUCCESS" else "[red]✗[/red]"
            console.print(f"    {mark} [dim]{duration(seconds)}[/dim]")
            self._task = ""  # what follows lists its outputs
        elif match := _CACHED.search(line):
            self._run.cached.append(match[1])
            console.print(f"  [bold]{match[1]}[/bold] [dim]done before, its result is used[/dim]")
        elif self._task and not _RUNNER_NOISE.match(line):
            self._report(line.strip())

    def _report(self, line: str) -> None:
        if line.startswith("Traceback (most recent call last)"):
            self._task = ""  # it is in the log, and the error message ends with what matters of it
        elif self._status:
            self._status.update(f"    [dim]{escape(line[: console.width - 10])}[/dim]")
        elif not _PROGRESS_BAR.search(line):
            console.print(f"    {line}", style="dim", markup=False)

    def _stop_status(self) -> None:
        if self._status:
            self._status.stop()
            self._status = None

    def close(self) -> None:
        self._stop_status()
        self._file.close()
        super().close()


def run_locally(name: str, parameters: dict[str, Any]) -> LocalRun:
    """Run a pipeline in subprocesses of this environment. Steps done before with equal inputs are not done again.

    Args:
        name: the pipeline.
        parameters: the pipeline's parameters, for example ``{"profile": "quick"}``.

    Raises:
        MediaReviewError: there is no such pipeline or parameter, or a task failed; the message ends with its log.
    """
    check_name(name)
    settings = get_settings()  # as the steps, which are processes of their own, see them
    from kfp import local

    from pipelines.training import PIPELINES

    pipeline = PIPELINES[name]
    check_parameters(name, parameters)
    logs = settings.runs / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    started_at = datetime.now(UTC)
    log = logs / f"{name}-{started_at:%Y%m%dT%H%M%S.%f}.log"
    run = LocalRun(pipeline=name, parameters=parameters, started_at=started_at, log=log)
    local.init(
        local.SubprocessRunner(use_venv=False),
        pipeline_root=str(settings.runs / "outputs"),
        enable_caching=True,
        cache_root=str(settings.runs / "cache"),
    )
    narrator = _Narrator(run, str(parameters.get("profile", "demo")))
    # The runner reports cache hits through the root logger, outside the part of its log that it prints.
    handler, root = logging.StreamHandler(narrator), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        with redirect_stdout(narrator), _no_step_left_behind():
            pipeline(**parameters)
        run.succeeded = True
    except RuntimeError as error:
        narrator.close()
        raise MediaReviewError(
            f"{_COLOUR.sub('', str(error))}\n{_last_words(run.log)}", f"The whole log: {run.log}"
        ) from None
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        narrator.close()
        log.with_suffix(".json").write_text(run.model_dump_json(indent=2))
    return run


@contextmanager
def _no_step_left_behind() -> Iterator[None]:
    """End the step that runs when the runner is interrupted. It would go on, beside the one of the next run."""
    before = set(psutil.Process().children())
    try:
        yield
    finally:
        for shell in set(psutil.Process().children()) - before:
            for process in [*shell.children(recursive=True), shell]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()


def last_run(name: str) -> LocalRun | None:
    """Return the record of a pipeline's latest local run, or None if it never ran here.

    Raises:
        MediaReviewError: there is no such pipeline.
    """
    logs = get_settings().runs / "logs"
    records = sorted(logs.glob(f"{check_name(name)}-*.json"))
    return LocalRun.model_validate_json(records[-1].read_text()) if records else None


def _last_words(log: Path, lines: int = 15) -> str:
    """Return what a failed task said last: the message of an expected failure, else the end of its log."""
    told = [line for line in log.read_text(encoding="utf-8").splitlines() if not _RUNNER_NOISE.match(line)]
    for number, line in enumerate(told):
        name, separator, message = line.strip().partition(f"{MediaReviewError.__name__}: ")
        if separator and name.endswith("."):
            return "\n".join([message, *told[number + 1 : number + 3]])
    return "\n".join(told[-lines:])
