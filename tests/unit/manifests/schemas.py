"""Strict validation of every object against the schema of its kind: unknown fields are refused.

Built-in kinds are checked with the schemas of kubernetes-validate, for the oldest Kubernetes that we support and the
newest that it knows. Custom kinds are checked with CustomResourceDefinitions: those in the folder MEDIAREVIEW_CRDS, and
our own in ``schemas/``, which list only what we use of a kind that the folder lacks. To add a kind, put its definition
there.

Rules in CEL (``x-kubernetes-validations``) are not evaluated; only a cluster does that: ``make verify-cluster``.
"""

import copy
import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.validators import extend
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

from .complaints import Complaint
from .formats import FORMATS
from .objects import Object, at, group_of

OLDEST_KUBERNETES = "1.30"
NEWEST_KUBERNETES = kubernetes_validate.latest_version().removesuffix(".0")
OWN_SCHEMAS = Path(__file__).parent / "schemas"
LONGEST_MESSAGE = 160

TEMPLATES = {"SparkApplication": ("spec.driver.template", "spec.executor.template")}
"""Pod templates that a definition leaves open."""


def crd_folder() -> Path | None:
    """Return the folder that MEDIAREVIEW_CRDS names; None if it names none."""
    named = os.environ.get("MEDIAREVIEW_CRDS", "")
    return Path(named).expanduser() if named else None


class Crds:
    """CustomResourceDefinitions from folders, by group and kind."""

    def __init__(self, *folders: Path) -> None:
        self._definitions: dict[tuple[str, str], Object] = {}
        for folder in folders:
            for path in sorted(folder.glob("*.json")) + sorted(folder.glob("*.yaml")):
                definition = (
                    yaml.safe_load(path.read_text()) if path.suffix == ".yaml" else json.loads(path.read_text())
                )
                spec = definition["spec"]
                self._definitions[spec["group"], spec["names"]["kind"]] = spec

    def defines(self, item: Object) -> bool:
        return (group_of(item), item["kind"]) in self._definitions

    def is_namespaced(self, item: Object) -> bool:
        return bool(self._definitions[group_of(item), item["kind"]]["scope"] == "Namespaced")

    def resources(self) -> Iterator[tuple[str, str]]:
        """Yield group and plural of every kind, and of its subresources."""
        for (group, _), spec in self._definitions.items():
            plural = spec["names"]["plural"]
            yield group, plural
            for version in spec["versions"]:
                for subresource in version.get("subresources") or {}:
                    yield group, f"{plural}/{subresource}"

    def validator(self, item: Object) -> Draft202012Validator | None:
        """Return the validator of an object's version; None if the kind does not have that version."""
        return self._validator(group_of(item), item["kind"], str(item["apiVersion"]).rpartition("/")[2])

    @functools.cache  # noqa: B019 there are two instances, for the whole session
    def _validator(self, group: str, kind: str, version: str) -> Draft202012Validator | None:
        for served in self._definitions[group, kind]["versions"]:
            if served["name"] == version and served.get("served", True):
                schema = closed(served["schema"]["openAPIV3Schema"])
                schema["properties"].update({"apiVersion": {"type": "string"}, "kind": {"type": "string"}})
                metadata = {"$ref": "_definitions.json#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
                schema["properties"]["metadata"] = metadata
                schema["$id"] = "https://kubernetes.io/api/custom.json"
                return _StructuralValidator(schema, registry=_definitions(NEWEST_KUBERNETES), format_checker=FORMATS)
        return None


@functools.cache
def own_crds() -> Crds:
    """Return the definitions that are always at hand."""
    return Crds(OWN_SCHEMAS)


@functools.cache
def published_crds() -> Crds:
    """Return the definitions of the folder MEDIAREVIEW_CRDS; none if it names none."""
    folder = crd_folder()
    return Crds(folder) if folder else Crds()


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a structural OpenAPI schema as a JSON schema that refuses unknown fields.

    What Kubernetes says with its own keywords is said with JSON Schema's: preserved unknown fields, nullable values,
    integers or strings, embedded objects, defaults (a field that has one need not be given).
    """
    schema = copy.copy(schema)
    if schema.get("x-kubernetes-int-or-string"):
        schema.pop("type", None)
        schema["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if schema.get("x-kubernetes-embedded-resource"):
        known = {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"additionalProperties": True},
        }
        schema["properties"] = {**known, **schema.get("properties", {})}
        schema["required"] = sorted({"apiVersion", "kind", *schema.get("required", [])})
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if schema.pop(exclusive, False) is True and bound in schema:
            schema[exclusive] = schema.pop(bound)
    if "properties" in schema:
        properties = schema["properties"]
        schema["required"] = [name for name in schema.get("required", []) if "default" not in properties.get(name, {})]
        schema["properties"] = {name: closed(inner) for name, inner in properties.items()}
    if isinstance(schema.get("items"), dict):
        schema["items"] = closed(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        schema["additionalProperties"] = closed(schema["additionalProperties"])
    elif schema.get("type") == "object" and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    if schema.pop("nullable", False):
        return {"anyOf": [{"type": "null"}, schema]}
    return schema


def _unique(validator: Any, list_type: str, value: Any, schema: dict[str, Any]) -> Iterator[ValidationError]:
    """Items of a set are unique, and those of a map by their keys."""
    if not isinstance(value, list) or list_type not in ("set", "map"):
        return
    keys = schema.get("x-kubernetes-list-map-keys") or []
    defaults = {key: at(schema, f"items.properties.{key}.default") for key in keys}
    seen: list[Any] = []
    for item in value:
        identity = {key: item.get(key, defaults[key]) for key in keys} if list_type == "map" else item
        if identity in seen:
            yield ValidationError(f"{identity} is there twice")
        seen.append(identity)


_StructuralValidator = extend(Draft202012Validator, {"x-kubernetes-list-type": _unique})


@functools.cache
def _definitions(version: str) -> Registry[Any]:
    contents = schema_contents(f"kubernetes-json-schema/v{version}.0-local-strict/_definitions.json", version)
    return (Resource.from_contents(contents) @ Registry()).crawl()


@functools.cache
def _built_in_validator(api_version: str, kind: str, version: str) -> Draft202012Validator | None:
    group, _, api = api_version.rpartition("/")
    name = "-".join(part for part in (kind.lower(), group.partition(".")[0], api) if part)
    try:
        schema = schema_contents(f"kubernetes-json-schema/v{version}.0-local-strict/{name}.json", version)
    except FileNotFoundError:
        return None
    return Draft202012Validator(schema, registry=_definitions(version), format_checker=FORMATS)


def is_built_in(item: Object) -> bool:
    """Whether an object's kind is one of Kubernetes' own."""
    group = group_of(item)
    # A custom group can begin like a built-in one; all of Kubernetes' own have no dot or end so.
    ours = "." not in group or group.endswith(".k8s.io")
    return ours and _built_in_validator(item["apiVersion"], item["kind"], NEWEST_KUBERNETES) is not None


def built_in_complaints(item: Object, version: str) -> Iterator[Complaint]:
    """Validate an object of a built-in kind for a version of Kubernetes, as ``1.30``."""
    validator = _built_in_validator(item["apiVersion"], item["kind"], version)
    if validator is None:
        problem = f"Kubernetes {version} has no {item['apiVersion']} {item['kind']}"
        yield Complaint(item, "apiVersion", problem, "use an API that all supported versions have")
        return
    yield from _complaints(item, validator, f"for Kubernetes {version}")


def custom_complaints(item: Object, *crds: Crds) -> Iterator[Complaint]:
    """Validate an object of a custom kind with the first definition that there is."""
    for definitions in crds:
        if definitions.defines(item):
            validator = definitions.validator(item)
            if validator is None:
                yield Complaint(item, "apiVersion", f"{item['apiVersion']} is not served", "use a version that is")
                return
            yield from _complaints(item, validator, f"see kubectl explain {item['kind'].lower()}")
            yield from _template_complaints(item)
            return
    remedy = "put its CustomResourceDefinition into tests/unit/manifests/schemas, with the fields that we use"
    yield Complaint(item, "kind", f"no schema of {item['apiVersion']} {item['kind']} is known", remedy)


def _template_complaints(item: Object) -> Iterator[Complaint]:
    for path in TEMPLATES.get(item["kind"], ()):
        template = at(item, path)
        if template is not None:
            validator = _built_in_validator("v1", "PodTemplateSpec", NEWEST_KUBERNETES)
            assert validator is not None
            # The operator adds what is required of a template.
            errors = (error for error in validator.iter_errors(template) if error.validator != "required")
            for error in errors:
                yield _complaint(item, f"{path}.", error, "see kubectl explain pod")


def _complaints(item: Object, validator: Draft202012Validator, remedy: str) -> Iterator[Complaint]:
    for error in sorted(validator.iter_errors(item), key=lambda error: error.json_path):
        yield _complaint(item, "", error, remedy)


def _complaint(item: Object, prefix: str, error: ValidationError, remedy: str) -> Complaint:
    deepest = best_match(error.context) if error.context else error
    assert deepest is not None
    message = deepest.message if len(deepest.message) <= LONGEST_MESSAGE else f"{deepest.message[:LONGEST_MESSAGE]} ..."
    return Complaint(item, prefix + deepest.json_path.removeprefix("$").removeprefix("."), message, remedy)
