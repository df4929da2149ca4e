"""KServe objects: ServingRuntime and InferenceService, in a directory or on a cluster; readers do without the SDK."""

from mediareview.kubernetes import Object
from serving.objects.build import inference_service, served_version, serving_runtime
from serving.objects.directory import ObjectDirectory
from serving.objects.names import INFERENCE_SERVICE, SERVING_RUNTIME, VERSION_LABEL
from serving.objects.store import ConflictError, MissingError, ObjectStore, open_objects
from serving.objects.variants import Variant, is_ready, variants

__all__ = [
    "INFERENCE_SERVICE",
    "SERVING_RUNTIME",
    "VERSION_LABEL",
    "ConflictError",
    "MissingError",
    "Object",
    "ObjectDirectory",
    "ObjectStore",
    "Variant",
    "inference_service",
    "is_ready",
    "open_objects",
    "served_version",
    "serving_runtime",
    "variants",
]
