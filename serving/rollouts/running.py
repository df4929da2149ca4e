"""Runs the controller as a process, once per home."""

import fcntl
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from serving.objects.names import MODEL_FORMATS

NAMES = tuple(name.removeprefix("mediareview-") for name in MODEL_FORMATS)
"""The InferenceServices that are looked at unless others are named."""
STUCK_S = 300.0
"""Time without the end of a look after which the controller counts as dead."""


def run(
    settings: Settings,
    names: Sequence[str] = (),
    *,
    once: bool = False,
    every_s: float | None = None,
    metrics_host: str = "127.0.0.1",
    metrics_port: int | None = None,
) -> None:
    """Let rollouts go on by themselves until SIGTERM or Ctrl-C.

    Args:
        settings: of the backends.
        names: of the InferenceServices; by default those of all models.
        once: look once, and return.
        every_s: seconds between two looks; by default the settings'.
        metrics_host: where metrics and health are shown.
        metrics_port: at which port; by default they are not shown.

    Raises:
        MediaReviewError: a controller runs already on this home, or the port is in use.
    """
    # numpy and the audit log's contracts take a moment to load: only the process that needs them pays.
    from serving.objects import open_objects
    from serving.rollouts.audit import AuditLog
    from serving.rollouts.controller import Controller
    from serving.rollouts.exposition import Exposition, serve
    from serving.rollouts.judge import judge
    from serving.rollouts.operations import Rollouts
    from serving.rollouts.sources import open_evidence

    interval_s = every_s or settings.rollout_interval_s
    with ExitStack() as stack:
        if not settings.serving_namespace:
            stack.enter_context(_only_one(settings))
        objects = open_objects(settings)
        exposition = Exposition()
        if metrics_port is not None:
            server = serve(exposition, metrics_host, metrics_port, lambda: exposition.idle_s < STUCK_S + interval_s)
            stack.callback(server.server_close)
        rollouts = Rollouts(objects, AuditLog.from_settings(settings))
        source = open_evidence(settings, objects, keep=not settings.serving_namespace)
        controller = Controller(rollouts, names or NAMES, source, judge, exposition)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: controller.stop())
        if once:
            controller.look()
        else:
            controller.run(interval_s)


@contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    """Hold the lock of the home directory: only one may keep the history of calls."""
    path = settings.root / "serving" / "rollouts.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise MediaReviewError(
                f"The rollouts of {settings.root} are already run by process {holder}.",
                "mediareview serve and mediareview up run them; stop that one first.",
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
