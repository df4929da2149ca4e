"""No secret is in git: neither as a Secret, nor in a variable, nor hidden in a longer text."""

import re
from collections.abc import Iterator

from ..complaints import Complaint
from ..objects import at, leaves
from ..pods import pods
from ..render import Render

LOOKS_LIKE = {
    "an AWS key": re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a token": re.compile(
        r"\b(eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.|gh[pousr]_\w{30,}|hf_\w{30,}|xox[abpr]-\w{10,}|glpat-\w{15,})"
    ),
    "a password in a URL": re.compile(r"\w+://[^/\s:@]*:[^/\s:@${]+@"),
}
SECRET_NAME = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|PRIVATE_KEY|ACCESS_KEY)", re.IGNORECASE)
HARMLESS_NAME = re.compile(r"(_FILE|_PATH|_NAME|_TTL|_URL)$")
"""Names of what tells where a secret is, not what it is."""


def check(render: Render) -> Iterator[Complaint]:
    for secret in render.of("Secret"):
        if secret.get("data") or secret.get("stringData"):
            yield Complaint(secret, "data", "a secret in git is none", "refer to it by an ExternalSecret")
    for item in render.objects:
        for path, value in leaves(item):
            for what in found_in(str(value)):
                yield Complaint(item, path, f"looks like {what}", "refer to a Secret")
    for settings in render.of("ConfigMap"):
        for name, value in (settings.get("data") or {}).items():
            if value and names_a_secret(name):
                yield Complaint(settings, f"data.{name}", "is in the open", "refer to a Secret")
    for pod in pods(render):
        for path, container in pod.containers():
            for variable in container.get("env") or []:
                if names_a_secret(variable["name"]) and not at(variable, "valueFrom.secretKeyRef"):
                    where = f"{path}.env[{variable['name']}]"
                    yield Complaint(pod.owner, where, "is in the open", "use valueFrom.secretKeyRef")


def found_in(text: str) -> Iterator[str]:
    """Yield what kinds of credentials a text seems to hold."""
    for what, pattern in LOOKS_LIKE.items():
        if pattern.search(text):
            yield what


def names_a_secret(name: str) -> bool:
    """Whether a variable of this name holds a secret."""
    return bool(SECRET_NAME.search(name)) and not HARMLESS_NAME.search(name)
