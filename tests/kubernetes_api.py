"""Stands in for the Kubernetes API server, which cannot run here.

It speaks the API's own HTTP on loopback, with TLS if asked to: namespaced and cluster-wide objects with
``resourceVersion``, ``generation`` and a status that only its owner writes; list, get, create, merge patch, replace,
delete and watch (bookmarks, 410 Gone); discovery; ``Status`` answers with the server's reasons and words. What a test
wants to go wrong it says with ``forbid``, ``fail``, ``withdraw``, ``expire``, ``break_watches`` and ``stop``, or by
another ``token``.
"""

import json
import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

Object = dict[str, Any]

HOST = "127.0.0.1"

RESOURCES = {
    ("v1", "configmaps"): "ConfigMap",
    ("v1", "namespaces"): "Namespace",
    ("v1", "persistentvolumeclaims"): "PersistentVolumeClaim",
    ("v1", "pods"): "Pod",
    ("v1", "secrets"): "Secret",
    ("v1", "services"): "Service",
    ("apps/v1", "deployments"): "Deployment",
    ("apiextensions.k8s.io/v1", "customresourcedefinitions"): "CustomResourceDefinition",
    ("serving.kserve.io/v1beta1", "inferenceservices"): "InferenceService",
    ("serving.kserve.io/v1alpha1", "servingruntimes"): "ServingRuntime",
    ("sparkoperator.k8s.io/v1beta2", "sparkapplications"): "SparkApplication",
    ("trainer.kubeflow.org/v1alpha1", "trainingruntimes"): "TrainingRuntime",
    ("trainer.kubeflow.org/v1alpha1", "trainjobs"): "TrainJob",
}
CLUSTER_WIDE = {"namespaces", "customresourcedefinitions"}
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

REASONS = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict",
           410: "Expired", 415: "UnsupportedMediaType", 422: "Invalid", 429: "TooManyRequests",
           500: "InternalError", 503: "ServiceUnavailable"}  # fmt: skip

_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>v[^/]+)"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<part>status))?$"
)


@dataclass(frozen=True)
class Call:
    """A request as it arrived."""

    verb: str
    """As RBAC names it: get, list, watch, create, patch, update, delete."""
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class _Fault:
    status: int
    """0 closes the connection without an answer."""
    verb: str
    times: int
    delay_s: float
    retry_after_s: int | None


@dataclass(frozen=True)
class _Event:
    resource_version: int
    kind: str
    key: tuple[str, str]
    object: Object = field(compare=False)


class _StatusError(Exception):
    def __init__(self, code: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.code, self.reason = code, reason or REASONS[code]


class _UnknownPathError(Exception):
    """Nothing is served there: the answer is plain text."""


class KubernetesApi:
    """The server. Use ``running()``, which starts one on a free port.

    Args:
        certificate: directory for a certificate, with which it is served by TLS.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.url = ""
        self.token = "token-of-a-service-account"
        """Who does not send it as bearer token is unauthorized."""
        self.calls: list[Call] = []
        self.resources = dict(RESOURCES)
        """What is served: (apiVersion, plural) to kind."""
        self._objects: dict[tuple[str, str], dict[tuple[str, str], Object]] = {}
        self._events: list[_Event] = []
        self._version = 100
        self._oldest = 0
        self._epoch = 0
        self._changed = threading.Condition()
        self._forbidden: set[tuple[str, str]] = set()
        self._faults: list[_Fault] = []
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self._ca: Path | None = None
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._ca = write_certificate(certificate)
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(self._ca, certificate / "key.pem")

    # -- what a test arranges -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen; after ``stop``, where it listened before."""
        self._server = _Server((HOST, self._port), type("Handler", (_Handler,), {"api": self}))
        self._port = self._server.server_address[1]
        self.url = f"{'https' if self._tls else 'http'}://{HOST}:{self._port}"
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """Go away, with all connections; the objects are kept."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        self.break_watches()

    @property
    def away(self) -> bool:
        """Whether it is stopped."""
        return self._server is None

    def put(self, manifest: Object, plural: str = "", status: Object | None = None) -> Object:
        """Write an object as its owner would, with its status; return it as it is stored."""
        resource = self._resource(manifest["apiVersion"], plural or self._plural(manifest))
        name, namespace = manifest["metadata"]["name"], manifest["metadata"].get("namespace", "")
        with self._changed:
            wanted = {**manifest, **({"status": status} if status is not None else {})}
            return self._store(resource, (namespace, name), wanted, status=wanted.get("status"))

    def set_status(self, api_version: str, plural: str, namespace: str, name: str, status: Object) -> None:
        """Replace an object's status, as its controller does."""
        with self._changed:
            stored = self._objects[api_version, plural][namespace, name]
            self._store((api_version, plural), (namespace, name), stored, status=status)

    def get(self, api_version: str, plural: str, namespace: str, name: str) -> Object | None:
        """Return an object as it is stored, or None."""
        with self._changed:
            return self._objects.get((api_version, plural), {}).get((namespace, name))

    def remove(self, api_version: str, plural: str, namespace: str, name: str) -> None:
        """Delete an object."""
        with self._changed:
            self._delete((api_version, plural), (namespace, name))

    def forbid(self, verb: str, plural: str) -> None:
        """Refuse a verb on a resource, as RBAC does."""
        self._forbidden.add((verb, plural))

    def withdraw(self, group: str) -> None:
        """Serve no resource of a group: its custom resource definitions are not installed."""
        self.resources = {key: kind for key, kind in self.resources.items() if key[0].split("/")[0] != group}

    def fail(
        self, status: int, *, verb: str = "", times: int = 1, delay_s: float = 0.0, retry_after_s: int | None = None
    ) -> None:
        """Answer the next calls with a status; 0 closes the connection, 200 is only slow.

        Args:
            status: HTTP status.
            verb: of which calls; of all if empty.
            times: how many.
            delay_s: seconds before the answer.
            retry_after_s: the answer's Retry-After.
        """
        with self._changed:
            self._faults.append(_Fault(status, verb, times, delay_s, retry_after_s))

    def recover(self) -> None:
        """Fail no more."""
        with self._changed:
            self._faults.clear()

    def expire(self) -> None:
        """Forget all events: who watches from an earlier resourceVersion is told 410 Gone."""
        with self._changed:
            self._version += 1
            self._oldest = self._version
            self._events.clear()

    def bookmark(self) -> None:
        """Send a bookmark to those who watch and want them."""
        with self._changed:
            self._version += 1
            self._events.append(_Event(self._version, "BOOKMARK", ("", ""), {}))
            self._changed.notify_all()

    def break_watches(self) -> None:
        """End the streams of all who watch, and their connections."""
        with self._changed:
            self._epoch += 1
            self._changed.notify_all()

    def service_account(self, directory: Path) -> tuple[str, int]:
        """Write what a pod finds of its service account; return the server's host and port."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "token").write_text(self.token)
        if self._ca is not None:
            (directory / "ca.crt").write_bytes(self._ca.read_bytes())
        return HOST, self._port

    def kubeconfig(self, path: Path, namespace: str = "default", token: str | None = None) -> Path:
        """Write a kubeconfig file for this server and return it."""
        name = "fake"
        cluster = {"server": self.url, **({"certificate-authority": str(self._ca)} if self._ca else {})}
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": name,
                    "clusters": [{"name": name, "cluster": cluster}],
                    "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}],
                    "users": [{"name": name, "user": {"token": self.token if token is None else token}}],
                }
            )
        )
        return path

    def verbs(self) -> list[str]:
        """Return the verbs of the calls so far."""
        return [call.verb for call in self.calls]

    # -- what the server does -----------------------------------------------------------------------------------------

    def _plural(self, manifest: Object) -> str:
        found = [
            key[1] for key, kind in RESOURCES.items() if (key[0], kind) == (manifest["apiVersion"], manifest["kind"])
        ]
        return found[0] if found else f"{manifest['kind'].lower()}s"

    def _resource(self, api_version: str, plural: str) -> tuple[str, str]:
        if (api_version, plural) not in self.resources:
            raise KeyError(f"{plural} of {api_version} are not served; add them to `resources`")
        return api_version, plural

    def _store(self, resource: tuple[str, str], key: tuple[str, str], wanted: Object, status: Any) -> Object:
        items = self._objects.setdefault(resource, {})
        stored = items.get(key)
        metadata = (stored or {}).get("metadata", {})
        respecified = stored is None or stored.get("spec") != wanted.get("spec")
        item = {
            **{name: value for name, value in wanted.items() if name != "status"},
            "apiVersion": resource[0],
            "kind": self.resources[resource],
            "metadata": {
                **{name: value for name, value in wanted["metadata"].items() if name != "resourceVersion"},
                "name": key[1],
                **({"namespace": key[0]} if key[0] else {}),
                "uid": metadata.get("uid", f"uid-{self._version}"),
                "generation": metadata.get("generation", 0) + respecified,
            },
            **({"status": status} if status is not None else {}),
        }
        if stored is not None:
            item["metadata"]["resourceVersion"] = metadata["resourceVersion"]
            if item == stored:
                return stored
        self._version += 1
        item["metadata"]["resourceVersion"] = str(self._version)
        items[key] = item
        self._announce("ADDED" if stored is None else "MODIFIED", resource, key, item)
        return item

    def _delete(self, resource: tuple[str, str], key: tuple[str, str]) -> Object:
        stored = self._objects.get(resource, {}).pop(key)
        self._version += 1
        self._announce("DELETED", resource, key, stored)
        return stored

    def _announce(self, kind: str, resource: tuple[str, str], key: tuple[str, str], item: Object) -> None:
        event = {**item, "metadata": {**item["metadata"], "resourceVersion": str(self._version)}}
        self._events.append(_Event(self._version, kind, (f"{resource[0]} {resource[1]}", key[0]), event))
        self._changed.notify_all()

    def fault(self, verb: str) -> _Fault | None:
        """Return what is to go wrong with a call, and count it."""
        with self._changed:
            for fault in self._faults:
                if fault.verb in ("", verb) and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    def answer(self, call: Call) -> Object:
        """Return the answer to a call that is no watch.

        Raises:
            _StatusError: the answer is a failure.
        _UnknownPathError: nothing is served there.
        """
        found = _PATH.match(call.path)
        if found is None or call.path in self._discovery() or call.path == ACCESS_REVIEWS:
            return self._discover(call)
        resource = (f"{found['group']}/{found['version']}" if found["group"] else found["version"], found["plural"])
        namespace, name = found["namespace"] or "", found["name"] or ""
        self._admit(call.verb, resource, namespace, name)
        key = (namespace, name)
        with self._changed:
            items = self._objects.get(resource, {})
            if call.verb == "list":
                chosen = [item for (space, _), item in sorted(items.items()) if namespace in ("", space)]
                return {
                    "apiVersion": resource[0],
                    "kind": f"{self.resources[resource]}List",
                    "metadata": {"resourceVersion": str(self._version)},
                    "items": chosen,
                }
            if call.verb == "create":
                key = (namespace, call.body["metadata"]["name"])
                if key in items:
                    raise _StatusError(409, f"{self._title(resource, key[1])} already exists", "AlreadyExists")
                return self._store(resource, key, call.body, status=None)
            if key not in items:
                raise _StatusError(404, f"{self._title(resource, name)} not found")
            if call.verb == "get":
                return items[key]
            if call.verb == "delete":
                return self._delete(resource, key)
            stored = items[key]
            wanted = merge(stored, call.body) if call.verb == "patch" else call.body
            version = call.body.get("metadata", {}).get("resourceVersion")
            if version is not None and version != stored["metadata"]["resourceVersion"]:
                raise _StatusError(
                    409,
                    f"Operation cannot be fulfilled on {self._title(resource, name)}: the object has been modified; "
                    "please apply your changes to the latest version and try again",
                )
            if found["part"] == "status":
                return self._store(resource, key, stored, status=wanted.get("status"))
            return self._store(resource, key, wanted, status=stored.get("status"))

    def watch(self, call: Call) -> Iterator[Object]:
        """Yield the events after a resourceVersion until the time is up or the connection is to break.

        Raises:
            _StatusError: the caller may not watch, or what it wants to hear is forgotten.
        """
        found = _PATH.match(call.path)
        assert found is not None
        resource = (f"{found['group']}/{found['version']}" if found["group"] else found["version"], found["plural"])
        self._admit("watch", resource, found["namespace"] or "", "")
        seen = int(call.query.get("resourceVersion") or self._version)
        if seen < self._oldest:
            raise _StatusError(410, f"too old resource version: {seen} ({self._oldest})")
        return self._events_after(call, resource, found["namespace"] or "", seen)

    def _events_after(self, call: Call, resource: tuple[str, str], namespace: str, seen: int) -> Iterator[Object]:
        deadline = time.monotonic() + float(call.query.get("timeoutSeconds", "300"))
        epoch = self._epoch
        while True:
            with self._changed:
                news = [event for event in self._events if event.resource_version > seen]
                if not news:
                    if seen < self._oldest:
                        yield {"type": "ERROR", "object": _status(410, f"too old resource version: {seen}", "Expired")}
                        return
                    remaining_s = deadline - time.monotonic()
                    if epoch != self._epoch or remaining_s <= 0:
                        return
                    self._changed.wait(min(remaining_s, 0.5))
                    continue
            for event in news:
                seen = event.resource_version
                if event.kind == "BOOKMARK":
                    if call.query.get("allowWatchBookmarks") == "true":
                        metadata = {"resourceVersion": str(seen)}
                        kind = self.resources[resource]
                        yield {
                            "type": "BOOKMARK",
                            "object": {"apiVersion": resource[0], "kind": kind, "metadata": metadata},
                        }
                elif event.key[0] == f"{resource[0]} {resource[1]}" and namespace in ("", event.key[1]):
                    yield {"type": event.kind, "object": event.object}

    def _admit(self, verb: str, resource: tuple[str, str], namespace: str, name: str) -> None:
        if resource not in self.resources:
            raise _UnknownPathError
        if (verb, resource[1]) in self._forbidden:
            group = resource[0].rpartition("/")[0]
            where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
            raise _StatusError(
                403,
                f'{self._title(resource, name)} is forbidden: User "system:serviceaccount:test:tester" cannot {verb} '
                f'resource "{resource[1]}" in API group "{group}"{where}',
            )

    def _title(self, resource: tuple[str, str], name: str) -> str:
        group = resource[0].rpartition("/")[0]
        return (f"{resource[1]}.{group}" if group else resource[1]) + (f' "{name}"' if name else "")

    def _discovery(self) -> set[str]:
        return {"/api/v1", *(f"/apis/{version}" for version, _ in self.resources if "/" in version)}

    def _discover(self, call: Call) -> Object:
        groups: dict[str, set[str]] = {}
        for version, _ in self.resources:
            if "/" in version:
                groups.setdefault(version.split("/")[0], set()).add(version)
        match call.path:
            case "/version":
                return {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}
            case "/api":
                return {"kind": "APIVersions", "versions": ["v1"]}
            case "/apis":
                listed = [_group(name, sorted(versions)) for name, versions in sorted(groups.items())]
                return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}
            case path if path in self._discovery():
                version = path.removeprefix("/apis/").removeprefix("/api/")
                kinds = sorted((plural, kind) for (served, plural), kind in self.resources.items() if served == version)
                verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
                listed = [
                    {"name": plural, "kind": kind, "namespaced": plural not in CLUSTER_WIDE, "verbs": verbs,
                     "singularName": kind.lower()}
                    for plural, kind in kinds
                ]  # fmt: skip
                return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": listed}
            case path if path.startswith("/apis/") and path.removeprefix("/apis/") in groups:
                name = path.removeprefix("/apis/")
                return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, sorted(groups[name]))}
            case path if path == ACCESS_REVIEWS:
                asked = call.body["spec"]["resourceAttributes"]
                allowed = (asked["verb"], asked["resource"]) not in self._forbidden
                return {**call.body, "status": {"allowed": allowed}}
        raise _UnknownPathError


def merge(target: Any, patch: Any) -> Any:
    """Return a JSON merge patch's result (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


def _group(name: str, versions: list[str]) -> Object:
    listed = [{"groupVersion": version, "version": version.split("/")[1]} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _status(code: int, message: str, reason: str) -> Object:
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
            "reason": reason, "code": code}  # fmt: skip


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: callers that go away are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: KubernetesApi

    def log_message(self, *arguments: Any) -> None:
        pass

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        length = int(self.headers.get("content-length") or 0)
        text = self.rfile.read(length)
        found = _PATH.match(parts.path)
        named = found is not None and found["name"] is not None
        verb = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}.get(
            self.command, "watch" if query.get("watch") == "true" else "get" if named else "list"
        )
        if self.api.away:
            self.close_connection = True
            return
        body = json.loads(text) if text else None
        call = Call(verb, parts.path, query, {key.lower(): value for key, value in self.headers.items()}, body)
        self.api.calls.append(call)
        fault = self.api.fault(verb)
        if fault is not None:
            time.sleep(fault.delay_s)
            if fault.status == 0:
                self.close_connection = True
                return
            if fault.status != 200:
                headers = {"Retry-After": str(fault.retry_after_s)} if fault.retry_after_s is not None else {}
                self._send(fault.status, _status(fault.status, "told to fail", REASONS[fault.status]), headers)
                return
        try:
            if self.headers.get("authorization") != f"Bearer {self.api.token}":
                raise _StatusError(401, "Unauthorized")
            if verb == "patch" and self.headers.get("content-type") != "application/merge-patch+json":
                raise _StatusError(415, "only JSON merge patches are understood here")
            if verb == "watch":
                self._stream(self.api.watch(call))
            else:
                self._send(201 if verb == "create" else 200, self.api.answer(call))
        except _UnknownPathError:
            self._send(404, "404 page not found\n")
        except _StatusError as error:
            self._send(error.code, _status(error.code, str(error), error.reason))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815

    def _send(self, code: int, body: Object | str, headers: dict[str, str] | None = None) -> None:
        kind, text = ("text/plain", body) if isinstance(body, str) else ("application/json", json.dumps(body))
        content = text.encode()
        self.send_response(code)
        for name, value in {"Content-Type": kind, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, events: Iterator[Object]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for event in events:
                line = json.dumps(event).encode() + b"\n"
                self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass
        self.close_connection = True


def write_certificate(directory: Path) -> Path:
    """Write ``certificate.pem``, for loopback and signed by itself, and ``key.pem``; return the former."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (directory / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    return directory / "certificate.pem"


@contextmanager
def running(certificate: Path | None = None) -> Iterator[KubernetesApi]:
    """Run a server on a free loopback port; by TLS if there is a directory for its certificate."""
    api = KubernetesApi(certificate)
    api.start()
    try:
        yield api
    finally:
        api.stop()
