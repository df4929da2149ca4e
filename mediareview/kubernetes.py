"""The Kubernetes API by plain HTTP: objects as JSON, every call bounded in time, failures that say what to do.

Not by the ``kubernetes`` package: importing it costs a process 45 MB, as much as all of the public API, for five calls.
It reads the kubeconfig file, which takes more than it seems to, and only outside a cluster.
"""

import json
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any

from mediareview.errors import MediaReviewError

Object = dict[str, Any]
"""A Kubernetes object as plain data: apiVersion, kind, metadata, spec, status."""

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds the token of its service account and the cluster's certificate authority."""

TIMEOUT_S = 10.0
RETRY_DELAYS_S = (0.2, 1.0, 3.0)
MOST_RETRY_AFTER_S = 10.0

_VERBS = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}


class KubernetesError(MediaReviewError):
    """A call failed.

    Args:
        message: what went wrong.
        hint: what to do about it.
        status: HTTP status of the answer; 0 if there was none.
        unknown_kind: whether the cluster does not know such objects at all.
    """

    def __init__(self, message: str, hint: str = "", status: int = 0, *, unknown_kind: bool = False) -> None:
        super().__init__(message, hint)
        self.status = status
        self.unknown_kind = unknown_kind

    @property
    def away(self) -> bool:
        """Whether the server did not answer, or had too much to do: it may do so in a while."""
        return self.status in (0, HTTPStatus.TOO_MANY_REQUESTS) or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


@dataclass(frozen=True)
class Resource:
    """The objects of a kind, in a namespace or cluster-wide."""

    api_version: str
    """``GROUP/VERSION``, or ``v1``."""
    plural: str
    namespace: str = ""
    """Empty for what belongs to no namespace."""

    def path(self, name: str = "") -> str:
        """Return the path of the collection, or of an object in it."""
        root = f"/{'apis' if '/' in self.api_version else 'api'}/{self.api_version}"
        collection = f"{root}/namespaces/{self.namespace}/{self.plural}" if self.namespace else f"{root}/{self.plural}"
        return f"{collection}/{name}" if name else collection

    @property
    def qualified_name(self) -> str:
        """The name by which roles and ``kubectl`` know the kind: ``inferenceservices.serving.kserve.io``."""
        group = self.api_version.rpartition("/")[0]
        return f"{self.plural}.{group}" if group else self.plural

    def __str__(self) -> str:
        return f"{self.qualified_name} in namespace {self.namespace}" if self.namespace else self.qualified_name


class _Document(Resource):
    """What is no collection of objects, and has a path of its own."""

    def path(self, name: str = "") -> str:
        return self.plural


@dataclass(frozen=True)
class Access:
    """Where an API server is, and as whom to call it."""

    url: str
    authorization: Callable[[], str]
    """Returns the Authorization header; is asked for each call, because tokens are replaced as they expire."""
    tls: ssl.SSLContext | None

    def headers(self) -> dict[str, str]:
        """Return the headers of a call."""
        value = self.authorization()
        return {"Accept": "application/json", **({"Authorization": value} if value else {})}

    @classmethod
    def from_environment(cls, account: Path = ACCOUNT) -> "Access":
        """Return how a pod reaches its cluster, or else what the kubeconfig file says.

        Raises:
            MediaReviewError: there is neither.
        """
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        if not host:
            return cls.from_kubeconfig()
        if not (account / "token").is_file():
            raise MediaReviewError(
                "This pod has no service account token, so it cannot call the Kubernetes API.",
                "Set automountServiceAccountToken: true in its pod template.",
            )
        return cls(
            url=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
            authorization=lambda: f"Bearer {(account / 'token').read_text().strip()}",
            tls=ssl.create_default_context(cafile=account / "ca.crt"),
        )

    @classmethod
    def from_kubeconfig(cls) -> "Access":
        """Return what the current context of the kubeconfig file (``KUBECONFIG``, ``~/.kube/config``) says.

        Raises:
            MediaReviewError: it cannot be read.
        """
        from kubernetes.client import Configuration  # type: ignore[import-untyped]
        from kubernetes.config import ConfigException, load_kube_config  # type: ignore[import-untyped]

        found = Configuration()
        try:
            load_kube_config(client_configuration=found)
        except (ConfigException, OSError) as error:
            raise MediaReviewError(
                f"No Kubernetes cluster is known here: {error}", "Point KUBECONFIG to a kubeconfig file."
            ) from None
        tls = None
        if found.host.startswith("https"):
            tls = ssl.create_default_context(cafile=found.ssl_ca_cert)
            if not found.verify_ssl:
                tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
            if found.cert_file:
                tls.load_cert_chain(found.cert_file, found.key_file)
        return cls(found.host, lambda: found.get_api_key_with_prefix("authorization") or "", tls)


class Kubernetes:
    """Calls an API server. What may be repeated is repeated when the server is away or has too much to do.

    Args:
        access: where it is; by default, where this process runs.
        timeout_s: longest wait for an answer.
    """

    def __init__(self, access: Access | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self._access = access or Access.from_environment()
        self._timeout_s = timeout_s
        handlers = [urllib.request.HTTPSHandler(context=self._access.tls)] if self._access.tls else []
        self._opener = urllib.request.build_opener(*handlers)

    def list(self, resource: Resource) -> list[Object]:
        """Return all objects of a resource.

        Raises:
            KubernetesError: they cannot be had.
        """
        found: list[Object] = self._call("GET", resource)["items"]
        return found

    def get(self, resource: Resource, name: str) -> Object:
        """Return an object.

        Raises:
            KubernetesError: there is none (``status`` 404), or it cannot be had.
        """
        return self._call("GET", resource, name)

    def get_patiently(
        self, resource: Resource, name: str, deadline: float, say: Callable[[KubernetesError], None]
    ) -> Object:
        """Return an object; a server that is away for a while is waited for.

        Args:
            resource: what kind of object.
            name: its name.
            deadline: until when to try, by ``time.monotonic()``.
            say: told each failure after which it is tried again.

        Raises:
            KubernetesError: there is none (``status`` 404), it cannot be had, or time is up.
        """
        while True:
            try:
                return self.get(resource, name)
            except KubernetesError as error:
                if not error.away or time.monotonic() > deadline:
                    raise
                say(error)

    def read(self, path: str) -> Object:
        """Return what lies at a path that holds no objects: ``/version``, ``/apis/GROUP/VERSION``.

        Raises:
            KubernetesError: there is nothing (``status`` 404), or it cannot be had.
        """
        return self._call("GET", _Document("", path))

    def create(self, resource: Resource, manifest: Object) -> Object:
        """Create an object; return it as stored.

        Raises:
            KubernetesError: there is one already (``status`` 409), or it cannot be created.
        """
        return self._call("POST", resource, body=manifest)

    def patch(self, resource: Resource, name: str, patch: Object) -> Object:
        """Merge into an object (JSON Merge Patch, RFC 7386); return it as stored.

        Raises:
            KubernetesError: there is none (``status`` 404), or it cannot be changed.
        """
        return self._call("PATCH", resource, name, patch)

    def replace(self, resource: Resource, name: str, manifest: Object) -> Object:
        """Replace an object; return it as stored.

        Raises:
            KubernetesError: it was changed since it was read (``status`` 409), or it cannot be changed.
        """
        return self._call("PUT", resource, name, manifest)

    def delete(self, resource: Resource, name: str) -> None:
        """Delete an object.

        Raises:
            KubernetesError: there is none (``status`` 404), or it cannot be deleted.
        """
        self._call("DELETE", resource, name)

    def _call(self, method: str, resource: Resource, name: str = "", body: Object | None = None) -> Object:
        verb = _VERBS.get(method, "get" if name else "list")
        delays_s = iter(() if method == "POST" else RETRY_DELAYS_S)
        while True:
            try:
                return self._send(method, resource.path(name), body)
            except urllib.error.HTTPError as error:
                failure = answer_failure(error.code, error.read(), verb, resource)
                again = failure.away
                wanted_s = _retry_after_s(error.headers)
            except (OSError, HTTPException, ValueError) as error:
                failure, wanted_s = connection_failure(self._access.url, error), 0.0
                again = not isinstance(getattr(error, "reason", error), ssl.SSLCertVerificationError)
            delay_s = next(delays_s, None)
            if not again or delay_s is None:
                raise failure
            time.sleep(max(delay_s, wanted_s))

    def _send(self, method: str, path: str, body: Object | None) -> Object:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        request = urllib.request.Request(  # noqa: S310 the URL is the cluster's
            self._access.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={**self._access.headers(), **({} if body is None else {"Content-Type": kind})},
        )
        with self._opener.open(request, timeout=self._timeout_s) as response:
            answer: Object = json.load(response)
            return answer


def answer_failure(status: int, body: bytes, verb: str, resource: Resource) -> KubernetesError:
    """Return what an unsuccessful answer means.

    Args:
        status: HTTP status.
        body: the answer's ``Status`` object, if it is one.
        verb: what was tried, as RBAC names it.
        resource: on what.
    """
    try:
        said = str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        said = ""
    if status == HTTPStatus.UNAUTHORIZED:
        return KubernetesError(
            "The Kubernetes API does not accept this process' credentials.",
            "A service account's token must be mounted, and of this cluster; a kubeconfig may need a new log-in.",
            status,
        )
    if status == HTTPStatus.FORBIDDEN:
        return KubernetesError(
            f"Kubernetes does not permit to {verb} {resource}: {said}",
            f"Grant the verb {verb!r} on {resource.qualified_name} to this account, by a Role in that namespace.",
            status,
        )
    if status == HTTPStatus.NOT_FOUND and not said:
        # About an object that is missing the server says so; about a kind it has nothing to say.
        return KubernetesError(
            f"The cluster does not know {resource.qualified_name} of {resource.api_version}.",
            "Install what brings its CustomResourceDefinition: mediareview doctor --cluster tells what is missing.",
            status,
            unknown_kind=True,
        )
    said = said or body.decode(errors="replace").strip()[:300]
    return KubernetesError(f"Kubernetes did not {verb} {resource}: {said} (status {status})", "", status)


def connection_failure(url: str, error: Exception) -> KubernetesError:
    """Return what it means that no answer was had."""
    reason = getattr(error, "reason", None) or str(error) or type(error).__name__
    return KubernetesError(
        f"The Kubernetes API at {url} does not answer: {reason}",
        "Check that it is up, and that a NetworkPolicy lets this pod reach it.",
    )


def _retry_after_s(headers: Message) -> float:
    try:
        return min(float(headers.get("Retry-After") or 0), MOST_RETRY_AFTER_S)
    except ValueError:
        return 0.0
