"""What to run for a predictor: its ServingRuntime's command, filled in as KServe's controller would."""

import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mediareview.errors import MediaReviewError
from serving.objects import SERVING_RUNTIME, Object, ObjectDirectory
from serving.objects.names import CONTAINER_NAME, MODEL_MOUNT
from serving.objects.variants import STABLE, version_label

DEFAULT_PROBE_PATH = "/v2/health/ready"


@dataclass(frozen=True)
class Launch:
    """How to run a predictor. Equal launches are the same predictor, whatever the InferenceService calls it."""

    command: tuple[str, ...]
    """Without host, port and lifeline, which the stand-in adds."""
    environment: tuple[tuple[str, str], ...]
    probe_path: str
    """Answers 200 once the model can be used."""
    version: str
    """Registry version, for reports."""


def launches(service: Object, objects: ObjectDirectory) -> dict[str, Launch | MediaReviewError]:
    """Return what an InferenceService asks to run, by predictor name, the stable predictor first.

    A predictor that cannot be run is its error instead.
    """
    entries = [service["spec"]["predictor"], *(entry["predictor"] for entry in service["spec"].get("canary") or [])]
    found: dict[str, Launch | MediaReviewError] = {}
    for predictor in entries:
        name = predictor.get("name") or STABLE
        try:
            found[name] = _launch(service, predictor, objects)
        except MediaReviewError as error:
            found[name] = error
        except (KeyError, TypeError, AttributeError) as error:
            found[name] = MediaReviewError(f"Its predictor {name!r} is incomplete: {error!r}.", "Deploy it again.")
    return found


def _launch(service: Object, predictor: Object, objects: ObjectDirectory) -> Launch:
    name, model = service["metadata"]["name"], predictor["model"]
    container = _container(_runtime(model, objects))
    replaced = {"{{.Name}}": name, MODEL_MOUNT: str(_artifact(model["storageUri"]))}

    def fill_in(text: str) -> str:
        for placeholder, value in replaced.items():
            text = text.replace(placeholder, value)
        return text

    command = [*(model.get("command") or container["command"]), *container.get("args", []), *model.get("args", [])]
    if command[0] in ("python", "python3"):
        command[0] = sys.executable
    environment = {item["name"]: item["value"] for item in [*container.get("env", []), *model.get("env", [])]}
    probe = container.get("readinessProbe", {}).get("httpGet", {}).get("path", DEFAULT_PROBE_PATH)
    return Launch(
        command=tuple(fill_in(part) for part in command),
        environment=tuple(sorted((key, fill_in(str(value))) for key, value in environment.items())),
        probe_path=fill_in(probe),
        version=version_label(service, predictor),
    )


def _runtime(model: Object, objects: ObjectDirectory) -> Object:
    """Return the runtime that a model names, or else the first that selects itself for the model's format."""
    if model.get("runtime"):
        return objects.get(model["runtime"], SERVING_RUNTIME)
    wanted = model["modelFormat"]["name"]
    for runtime in objects.list(SERVING_RUNTIME):
        formats = runtime["spec"].get("supportedModelFormats", [])
        if any(item["name"] == wanted and item.get("autoSelect") for item in formats):
            return runtime
    raise MediaReviewError(f"No ServingRuntime supports the model format {wanted!r}.", "Deploy the model again.")


def _container(runtime: Object) -> Object:
    containers: list[Object] = runtime["spec"]["containers"]
    return next((item for item in containers if item["name"] == CONTAINER_NAME), containers[0])


def _artifact(storage_uri: str) -> Path:
    parts = urlsplit(storage_uri)
    if parts.scheme != "file":
        raise MediaReviewError(
            f"The local stand-in cannot serve {storage_uri}.", "Deploy an artifact with a file:// URL here."
        )
    return Path(url2pathname(parts.path))
