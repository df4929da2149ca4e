"""Read how steps run on a cluster: a YAML file that says what differs from ``default.yaml`` beside this module."""

from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from mediareview.errors import MediaReviewError
from mediareview.merge_patch import merge
from mediareview.settings import get_settings
from pipelines.catalogue import STEPS
from pipelines.cluster.step import Name, StepConfig

DEFAULT = Path(__file__).with_name("default.yaml")


class ClusterConfig(BaseModel):
    """How the steps of all pipelines run on a cluster."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service_account: Name
    """ServiceAccount of the pods of a run."""

    defaults: StepConfig
    """How every step runs."""

    steps: dict[str, StepConfig] = {}
    """How one step runs, by its name: what the file says about it, and the defaults for the rest."""

    @model_validator(mode="before")
    @classmethod
    def _steps_start_from_the_defaults(cls, document: Any) -> Any:
        if not isinstance(document, dict) or not isinstance(document.get("steps", {}), dict):
            return document
        overrides = document.get("steps", {})
        if unknown := sorted(str(name) for name in overrides if name not in STEPS):
            raise ValueError(f"steps: there is no step {', '.join(unknown)}; the steps are {', '.join(STEPS)}")
        defaults = document.get("defaults", {})
        return {**document, "steps": {step: merge(defaults, overrides.get(step, {})) for step in STEPS}}


def load_config(path: Path | None = None) -> ClusterConfig:
    """Read the configuration: the file given, else the one of the settings, else the default alone.

    A file is a merge patch (RFC 7396) of the default: mappings are merged key by key, ``null`` removes a key, anything
    else replaces what was there.

    Raises:
        MediaReviewError: there is no such file, or it is wrong; the message names each field and what is allowed.
    """
    path = path or get_settings().pipelines_config
    document = _read(DEFAULT)
    if path is not None:
        document = merge(document, _read(path))
    try:
        return ClusterConfig.model_validate(document)
    except ValidationError as error:
        raise MediaReviewError(
            "\n  ".join([f"{path or DEFAULT} does not say how steps run:", *_complaints(error)]),
            f"Every field and its default: {DEFAULT}",
        ) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise MediaReviewError(
            f"Cannot read {path}: {error.strerror}.", "Name a YAML file with --config or MEDIAREVIEW_PIPELINES_CONFIG."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MediaReviewError(f"{path} is not YAML: {' '.join(str(error).split())}", "") from None
    if not isinstance(document, dict):
        raise MediaReviewError(f"{path} is not a mapping of fields.", f"Every field and its default: {DEFAULT}")
    return document


def _complaints(error: ValidationError) -> list[str]:
    """Say each mistake once: a wrong default is one mistake, not one for every step that starts from it."""
    errors = error.errors(include_url=False)
    in_defaults = {item["loc"][1:] for item in errors if item["loc"][:1] == ("defaults",)}
    return [
        f"{'.'.join(str(part) for part in item['loc'] if part != '[key]') or 'the file'}: {_allowed(item)}"
        for item in errors
        if item["loc"][:1] != ("steps",) or item["loc"][2:] not in in_defaults
    ]


def _allowed(item: Any) -> str:
    """Return what is wrong with a field, with the names there are in the place of one that is not."""
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] != "extra_forbidden":
        return message
    model: Any = ClusterConfig
    for part in item["loc"][:-1]:
        model = _field(model, part)
    return f"there is no such field; there are {', '.join(model.model_fields)}"


def _field(model: Any, part: str | int) -> Any:
    """Return the model below a field, or below a key or an index of one."""
    fields = getattr(model, "model_fields", {})
    annotation = fields[part].annotation if part in fields else model
    models = [item for item in (annotation, *_arguments(annotation)) if hasattr(item, "model_fields")]
    return models[0] if models else annotation


def _arguments(annotation: Any) -> list[Any]:
    """Return all arguments of a generic type, those of its arguments included."""
    return [inner for argument in get_args(annotation) for inner in (argument, *_arguments(argument))]
