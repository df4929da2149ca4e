"""The serving image serves every kind of artifact that training makes, not only the one with the fewest libraries."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from mediareview.artifact import Manifest, save_manifest
from tests.images.conftest import answer, serving

WORDS = {"[PAD]": 0, "[UNK]": 1, "good": 2, "dull": 3}
LOGITS = np.array([[0, 0, 0], [0, 0, 0], [-3, 0, 3], [3, 0, -3]], np.float32)
"""What a word says for negative, neutral and positive."""


@pytest.fixture
def encoder_artifact(tmp_path: Path) -> Path:
    """An encoder with its tokenizer that adds up what the words say."""
    directory = tmp_path / "encoder"
    directory.mkdir()
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(directory / "tokenizer.json"))
    tokens = [helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"])
              for name in ("input_ids", "attention_mask")]  # fmt: skip
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["words", "input_ids"], ["said"]),
            helper.make_node("ReduceSum", ["said", "along"], ["logits"], keepdims=0),
        ],
        "encoder",
        tokens,
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", 3])],
        [numpy_helper.from_array(LOGITS, "words"), numpy_helper.from_array(np.array([1]), "along")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, directory / "model.onnx")
    settings = {"labels": ["negative", "neutral", "positive"]}
    save_manifest(directory, Manifest(name="sentiment", variety="encoder", version="2", settings=settings))
    return directory


@pytest.mark.parametrize(
    ("kind", "name", "instance", "expected"),
    [
        ("encoder_artifact", "sentiment", {"text": "a dull film"}, {"label": "negative"}),
        ("recommender_artifact", "recommender", {"history": ["a"]}, {"items": ["b", "c"]}),
    ],
)
def test_it_is_served(
    kind: str,
    name: str,
    instance: dict[str, object],
    expected: dict[str, object],
    request: pytest.FixtureRequest,
    readable: Callable[[Path], Path],
    port: int,
    home: Path,
) -> None:
    artifact = readable(request.getfixturevalue(kind))
    arguments = (f"--model_name={name}", "--model_dir=/mnt/models", f"--http_port={port}")
    volumes = (f"--volume={artifact}:/mnt/models:ro", f"--volume={home}:/var/lib/mediareview")
    with serving("serving", *arguments, options=volumes):
        body = {"instances": [instance]}
        status, found = answer(f"http://127.0.0.1:{port}/v1/models/{name}:predict", body)
    assert status == 200, found
    (prediction,) = found["predictions"]
    if "items" in expected:
        prediction["items"] = [item["media_id"] for item in prediction["items"]]
    assert prediction | expected == prediction
