"""Stands in for a Kubeflow Pipelines API server, which cannot run here.

It speaks HTTP on loopback, with TLS if asked to, in the API's own schema: a request is read with the models of
``kfp_server_api`` and refused if a field is unknown or of another type, and an answer is made of these models and
written by them. It keeps pipelines, versions, experiments, runs and recurring runs, pages and filters lists, and sends
errors as the real server does. A run goes on by one step each time it is looked at, among the nodes of Kubeflow's own.
What a test wants to go wrong it says with the attributes and with ``fault``.
"""

import json
import re
import ssl
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kfp_server_api as kfp
import yaml

STEPS = ("pin", "load", "preprocess", "train", "evaluate", "gate", "register", "deploy")
NONE = datetime(1970, 1, 1, tzinfo=UTC)
"""How the server says that something has not happened yet."""

LOGIN_PAGE = "<!DOCTYPE html><html><body><form>Log in to your account</form></body></html>"

_SCHEMA = kfp.ApiClient(kfp.Configuration())


@dataclass
class Fault:
    """What happens to the calls that match, in the place of what should."""

    kind: str
    """An HTTP status, or ``lost`` (done, but the connection breaks before the answer), ``hang``, ``page``, ``redirect``
    or ``garbage``."""
    times: int
    pattern: str
    headers: dict[str, str] = field(default_factory=dict)


class ApiError(Exception):
    """An error as the API words it."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class KubeflowApi:
    """The server. Attributes may be changed at any time."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.multi_user = False
        self.token = ""
        """The only bearer token let in; empty lets everybody in."""
        self.forbidden = False
        self.failing: dict[str, str] = {}
        """Step to the message with which it fails."""
        self.cached: set[str] = set()
        self.stuck = ""
        """The step that does not end."""
        self.ends_as = "SUCCEEDED"
        self.pipelines: dict[str, kfp.V2beta1Pipeline] = {}
        self.versions: dict[str, kfp.V2beta1PipelineVersion] = {}
        self.experiments: dict[str, kfp.V2beta1Experiment] = {}
        self.runs: dict[str, kfp.V2beta1Run] = {}
        self.recurring_runs: dict[str, kfp.V2beta1RecurringRun] = {}
        self.most_enabled = 0
        """How many recurring runs of one name were enabled at the same time, at most."""
        self.calls: list[str] = []
        """Method and path of each call, in order."""
        self.tokens: list[str] = []
        """Bearer token of each call."""
        self.wait_for_call = threading.Event()
        """Set when a run is looked at."""
        self._faults: list[Fault] = []
        self._progress: dict[str, int] = {}
        self._clock = datetime(2026, 11, 24, 12, tzinfo=UTC)
        self._lock = threading.RLock()
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, certificate.with_name("key.pem"))
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Begin to answer."""
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """Stop answering; calls that hang end."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def fault(self, kind: int | str, times: int = 1, pattern: str = "", **headers: str) -> None:
        """Let the next calls whose method and path match the pattern go wrong."""
        self._faults.append(Fault(str(kind), times, pattern, {k.replace("_", "-"): v for k, v in headers.items()}))

    def take_fault(self, call: str) -> Fault | None:
        """Return what is to go wrong with a call."""
        with self._lock:
            for fault in self._faults:
                if fault.times > 0 and re.search(fault.pattern, call):
                    fault.times -= 1
                    return fault
        return None

    def called(self, pattern: str) -> int:
        """Return how many calls matched."""
        return sum(bool(re.search(pattern, call)) for call in self.calls)

    # Calls. Each takes the query, the parts of the path and the body, and returns a model.

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Any:
        """Answer a call."""
        with self._lock:
            for verb, pattern, allowed, action in ROUTES:
                if verb == method and (match := re.fullmatch(f"/apis/v2beta1/{pattern}", path)):
                    if unknown := set(query) - set(allowed.split()):
                        raise ApiError(400, 3, f"unknown query parameters {unknown}")
                    if not self.multi_user and query.get("namespace"):
                        raise ApiError(400, 3, "In single-user mode, namespace must be empty.")
                    answer = action(self, query, match.groupdict(), body)
                    self._count_enabled()
                    return answer
        raise ApiError(404, 5, "Not Found")

    def healthz(self, query: Any, part: Any, body: Any) -> Any:
        return kfp.V2beta1GetHealthzResponse(multi_user=self.multi_user)

    def list_pipelines(self, query: Any, part: Any, body: Any) -> Any:
        return self._page(query, self.pipelines, "pipelines", kfp.V2beta1ListPipelinesResponse)

    def create_pipeline(self, query: Any, part: Any, body: Any) -> Any:
        pipeline = read(body, "V2beta1Pipeline")
        if any(other.name == pipeline.name for other in self.pipelines.values()):
            raise ApiError(409, 6, f"Already exist error: Pipeline {pipeline.name} exists.")
        pipeline.pipeline_id, pipeline.created_at = new_id(), self._now()
        pipeline.display_name = pipeline.display_name or pipeline.name
        self.pipelines[pipeline.pipeline_id] = pipeline
        return pipeline

    def list_versions(self, query: Any, part: Any, body: Any) -> Any:
        mine = {key: item for key, item in self.versions.items() if item.pipeline_id == part["id"]}
        return self._page(query, mine, "pipeline_versions", kfp.V2beta1ListPipelineVersionsResponse)

    def upload_version(self, query: Any, part: Any, body: Any) -> Any:
        self._existing(self.pipelines, query["pipelineid"], "Pipeline")
        name = query.get("display_name") or query["name"]
        if any((o.pipeline_id, o.display_name) == (query["pipelineid"], name) for o in self.versions.values()):
            raise ApiError(409, 6, f"Already exist error: The pipeline version {name} exists.")
        documents = list(yaml.safe_load_all(body["uploadfile"]))
        if "pipelineInfo" not in documents[0]:
            raise ApiError(400, 3, "Invalid pipeline spec.")
        version = kfp.V2beta1PipelineVersion(
            pipeline_id=query["pipelineid"],
            pipeline_version_id=new_id(),
            display_name=name,
            name=query["name"],
            created_at=self._now(),
            pipeline_spec={"pipeline_spec": documents[0], "platform_spec": documents[1]},
        )
        self.versions[version.pipeline_version_id] = version
        return version

    def list_experiments(self, query: Any, part: Any, body: Any) -> Any:
        return self._page(query, self.experiments, "experiments", kfp.V2beta1ListExperimentsResponse)

    def create_experiment(self, query: Any, part: Any, body: Any) -> Any:
        experiment = read(body, "V2beta1Experiment")
        if self.multi_user and not experiment.namespace:
            raise ApiError(400, 3, "Invalid input error: Experiment must have a namespace.")
        experiment.experiment_id, experiment.created_at = new_id(), self._now()
        self.experiments[experiment.experiment_id] = experiment
        return experiment

    def list_runs(self, query: Any, part: Any, body: Any) -> Any:
        experiment = query.get("experiment_id")
        mine = {key: run for key, run in self.runs.items() if experiment in (None, run.experiment_id)}
        return self._page(query, mine, "runs", kfp.V2beta1ListRunsResponse)

    def create_run(self, query: Any, part: Any, body: Any) -> Any:
        run = read(body, "V2beta1Run")
        self._check_source(run)
        run.run_id, run.created_at, run.finished_at, run.state = new_id(), self._now(), NONE, "PENDING"
        self.runs[run.run_id] = run
        self._progress[run.run_id] = 0
        return run

    def get_run(self, query: Any, part: Any, body: Any) -> Any:
        run = self._existing(self.runs, part["id"], "Run")
        self._advance(run)
        self.wait_for_call.set()
        return run

    def terminate_run(self, query: Any, part: Any, body: Any) -> Any:
        self._existing(self.runs, part["id"], "Run").state = "CANCELING"
        return {}

    def list_recurring_runs(self, query: Any, part: Any, body: Any) -> Any:
        return self._page(query, self.recurring_runs, "recurring_runs", kfp.V2beta1ListRecurringRunsResponse)

    def create_recurring_run(self, query: Any, part: Any, body: Any) -> Any:
        run = read(body, "V2beta1RecurringRun")
        self._check_source(run)
        if not 1 <= int(run.max_concurrency) <= 10:
            raise ApiError(400, 3, "Max concurrency of a recurring run must be at leas 1 and at most 10.")
        if len(run.trigger.cron_schedule.cron.split()) != 6:
            raise ApiError(400, 3, "Schedule cron is not what was meant.")
        run.recurring_run_id, run.created_at = new_id(), self._now()
        self.recurring_runs[run.recurring_run_id] = run
        self._switch(run, run.mode == "ENABLE")
        return run

    def get_recurring_run(self, query: Any, part: Any, body: Any) -> Any:
        return self._existing(self.recurring_runs, part["id"], "RecurringRun")

    def delete_recurring_run(self, query: Any, part: Any, body: Any) -> Any:
        self._existing(self.recurring_runs, part["id"], "RecurringRun")
        del self.recurring_runs[part["id"]]
        return {}

    def enable_recurring_run(self, query: Any, part: Any, body: Any) -> Any:
        self._switch(self._existing(self.recurring_runs, part["id"], "RecurringRun"), True)
        return {}

    def disable_recurring_run(self, query: Any, part: Any, body: Any) -> Any:
        self._switch(self._existing(self.recurring_runs, part["id"], "RecurringRun"), False)
        return {}

    def enabled(self) -> list[kfp.V2beta1RecurringRun]:
        """Return the recurring runs that start runs."""
        return [run for run in self.recurring_runs.values() if run.mode == "ENABLE"]

    def _switch(self, run: kfp.V2beta1RecurringRun, on: bool) -> None:
        run.mode, run.status = ("ENABLE", "ENABLED") if on else ("DISABLE", "DISABLED")

    def _count_enabled(self) -> None:
        names = [run.display_name for run in self.enabled()]
        self.most_enabled = max([self.most_enabled, *map(names.count, names)])

    def _check_source(self, run: Any) -> None:
        if not run.display_name:
            raise ApiError(400, 3, "Invalid input error: the name must not be empty.")
        self._existing(self.experiments, run.experiment_id, "Experiment")
        version = self._existing(self.versions, run.pipeline_version_reference.pipeline_version_id, "PipelineVersion")
        inputs = version.pipeline_spec["pipeline_spec"]["root"]["inputDefinitions"]["parameters"]
        if unknown := set(run.runtime_config.parameters) - set(inputs):
            raise ApiError(400, 3, f"Invalid input error: unknown parameters {unknown}.")

    def _existing(self, objects: dict[str, Any], key: str, kind: str) -> Any:
        if key not in objects:
            raise ApiError(404, 5, f"ResourceNotFoundError: {kind} {key} not found.")
        return objects[key]

    def _page(self, query: dict[str, str], objects: dict[str, Any], items: str, answer: Any) -> Any:
        found = list(objects.values())
        for predicate in json.loads(query.get("filter") or "{}").get("predicates", []):
            known = read({_snake(key): value for key, value in predicate.items()}, "V2beta1Predicate")
            assert known.key == "display_name"
            matches = {"EQUALS": str.__eq__, "IS_SUBSTRING": str.__contains__}[known.operation]
            found = [item for item in found if matches(item.display_name, known.string_value)]
        if query.get("sort_by") == "created_at desc":
            found.reverse()
        size, start = int(query.get("page_size") or 10), int(query.get("page_token") or 0)
        more = str(start + size) if start + size < len(found) else ""
        return answer(**{items: found[start : start + size], "next_page_token": more, "total_size": len(found)})

    def _advance(self, run: kfp.V2beta1Run) -> None:
        """Let the run go on by one step, and list the nodes as Argo has them, sorted by nothing in particular."""
        if run.finished_at == NONE:
            done = self._progress[run.run_id]
            if run.state == "CANCELING":
                self._end(run, "CANCELED")
            elif done and STEPS[done - 1] in self.failing:
                self._end(run, "FAILED")
            elif done == len(STEPS) or (self.ends_as != "SUCCEEDED" and done):
                self._end(run, self.ends_as)
            elif not (done and STEPS[done - 1] == self.stuck):
                run.state = "RUNNING"
                self._progress[run.run_id] += 1
        nodes = [node for step in STEPS[: self._progress[run.run_id]] for node in self._nodes(run, step)]
        run.run_details = kfp.V2beta1RunDetails(task_details=[*reversed(nodes), _node("root-driver", "SUCCEEDED")])

    def _end(self, run: kfp.V2beta1Run, state: str) -> None:
        run.state, run.finished_at = state, self._now()

    def _nodes(self, run: kfp.V2beta1Run, step: str) -> list[kfp.V2beta1PipelineTaskDetail]:
        last = STEPS[self._progress[run.run_id] - 1] == step
        ended = not last or run.finished_at != NONE
        state = "RUNNING" if not ended else "FAILED" if step in self.failing else "SUCCEEDED"
        if last and run.state in ("CANCELED", "SKIPPED"):
            state = "SKIPPED"
        pod = f"{run.run_id[:8]}-{step}"
        task = _node(step, state, children=[pod], seconds=7 if ended else None)
        if step in self.failing and state == "FAILED" and self.failing[step]:
            task.state_history = [
                kfp.V2beta1RuntimeStatus(state="RUNNING", update_time=self._clock),
                kfp.V2beta1RuntimeStatus(
                    state="FAILED", error=kfp.GoogleRpcStatus(code=13, message=self.failing[step])
                ),
            ]
        executor = _node("executor", "SKIPPED" if step in self.cached else state, pod=pod)
        return [_node(f"{step}-driver", "SUCCEEDED", seconds=1), task, executor]

    def _now(self) -> datetime:
        self._clock += timedelta(seconds=1)
        return self._clock


ROUTES = (
    ("GET", "healthz", "", KubeflowApi.healthz),
    ("GET", "pipelines", "namespace page_token page_size sort_by filter", KubeflowApi.list_pipelines),
    ("POST", "pipelines", "", KubeflowApi.create_pipeline),
    ("POST", "pipelines/upload_version", "name display_name pipelineid description tags", KubeflowApi.upload_version),
    ("GET", "pipelines/(?P<id>[^/]+)/versions", "page_token page_size sort_by filter", KubeflowApi.list_versions),
    ("GET", "experiments", "namespace page_token page_size sort_by filter", KubeflowApi.list_experiments),
    ("POST", "experiments", "", KubeflowApi.create_experiment),
    ("GET", "runs", "namespace experiment_id page_token page_size sort_by filter", KubeflowApi.list_runs),
    ("POST", "runs", "experiment_id", KubeflowApi.create_run),
    ("GET", "runs/(?P<id>[^/:]+)", "experiment_id", KubeflowApi.get_run),
    ("POST", "runs/(?P<id>[^/:]+):terminate", "experiment_id", KubeflowApi.terminate_run),
    (
        "GET",
        "recurringruns",
        "namespace experiment_id page_token page_size sort_by filter",
        KubeflowApi.list_recurring_runs,
    ),
    ("POST", "recurringruns", "", KubeflowApi.create_recurring_run),
    ("GET", "recurringruns/(?P<id>[^/:]+)", "", KubeflowApi.get_recurring_run),
    ("DELETE", "recurringruns/(?P<id>[^/:]+)", "", KubeflowApi.delete_recurring_run),
    ("POST", "recurringruns/(?P<id>[^/:]+):enable", "", KubeflowApi.enable_recurring_run),
    ("POST", "recurringruns/(?P<id>[^/:]+):disable", "", KubeflowApi.disable_recurring_run),
)


def read(body: Any, model: str) -> Any:
    """Read a request with a generated model; what the model does not know, or knows as another type, is refused."""

    @dataclass
    class Response:
        data: str

    try:
        found = _SCHEMA.deserialize(Response(json.dumps(body)), model)
    except (ValueError, TypeError, AttributeError) as error:
        raise ApiError(400, 3, f"{model}: {error}") from error
    if _SCHEMA.sanitize_for_serialization(found) != body:
        raise ApiError(400, 3, f"not a {model}: {body}")
    return found


def write(answer: Any) -> bytes:
    """Write an answer with its generated model."""
    return json.dumps(_SCHEMA.sanitize_for_serialization(answer)).encode()


def new_id() -> str:
    """Return an ID as the server makes them."""
    return str(uuid.uuid4())


def _node(
    name: str, state: str, children: list[str] | None = None, pod: str = "", seconds: float | None = None
) -> kfp.V2beta1PipelineTaskDetail:
    start = datetime(2026, 11, 24, 12, tzinfo=UTC)
    return kfp.V2beta1PipelineTaskDetail(
        task_id=new_id(),
        display_name=name,
        state=state,
        create_time=start,
        start_time=start,
        end_time=NONE if seconds is None else start + timedelta(seconds=seconds),
        child_tasks=[kfp.PipelineTaskDetailChildTask(pod_name=child) for child in children or []],
        pod_name=pod or None,
    )


def _snake(name: str) -> str:
    """Both spellings of a field are JSON of protobuf."""
    return re.sub(r"([A-Z])", lambda match: "_" + match[1].lower(), name)


class _Server(ThreadingHTTPServer):
    api: KubeflowApi
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a test that breaks a connection knows it."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def _handle(self) -> None:
        api, url = self.server.api, urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        call = f"{self.command} {url.path}"
        api.calls.append(call)
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        api.tokens.append(token)
        fault = api.take_fault(call)
        if fault and fault.kind != "lost":
            return self._go_wrong(fault)
        try:
            if api.token and token != api.token:
                raise ApiError(401, 16, "User identity is empty in the request header.")
            if api.forbidden and "healthz" not in url.path:
                raise ApiError(403, 7, "PermissionDenied: user is not authorized to do this.")
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            answer = api.answer(self.command, url.path, query, self._body(raw))
        except ApiError as error:
            body = {"error": error.message, "code": error.code, "message": error.message, "details": []}
            return self._send(error.status, json.dumps(body).encode())
        if fault:
            self.close_connection = True
            return None
        return self._send(200, write(answer))

    def _go_wrong(self, fault: Fault) -> None:
        if fault.kind == "hang":
            self.server.api.closing.wait()
            self.close_connection = True
        elif fault.kind == "page":
            self._send(200, LOGIN_PAGE.encode(), "text/html")
        elif fault.kind == "garbage":
            self._send(200, b'{"run_id": ')
        elif fault.kind == "redirect":
            self._send(302, b"", "text/html", {"Location": "https://login.example.com/auth?state=s3cret"})
        else:
            self._send(int(fault.kind), b"<html>sorry</html>", "text/html", fault.headers)

    def _body(self, raw: bytes) -> Any:
        kind = self.headers.get("content-type", "")
        if not raw:
            return None
        if kind.startswith("application/json"):
            return json.loads(raw)
        message = BytesParser(EmailMessage, policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + raw)
        return {
            part.get_param("name", header="content-disposition"): part.get_content() for part in message.iter_parts()
        }

    def _send(
        self, status: int, body: bytes, kind: str = "application/json", headers: dict[str, str] | None = None
    ) -> None:
        with suppress(OSError):
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)


@contextmanager
def running(certificate: Path | None = None) -> Iterator[KubeflowApi]:
    """Yield a server that answers on loopback."""
    api = KubeflowApi(certificate)
    api.start()
    try:
        yield api
    finally:
        api.stop()
