"""One of the processes that fine-tune an encoder together; ``components.training.node`` starts it by torchrun.

Usage: ``python -m components.training.worker TRAINING [--store DIRECTORY]``
"""

import argparse
import os
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed
from torch.distributed.elastic.multiprocessing.errors import record

from components.training.models import trainable
from components.training.shared import PREPARED, read_context
from components.training.steps import training_directory

TIMEOUT = timedelta(minutes=10)
"""Longest wait for the other processes in the middle of the training: then one of them is stuck."""


@record
def main() -> None:
    """Join the other processes and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("training")
    parser.add_argument("--store", type=Path, help="directory where the processes of one machine meet")
    arguments = parser.parse_args()
    directory = training_directory(arguments.training)
    context = read_context(directory)
    join(arguments.store)
    module = trainable(context.model).module("train")
    module.fine_tune_encoder(directory / PREPARED, context.config(), directory)
    distributed.destroy_process_group()


def join(store: Path | None) -> None:
    """Join the group of all processes: NCCL where there are GPUs, else Gloo.

    Args:
        store: directory where they meet; by default they do at the address that torchrun says.
    """
    gpus = torch.cuda.is_available()
    if gpus:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    attempt = os.environ["TORCHELASTIC_RESTART_COUNT"]
    distributed.init_process_group(
        "nccl" if gpus else "gloo",
        init_method=f"file://{store.absolute()}/workers-{attempt}" if store else "env://",
        rank=int(os.environ["RANK"]),
        world_size=int(os.environ["WORLD_SIZE"]),
        timeout=TIMEOUT,
    )


if __name__ == "__main__":
    main()
