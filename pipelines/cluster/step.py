"""What can be said about how a step's pod runs."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

_NAME = r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"
_WORD = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_DIGEST = r"@sha256:[0-9a-f]{64}"
_UNITS: dict[str, float] = {"": 1, "m": 1e-3} | {
    f"{prefix}{binary}": (1024 if binary else 1000) ** power
    for power, prefix in enumerate("KMGTPE", start=1)
    for binary in ("", "i")
}


def _text(value: Any) -> Any:
    """YAML reads ``cpu: 2`` and ``"on": true`` as numbers and booleans; Kubernetes wants them as text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _matches(pattern: str, example: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"{value!r} does not fit; for example {example}")
        return value

    return AfterValidator(check)


def _not_secret(name: str) -> str:
    if re.search(r"SECRET|PASSWORD|TOKEN|ACCESS_KEY|CREDENTIAL", name) and not re.search(r"_(PATH|FILE|DIR)$", name):
        raise ValueError(f"{name} looks like a secret; name the key of a Secret that holds it, in `secrets`")
    return name


Name = Annotated[str, _matches(_NAME, "mediareview-s3")]
"""Name of a Kubernetes object."""

DataKey = Annotated[str, _matches(r"[-._A-Za-z0-9]{1,253}", "AWS_ACCESS_KEY_ID")]
"""Key of a Secret or ConfigMap."""

Variable = Annotated[str, _matches(r"[A-Za-z_][A-Za-z0-9_]*", "MEDIAREVIEW_HOME")]
"""Name of an environment variable."""

LabelKey = Annotated[str, _matches(rf"({_NAME}/)?{_WORD}", "app.kubernetes.io/name")]
LabelValue = Annotated[str, BeforeValidator(_text), _matches(rf"({_WORD})?", "train")]
Text = Annotated[str, BeforeValidator(_text)]
AbsolutePath = Annotated[str, _matches(r"/[^:\0]+", "/var/lib/mediareview")]
Image = Annotated[
    str,
    StringConstraints(strip_whitespace=True),
    _matches(rf"[^\s:@]+(:\d+/[^\s:@]+)?(:(?!latest$)[\w.-]+({_DIGEST})?|{_DIGEST})", "mediareview/pipelines:0.1.0"),
]
Cpu = Annotated[str, BeforeValidator(_text), _matches(r"(\d*\.)?\d+m?", "500m or 2")]
Memory = Annotated[str, BeforeValidator(_text), _matches(r"\d+[EPTGMK]i?", "512Mi or 4Gi")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Resources(_Strict):
    """CPU and memory of a step."""

    cpu: Cpu | None = None
    """Cores: ``2``, ``500m``."""

    memory: Memory | None = None
    """Bytes: ``512Mi``, ``4Gi``."""


class Accelerator(_Strict):
    """GPUs or the like."""

    type: str = "nvidia.com/gpu"
    """Resource name that the device plugin offers."""

    count: int = Field(default=1, ge=1, le=16)
    """How many."""


class RunAs(_Strict):
    """The user a step runs as. Never root."""

    user: int = Field(default=10001, ge=1)
    """User ID; the image is made for 10001."""

    group: int = Field(default=10001, ge=1)
    """Group ID; what the volumes belong to."""


class Toleration(_Strict):
    """A taint of nodes that the step may run on nevertheless."""

    key: str = ""
    """Key of the taint; empty, with ``Exists``, is every taint."""

    operator: Literal["Equal", "Exists"] = "Equal"
    """``Exists`` takes any value."""

    value: Text = ""
    """Value of the taint, with ``Equal``."""

    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute", ""] = ""
    """Effect of the taint; empty is every effect."""

    seconds: int | None = Field(default=None, ge=0)
    """How long a running step stays on a node that is tainted ``NoExecute``; unset is for good."""

    @model_validator(mode="after")
    def _as_kubernetes_wants_it(self) -> Self:
        if not self.key and self.operator != "Exists":
            raise ValueError("an empty key needs `operator: Exists`")
        if self.operator == "Exists" and self.value:
            raise ValueError("`operator: Exists` takes no value")
        return self


class Retries(_Strict):
    """How often a failed step is started again. Steps are idempotent, and training goes on from its last checkpoint."""

    count: int = Field(default=2, ge=0, le=10)
    """Starts after the first; 0 is none."""

    backoff_s: int = Field(default=30, ge=0, le=3600)
    """Seconds before the first of them."""

    factor: float = Field(default=2.0, ge=1, le=10)
    """Each further wait is this many times longer."""

    max_backoff_s: int = Field(default=600, ge=0, le=86400)
    """Seconds after which no further start is made."""


class ConfigMapKeys(_Strict):
    """Keys of a ConfigMap that become environment variables of the same name."""

    required: list[Variable] = []
    """Without these the step does not start."""

    optional: list[Variable] = []
    """Set if the ConfigMap has them."""


class StepConfig(_Strict):
    """How one step runs."""

    image: Image
    """Image with the code of the steps, by version or digest."""

    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When the node fetches the image."""

    pull_secrets: list[Name] = []
    """Secrets with the credentials of the image's registry."""

    environment: dict[Annotated[Variable, AfterValidator(_not_secret)], Text] = {}
    """Environment variables by name. No secrets."""

    config_maps: dict[Name, ConfigMapKeys] = {}
    """ConfigMaps whose keys become environment variables."""

    secrets: dict[Name, dict[DataKey, Variable]] = {}
    """Secrets, and which of their keys becomes which environment variable."""

    volumes: dict[Name, AbsolutePath] = {}
    """PersistentVolumeClaims, and where they are mounted."""

    scratch: dict[AbsolutePath, Memory] = {}
    """Empty directories that end with the pod, and their largest size."""

    run_as: RunAs = RunAs()
    """User and group of the step."""

    requests: Resources = Resources()
    """What is set aside for the step."""

    limits: Resources = Resources()
    """What it may use at most."""

    accelerator: Accelerator | None = None
    """GPUs; unset is none."""

    node_selector: dict[LabelKey, LabelValue] = {}
    """Labels of the nodes on which the step may run."""

    tolerations: list[Toleration] = []
    """Tainted nodes on which the step may run."""

    labels: dict[LabelKey, LabelValue] = {}
    """Labels of the step's pod."""

    annotations: dict[LabelKey, Text] = {}
    """Annotations of the step's pod."""

    retries: Retries = Retries()
    """What happens when the step fails."""

    timeout_s: int = Field(default=3600, ge=1, le=7 * 86400)
    """Seconds after which a start of the step is stopped and counts as failed."""

    caching: bool = True
    """Whether a result of the same inputs and code is used again. Steps that look at the world never do."""

    @model_validator(mode="after")
    def _limits_hold_the_requests(self) -> Self:
        for resource in ("cpu", "memory"):
            request, limit = getattr(self.requests, resource), getattr(self.limits, resource)
            if request and limit and amount(limit) < amount(request):
                raise ValueError(f"limits.{resource} {limit} is less than requests.{resource} {request}")
        return self


def amount(quantity: str) -> float:
    """Return a quantity as a number: cores, or bytes."""
    number, unit = re.fullmatch(r"([\d.]+)(\D*)", quantity).groups()  # type: ignore[union-attr]  # validated before
    return float(number) * _UNITS[unit]
