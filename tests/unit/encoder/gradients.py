"""Records the gradients of every step of a training. Run by torchrun, it trains as one of several processes.

Usage: ``gradients.py DIRECTORY``; the first process writes ``DIRECTORY/CASE.npz``.
"""

import os
import sys
from pathlib import Path

import numpy as np
import torch
from torch import distributed

from components.encoder import training
from components.encoder.config import EncoderConfig

TEXTS = ["good film", "bad film", "dull the story", "very fine", "not good a film", "the story of a film", "bad"]
CLASSES = np.array([0, 1, 1, 0, 1, 0, 1])
NAN = np.nan
JUDGED = np.array([[1, NAN], [NAN, NAN], [0, 1], [NAN, NAN], [NAN, 0], [1, 1], [NAN, NAN]])
"""Some texts have more verdicts than others, and one batch of three has them all in one process."""

BATCH_TEXTS = 3
"""Seven texts: two processes get 2 and 1 of the first batches, and 1 and 0 of the last one."""

CONFIG = EncoderConfig(
    epochs=2,
    batch_texts=BATCH_TEXTS,
    learning_rate=1e-12,  # the network stays what it was, so that every step can be compared
    max_tokens=16,
    dropout=0,
)
CASES = {
    "classes": (CLASSES, None, CONFIG),
    "weighted classes": (CLASSES, np.array([0.2, 3.0]), CONFIG),
    "judged labels": (JUDGED, None, CONFIG),
    "frozen layers": (CLASSES, np.array([0.2, 3.0]), CONFIG.model_copy(update={"frozen_layers": 1})),
}


def record(case: str, directory: Path) -> dict[str, np.ndarray]:
    """Return, for each step, the logged loss and the gradients before they are clipped, shape [parameters]."""
    targets, class_weights, config = CASES[case]
    steps: dict[str, np.ndarray] = {}

    class Recorded(training.FineTuning):
        def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
            gradients = [item.grad.ravel() for item in self.parameters() if item.grad is not None]
            steps[f"gradients {self.global_step}"] = torch.cat(gradients).numpy().copy()
            steps[f"loss {self.global_step}"] = self.trainer.callback_metrics["loss"].numpy().copy()

    original = training.FineTuning, training._has_bf16
    training.FineTuning, training._has_bf16 = Recorded, lambda device: False
    try:
        training.fine_tune(TEXTS, targets, 2, config, 7, 1, directory / "checkpoints" / case, class_weights)
    finally:
        training.FineTuning, training._has_bf16 = original
    return steps


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    distributed.init_process_group("gloo", init_method=f"file://{directory}/store", rank=rank, world_size=count)
    for case in CASES:
        steps = record(case, directory)
        if rank == 0:
            np.savez(directory / f"{case}.npz", **steps)
    distributed.destroy_process_group()
