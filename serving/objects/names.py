"""Names that the objects, the runtime and their readers share."""

INFERENCE_SERVICE = "InferenceService"
INFERENCE_SERVICES = ("serving.kserve.io/v1beta1", "inferenceservices")
"""API version and plural of the kind."""

SERVING_RUNTIME = "ServingRuntime"
SERVING_RUNTIMES = ("serving.kserve.io/v1alpha1", "servingruntimes")
"""API version and plural of the kind."""

RUNTIME_NAME = "mediareview"
MODEL_FORMATS = ("mediareview-recommender", "mediareview-sentiment", "mediareview-moderation")

VERSION_LABEL = "mediareview.dev/model-version"
"""Label of an InferenceService and of a predictor: the registry version it serves."""

DEPLOYMENT_MODE_ANNOTATION = "serving.kserve.io/deploymentMode"

CONTAINER_NAME = "kserve-container"
"""KServe merges a model's settings into the runtime's container of this name."""

MODEL_MOUNT = "/mnt/models"
"""Where KServe's storage initializer puts the artifact inside the container."""

HTTP_PORT = 8080
