"""One node of a distributed training: starts its processes by torchrun, and starts them again when one dies.

Kubeflow Trainer runs this on each node of a TrainJob; a training step runs it for several processes on its own machine.

Usage: ``python -m components.training.node TRAINING [--processes N]``
"""

import argparse
import os
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args, run

from components.training.shared import read_context
from components.training.steps import training_directory
from mediareview.errors import MediaReviewError

MAX_RESTARTS = 3
"""Of the processes of a node. If that is not enough, or the node itself is gone, the TrainJob starts all nodes anew."""

WAIT_S = 900
"""Longest wait for the other nodes, whose machines may have to be started and images to be fetched."""

WORKER = "components.training.worker"
HOPELESS = 2
"""Exit code where another attempt would fail as well; the TrainingRuntime makes none."""
TERMINATION_LOG = Path("/dev/termination-log")
"""What Kubernetes shows as a container's last words."""


def main() -> None:
    """Run the processes of this node; exit with ``HOPELESS`` or, if they failed too often, with 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("training")
    parser.add_argument("--processes", type=int, help="this is the only node, and has so many")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as torchrun would, with a warning; the worker sets its own number
    # Else processes that are started again meet in the store of the last attempt, and call those who were there.
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    try:
        read_context(training_directory(arguments.training))
    except MediaReviewError as error:
        _exit(HOPELESS, str(error))
    with tempfile.TemporaryDirectory() as store:
        options = among_nodes(arguments.training, os.environ)
        if arguments.processes:
            options = on_this_machine(arguments.training, arguments.processes, Path(store))
            os.environ["GLOO_SOCKET_IFNAME"] = _loopback()
        try:
            run(parse_args(options))  # type: ignore[no-untyped-call]
        except ChildFailedError as error:
            _exit(1, f"The first process that failed said: {error.get_first_failure()[1].message}")


def _exit(code: int, last_words: str) -> NoReturn:
    print(last_words, file=sys.stderr)
    if TERMINATION_LOG.exists():
        TERMINATION_LOG.write_text(last_words)
    sys.exit(code)


def among_nodes(training: str, environment: Mapping[str, str]) -> list[str]:
    """Return torchrun's arguments for a node of a TrainJob; torchrun itself reads ``PET_NNODES`` and the like.

    Not by its static rendezvous, the default: nodes that restart their processes would count the restarts differently
    and wait for one another for ever.

    Args:
        training: name of the training.
        environment: what Kubeflow Trainer tells a node.
    """
    first = environment.get("PET_NODE_RANK") == "0"
    endpoint = f"{environment.get('PET_MASTER_ADDR')}:{environment.get('PET_MASTER_PORT')}"
    waits = f"read_timeout={WAIT_S},join_timeout={WAIT_S}"
    # Said, not looked up: the first node may not find its own name in the DNS when it starts.
    rendezvous = ["--rdzv-endpoint", endpoint, "--rdzv-conf", f"is_host={str(first).lower()},{waits}"]
    return [*_common(training), *rendezvous, "--module", WORKER, training]


def on_this_machine(training: str, processes: int, store: Path) -> list[str]:
    """Return torchrun's arguments for processes of one machine, who meet in a directory and not on a port.

    Args:
        training: name of the training.
        processes: their number.
        store: an empty directory, gone afterwards.
    """
    rendezvous = ["--rdzv-endpoint", str(store / "agent"), "--rdzv-conf", "store_type=file"]
    size = ["--nnodes", "1", "--nproc-per-node", str(processes)]
    return [*_common(training), *size, *rendezvous, "--module", WORKER, training, "--store", str(store)]


def _common(training: str) -> list[str]:
    return ["--rdzv-backend", "c10d", "--rdzv-id", training, "--max-restarts", str(MAX_RESTARTS)]


def _loopback() -> str:
    return next(name for _, name in socket.if_nameindex() if name.startswith("lo"))


if __name__ == "__main__":
    main()
