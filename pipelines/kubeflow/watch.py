"""Follow a run until it ends, and tell a person what happens as the local runner does."""

import time
from typing import Any

from rich.markup import escape
from rich.status import Status

from mediareview.console import console, duration, output, table
from mediareview.errors import MediaReviewError
from pipelines.kubeflow.api import Kubeflow
from pipelines.kubeflow.errors import UnansweredError
from pipelines.kubeflow.runs import ENDED, SUCCEEDED, ClusterRun, TaskRun, read_run

POLL_S = 5.0
"""Time between two looks at a run."""

PATIENCE_S = 300.0
"""How long the server may be silent while a run is followed; it may be being upgraded."""


def follow(kubeflow: Kubeflow, run: ClusterRun, timeout_s: float | None = None) -> ClusterRun:
    """Follow a run until it ends.

    Args:
        kubeflow: the server.
        run: what is known about it.
        timeout_s: give up following after so long; None is never. The run goes on in any case.

    Returns:
        the run, ended.

    Raises:
        MediaReviewError: it has not ended in that time, or the server is silent for too long.
    """
    started = answered = time.monotonic()
    narrator = _Narrator()
    try:
        while True:
            try:
                run = read_run(kubeflow, run.pipeline, run.run_id)
            except UnansweredError as error:
                if time.monotonic() - answered > PATIENCE_S:
                    raise MediaReviewError(error.message, how_to_go_on(kubeflow, run)) from None
                narrator.silence(error)
            else:
                answered = time.monotonic()
                narrator.tell(run)
                if run.ended:
                    return run
            left = POLL_S if timeout_s is None else min(POLL_S, started + timeout_s - time.monotonic())
            if left <= 0:
                raise MediaReviewError(
                    f"{run.pipeline} has not ended after {duration(time.monotonic() - started)}.",
                    how_to_go_on(kubeflow, run),
                )
            time.sleep(left)
    finally:
        narrator.close()


def how_to_go_on(kubeflow: Kubeflow, run: ClusterRun) -> str:
    """Return what to do with a run that is no longer followed."""
    where = f"--endpoint {kubeflow.endpoint}" + (f" --namespace {kubeflow.namespace}" if kubeflow.namespace else "")
    return (
        f"The run goes on. Follow it: mediareview pipeline status {run.pipeline} {where} --run {run.run_id} --follow\n"
        f"  Stop it: mediareview pipeline stop {run.run_id} {where}"
    )


def show(run: ClusterRun) -> None:
    """Print a run as a table."""
    rows = [(task.name, _outcome(task), "" if task.seconds is None else duration(task.seconds)) for task in run.tasks]
    took = f" after {duration(run.seconds)}" if run.seconds is not None else ""
    when = f", started {run.created_at:%Y-%m-%d %H:%M:%S} UTC" if run.created_at else ""
    title = f"{run.pipeline} {run.state.lower()}{took}{when}"
    if rows:
        table(title, ["step", "state", "took"], rows)
    else:
        output.print(f"[bold]{title}[/bold]")
    output.print(run.url, markup=False)


def failure(run: ClusterRun, namespace: str = "") -> MediaReviewError | None:
    """Return what went wrong with a run that has ended, or None if nothing did."""
    if run.state == SUCCEEDED:
        return None
    failed = next((task for task in run.tasks if task.state == "FAILED"), None)
    where = f"{run.pipeline} failed in the step {failed.name}" if failed else f"{run.pipeline} {_ENDS[run.state]}"
    reason = (failed.error if failed else "") or run.error
    logs = f"kubectl -n {namespace or 'NAMESPACE'} logs -l pipeline/runid={run.run_id} -c main --prefix --tail=50"
    hint = (
        f"Its logs: {logs}" if run.state == "FAILED" else "Run it again: steps that have finished are not done again."
    )
    return MediaReviewError(f"{where}: {reason}" if reason else f"{where}.", hint)


_ENDS = {"FAILED": "failed", "CANCELED": "was cancelled", "SKIPPED": "was skipped: nothing ran"}


class _Narrator:
    """Says once of each step that it has started, and how it ended."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}
        self._since: dict[str, float] = {}
        self._status: Status | None = None
        self._silent = False

    def tell(self, run: ClusterRun) -> None:
        """Tell what is new."""
        self._silent = False
        for task in run.tasks:
            if self._told.get(task.name) != task.state:
                self._step(task)
                self._told[task.name] = task.state
        since = {
            task.name: self._since.get(task.name, time.monotonic()) for task in run.tasks if task.state not in ENDED
        }
        self._since = since or {"Kubeflow": self._since.get("Kubeflow", time.monotonic())}
        waiting = [f"{name} {duration(time.monotonic() - seen)}" for name, seen in self._since.items()]
        self._wait("" if run.ended else f"{run.state.lower()}: {', '.join(waiting)}")

    def silence(self, error: Any) -> None:
        """Tell, once, that the server does not answer."""
        if not self._silent:
            console.print(f"    [yellow]{escape(error.message)} Trying on; the run is not touched by this.[/yellow]")
        self._silent = True

    def close(self) -> None:
        """Leave nothing moving on the screen."""
        self._wait("")

    def _step(self, task: TaskRun) -> None:
        if task.name not in self._told:
            console.print(f"  [bold]{task.name}[/bold]")
        took = f" [dim]{duration(task.seconds)}[/dim]" if task.seconds is not None else ""
        if task.cached:
            console.print("    [dim]done before, its result is used[/dim]")
        elif task.state == SUCCEEDED:
            console.print(f"    [green]✓[/green]{took}")
        elif task.state == "FAILED":
            console.print(f"    [red]✗[/red]{took}")
        elif task.state in ENDED:
            console.print(f"    [yellow]– {task.state.lower()}[/yellow]{took}")

    def _wait(self, text: str) -> None:
        if self._status and text:
            self._status.update(f"[dim]{text}[/dim]")
        elif self._status:
            self._status.stop()
            self._status = None
        elif text and console.is_terminal:
            self._status = console.status(f"[dim]{text}[/dim]")
            self._status.start()


def _outcome(task: TaskRun) -> str:
    return "cached" if task.cached else task.state.lower()
