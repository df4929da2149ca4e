"""Export a trained encoder to ONNX, check that it answers as the network does, and make an int8 version."""

import io
import logging
import re
import shutil
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from components.encoder.network import TextEncoder
from components.encoder.training import predict
from components.preprocessing import encoder_directory
from mediareview.errors import MediaReviewError
from mediareview.settings import get_settings
from serving.scorers.encoder import OnnxEncoder

TOLERANCE = 1e-3
"""Largest difference between a logit of the network and of its export."""
TOLERATED_LOSS = 0.004
"""Of the validation metric: int8 is served if it costs less."""
PARITY_TEXTS = 64
_OUTLIERS = re.compile(r"/layer\.[0-2]/output/dense/MatMul$")


def export(
    network: TextEncoder, texts: list[str], max_tokens: int, threads: int, directory: Path
) -> dict[str, NDArray[np.float32]]:
    """Export a network in 32 bits (``encoder``) and in int8 (``encoder-int8``), each to a folder of that name.

    Args:
        network: the trained network.
        texts: normalised texts on which the versions are compared; the first 64 check the parity.
        max_tokens: longer texts are shortened.
        threads: CPU threads.
        directory: where the folders go; each gets ``model.onnx`` and ``tokenizer.json``.

    Returns:
        The logits of the texts by each version, shape [texts, labels].

    Raises:
        MediaReviewError: the export does not answer as the network does.
    """
    export_onnx(network, directory / "encoder")
    quantise(directory / "encoder", directory / "encoder-int8")
    logits = {
        version: OnnxEncoder(directory / version, max_tokens, threads).logits(texts)
        for version in ("encoder", "encoder-int8")
    }
    check_parity(predict(network, texts[:PARITY_TEXTS], max_tokens), logits["encoder"][:PARITY_TEXTS])
    return logits


def smaller_if_as_good(metric: dict[str, float]) -> str:
    """Return ``encoder-int8`` if its validation metric is less than 0.4 points below that of ``encoder``."""
    return "encoder-int8" if metric["encoder"] - metric["encoder-int8"] < TOLERATED_LOSS else "encoder"


def export_onnx(network: TextEncoder, directory: Path) -> None:
    """Write ``model.onnx`` (32 bits) and ``tokenizer.json``."""
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(encoder_directory(get_settings()) / "tokenizer.json", directory / "tokenizer.json")
    example = torch.ones((2, 8), dtype=torch.long)
    axes = {0: "texts", 1: "tokens"}
    network.eval()
    # What the tracer warns of does not concern this graph: the parity check covers texts of many lengths.
    with redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            network,
            (example, example),
            str(directory / "model.onnx"),
            dynamo=False,
            opset_version=17,
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "texts"}},
        )


def check_parity(reference: NDArray[np.float32], exported: NDArray[np.float32]) -> float:
    """Return the largest difference between the logits of the network and of its export.

    Raises:
        MediaReviewError: it exceeds ``TOLERANCE``.
    """
    difference = float(np.abs(reference - exported).max())
    if not difference <= TOLERANCE:
        raise MediaReviewError(
            f"The exported encoder differs from the trained one by {difference:.2g}, more than {TOLERANCE:g}.",
            "Do not serve it; check the versions of torch and onnxruntime against requirements.lock.",
        )
    return difference


def quantise(source: Path, target: Path) -> None:
    """Write an int8 version of an ONNX encoder (dynamic quantisation of the matrix products, per channel).

    What the feed-forward parts of the first three layers put out stays in 32 bits: a few outliers there would cost all
    other values their precision (Dettmers et al., LLM.int8(), 2022). That takes a third off the error for 5 MB.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    target.mkdir(parents=True, exist_ok=True)
    # The advice to optimise the graph first is for other kinds of networks.
    logging.getLogger().addFilter(_not_about_preprocessing)
    quantize_dynamic(
        str(source / "model.onnx"),
        str(target / "model.onnx"),
        weight_type=QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=["MatMul", "Gemm", "Gather"],
        nodes_to_exclude=[
            node.name for node in onnx.load(source / "model.onnx").graph.node if _OUTLIERS.search(node.name)
        ],
    )
    shutil.copyfile(source / "tokenizer.json", target / "tokenizer.json")
    logging.getLogger().removeFilter(_not_about_preprocessing)


def _not_about_preprocessing(record: logging.LogRecord) -> bool:
    return "pre-processing before quantization" not in record.getMessage()
