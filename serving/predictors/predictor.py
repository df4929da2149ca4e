"""What all predictors share: V1 and V2 requests become instances, which are batched, scored and answered."""

import uuid
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from kserve import InferInput, InferOutput, InferRequest, InferResponse, Model
from kserve.errors import InvalidInput
from pydantic import BaseModel, TypeAdapter, ValidationError

from mediareview.artifact import Manifest
from serving.predictors.batching import Batcher
from serving.predictors.metrics import PredictorMetrics

Instance = TypeVar("Instance", bound=BaseModel)
Prediction = TypeVar("Prediction", bound=BaseModel)

MAX_INSTANCES = 256
"""Most instances in one request."""

SHOWN_ERRORS = 3


class Predictor(Model, Generic[Instance, Prediction]):  # type: ignore[misc]
    """A KServe model whose V1 instances and predictions are the contracts, and whose V2 tensors carry the same.

    Subclasses say what an instance is, how to score several, and what the tensors are.

    Args:
        name: name in the endpoint's path.
        manifest: of the artifact served; its version goes into every answer.
        max_batch_size: most instances scored together.
        max_wait_s: longest wait of a busy model for a fuller batch, in seconds.
        max_queue: most instances waiting; more get 503.
    """

    instance: type[Instance]
    example: str
    """An instance as JSON, shown to whoever sends a bad one."""
    input_name: str
    """The BYTES tensor [n] of a V2 request."""
    outputs: tuple[tuple[str, str, tuple[int, ...]], ...]
    """Name, datatype and shape of the tensors of a V2 response."""

    def __init__(
        self, name: str, manifest: Manifest, *, max_batch_size: int, max_wait_s: float, max_queue: int
    ) -> None:
        super().__init__(name, return_response_headers=True)
        self.version = manifest.version or "unregistered"
        self._metrics = PredictorMetrics(name, self.version, manifest.variety)
        self._instances = TypeAdapter(list[self.instance])  # type: ignore[name-defined]
        self._batcher = Batcher[Instance, Prediction](
            self.score,
            max_batch_size=max_batch_size,
            max_wait_s=max_wait_s,
            max_queue=max_queue,
            observer=self._metrics,
        )

    @abstractmethod
    def score(self, instances: list[Instance]) -> Sequence[Prediction]:
        """Return the predictions of instances, in order."""

    @abstractmethod
    def from_text(self, element: str) -> Any:
        """Return what an element of the input tensor stands for, as it would be in a V1 request."""

    @abstractmethod
    def to_tensors(self, predictions: list[Prediction]) -> list[InferOutput]:
        """Return the tensors of a V2 response."""

    async def predict(
        self,
        payload: Any,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> dict[str, Any] | InferResponse:
        """Answer a V1 or V2 request.

        Raises:
            InvalidInput: the request does not fit the contract (400).
            OverloadedError: too much is waiting (503).
            ScoringError: the model failed on an instance (500).
        """
        v2 = isinstance(payload, InferRequest)
        with self._metrics.request("v2" if v2 else "v1"):
            instances = self._validated(self._elements(payload) if v2 else _v1_instances(payload, self.example))
            predictions = await self._batcher.submit(instances)
        if response_headers is not None:
            response_headers.update({"x-model-name": self.name, "x-model-version": self.version})
        if not v2:
            return {"predictions": [prediction.model_dump() for prediction in predictions]}
        return InferResponse(
            response_id=payload.id or uuid.uuid4().hex,
            model_name=self.name,
            model_version=self.version,
            infer_outputs=self.to_tensors(predictions),
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )

    def get_input_types(self) -> list[dict[str, Any]]:
        """Return the V2 metadata of the input."""
        return [{"name": self.input_name, "datatype": "BYTES", "shape": [-1]}]

    def get_output_types(self) -> list[dict[str, Any]]:
        """Return the V2 metadata of the outputs."""
        return [{"name": name, "datatype": datatype, "shape": list(shape)} for name, datatype, shape in self.outputs]

    def _validated(self, instances: list[Any]) -> list[Instance]:
        if len(instances) > MAX_INSTANCES:
            raise InvalidInput(f"{len(instances)} instances in one request; send at most {MAX_INSTANCES}.")
        try:
            validated: list[Instance] = self._instances.validate_python(instances)
        except ValidationError as error:
            problems = [
                f"instances[{problem['loc'][0]}]{''.join(f'.{part}' for part in problem['loc'][1:])}: {problem['msg']}"
                for problem in error.errors(include_url=False, include_input=False)[:SHOWN_ERRORS]
            ]
            raise InvalidInput(f"{'; '.join(problems)}. An instance looks like {self.example}.") from None
        return validated

    def _elements(self, request: InferRequest) -> list[Any]:
        tensor = request.get_input_by_name(self.input_name)
        if tensor is None or tensor.datatype != "BYTES":
            raise InvalidInput(f"Send a BYTES tensor named {self.input_name!r} of shape [n].")
        return [self.from_text(text) for text in _strings(tensor)]


def _v1_instances(payload: Any, example: str) -> list[Any]:
    if not isinstance(payload, dict) or not isinstance(payload.get("instances"), list):
        raise InvalidInput(f'Send application/json with a list of instances: {{"instances": [{example}]}}.')
    instances: list[Any] = payload["instances"]
    return instances


def _strings(tensor: InferInput) -> list[str]:
    try:
        elements = tensor.as_numpy().ravel().tolist()
        return [element.decode() if isinstance(element, bytes) else str(element) for element in elements]
    except UnicodeDecodeError:
        raise InvalidInput(f"Tensor {tensor.name!r} holds bytes that are not UTF-8.") from None
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"Tensor {tensor.name!r} does not fit its shape {tensor.shape}: {error}.") from None
