"""KServe objects: ServingRuntime and InferenceService as YAML files, written with the SDK's types, read without it."""

from serving.objects.build import inference_service, serving_runtime
from serving.objects.directory import ConflictError, Object, ObjectDirectory
from serving.objects.names import INFERENCE_SERVICE, SERVING_RUNTIME, VERSION_LABEL
from serving.objects.variants import Variant, is_ready, variants

__all__ = [
    "INFERENCE_SERVICE",
    "SERVING_RUNTIME",
    "VERSION_LABEL",
    "ConflictError",
    "Object",
    "ObjectDirectory",
    "Variant",
    "inference_service",
    "is_ready",
    "serving_runtime",
    "variants",
]
