"""The supervisor: reads the objects, runs what they ask for, writes their status."""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import IO

from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from serving.objects import Object, ObjectDirectory, is_ready
from serving.objects.variants import STABLE
from serving.standin.launch import Launch, launches
from serving.standin.replica import Replica
from serving.standin.served import FAILED, ServedModel, stopped_status

logger = logging.getLogger(__name__)

TICK_S = 0.1


class StandIn:
    """Runs the stable and canary predictors of all InferenceServices as processes on loopback.

    Use it as a context manager, which runs it in a thread, or call ``run``. One may run per home directory.

    Args:
        settings: where the objects are; logs go to ``HOME/serving/logs``.
        drain_delay_s: time between writing a new URL and terminating the old predictor, for callers to notice.
        grace_period_s: time a predictor has to answer its running requests before it is killed.
    """

    def __init__(self, settings: Settings, *, drain_delay_s: float = 2.0, grace_period_s: float = 20.0) -> None:
        self._directory = settings.root / "serving"
        self._objects = ObjectDirectory(settings.inference_services)
        self._drain_delay_s = drain_delay_s
        self._grace_period_s = grace_period_s
        self._environment = {
            "MEDIAREVIEW_HOME": str(settings.root),
            "MEDIAREVIEW_ONLINE_STORE_URL": settings.online_store_url.get_secret_value(),
            "MEDIAREVIEW_FEATURE_REGISTRY_URL": settings.feature_registry_url,
            "MEDIAREVIEW_THREADS": str(settings.threads),
        }
        self._models: dict[str, ServedModel] = {}
        self._retired: list[Replica] = []
        self._services: dict[str, Object] = {}
        self._wanted: dict[str, dict[str, Launch | MediaReviewError]] = {}
        self._fingerprint: object = None
        self._complaint = ""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock: IO[str] | None = None
        self._probes = ThreadPoolExecutor(max_workers=4, thread_name_prefix="probe")
        self._lifeline_fd = -1

    def __enter__(self) -> "StandIn":
        """Start in a thread.

        Raises:
            MediaReviewError: a stand-in already runs on this home directory, or an object in it cannot be read.
        """
        self._acquire()
        self._stopping.clear()
        self._thread = threading.Thread(target=self._supervise, name="stand-in")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drain and stop every predictor."""
        self.stop()
        if self._thread is not None:
            self._thread.join()

    def run(self) -> None:
        """Run until ``stop`` is called or the process is interrupted; then drain and stop every predictor.

        Raises:
            MediaReviewError: a stand-in already runs on this home directory.
        """
        self._acquire()
        self._supervise()

    def stop(self) -> None:
        """Ask the stand-in to drain and end; may be called from a signal handler."""
        self._stopping.set()

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Wait until every InferenceService serves what its spec asks for.

        A canary is waited for as well, but if it does not start, that is for its rollout to deal with: what is served
        goes on.

        Raises:
            MediaReviewError: there is nothing to serve, a model does not start, or time is up.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            services = self._objects.list()
            if not services:
                raise MediaReviewError(
                    "No model is deployed.",
                    "Train the models: mediareview up, or mediareview pipeline run NAME --local.",
                )
            late = time.monotonic() > deadline
            waiting = {item["metadata"]["name"]: _reason(item) for item in services if not _settled(item, late)}
            if not waiting:
                return
            failed = any(_failed(item, "PredictorReady") for item in services)
            if failed or late or (self._thread is not None and not self._thread.is_alive()):
                raise MediaReviewError(
                    "; ".join(f"{name} is not ready: {message}" for name, (_, message) in waiting.items()),
                    f"The logs are in {self._directory / 'logs'}.",
                )
            time.sleep(TICK_S)

    def _acquire(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        lock = (self._directory / "standin.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise MediaReviewError(
                f"The models of {self._directory.parent} are already being served, by process {holder}.",
                "Stop it first, or set MEDIAREVIEW_HOME to another directory.",
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        # A stand-in that was killed left URLs behind at which nobody answers.
        try:
            for service in self._objects.list():
                self._write_status(service["metadata"]["name"], stopped_status(service))
        except MediaReviewError:
            lock.close()
            raise

    def _supervise(self) -> None:
        self._lifeline_fd, held_end = os.pipe()
        try:
            while not self._stopping.wait(TICK_S):
                self._tick(time.monotonic())
        finally:
            self._drain()
            os.close(held_end)
            os.close(self._lifeline_fd)
            self._probes.shutdown(wait=False)
            if self._lock is not None:
                self._lock.close()

    def _tick(self, now: float) -> None:
        self._read_objects()
        for name in self._models.keys() - self._services.keys():
            self._retire(self._models.pop(name).replicas.values(), now)
        for name, service in self._services.items():
            model = self._models.setdefault(name, ServedModel(partial(self._new_replica, name)))
            retired = model.tick(self._wanted[name], now)
            status = model.status(service, self._wanted[name])
            if status != service.get("status") and self._write_status(name, status):
                service["status"] = status
            self._retire(retired, now)
        for replica in self._retired:
            replica.tick(now)
        self._retired = [replica for replica in self._retired if not replica.gone]

    def _read_objects(self) -> None:
        fingerprint = self._objects.fingerprint()
        if fingerprint == self._fingerprint:
            return
        try:
            services = {item["metadata"]["name"]: item for item in self._objects.list()}
            self._wanted = {name: launches(item, self._objects) for name, item in services.items()}
            self._services, self._fingerprint = services, fingerprint
        except (MediaReviewError, OSError) as error:
            # What runs goes on: a broken file must not look like a request to stop the rest.
            self._complain(str(error))

    def _new_replica(self, service: str, name: str, launch: Launch) -> Replica:
        log = self._directory / "logs" / (f"{service}.log" if name == STABLE else f"{service}-{name}.log")
        return Replica(launch, log, self._environment, self._lifeline_fd, self._probes)

    def _write_status(self, name: str, status: Object) -> bool:
        try:
            self._objects.update_status(name, status)
            return True
        except (MediaReviewError, OSError) as error:
            # A full disk must not stop the predictors; the next tick tries again.
            self._complain(f"The status of {name} cannot be written: {error}")
            return False

    def _complain(self, message: str) -> None:
        if message != self._complaint:
            self._complaint = message
            logger.error("%s", message)

    def _retire(self, replicas: Iterable[Replica], now: float) -> None:
        for replica in replicas:
            replica.retire(now + self._drain_delay_s, self._grace_period_s)
            self._retired.append(replica)

    def _drain(self) -> None:
        replicas = [
            *self._retired,
            *(replica for model in self._models.values() for replica in model.replicas.values()),
        ]
        try:
            for replica in replicas:
                replica.retire(time.monotonic(), self._grace_period_s)
            for name, service in self._services.items():
                self._write_status(name, stopped_status(service))
            while not all(replica.gone for replica in replicas):
                for replica in replicas:
                    replica.tick(time.monotonic())
                time.sleep(TICK_S / 2)
        finally:
            # A second Ctrl-C ends the wait.
            for replica in replicas:
                replica.kill()


def _settled(service: Object, late: bool) -> bool:
    """Whether a service answers as its spec asks for, or would but for a canary that failed or, if ``late``, starts."""
    conditions = {item["type"]: item["status"] for item in (service.get("status") or {}).get("conditions", [])}
    return is_ready(service) or (
        conditions.get("PredictorReady") == "True" and (late or _failed(service, "CanaryPredictorReady"))
    )


def _failed(service: Object, kind: str) -> bool:
    conditions = (service.get("status") or {}).get("conditions", [])
    return any(item["type"] == kind and item.get("reason") in FAILED for item in conditions)


def _reason(service: Object) -> tuple[str, str]:
    """Return reason and message of an InferenceService that is not ready."""
    for condition in (service.get("status") or {}).get("conditions", []):
        if condition["type"] == "Ready" and condition["status"] == "False":
            return condition["reason"], condition["message"]
    return "Pending", "nothing runs it yet"
