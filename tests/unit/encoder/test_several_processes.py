"""Two processes that split every batch do what one process does."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).with_name("gradients.py")
_spec = importlib.util.spec_from_file_location("gradients", SCRIPT)
gradients = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(gradients)


@pytest.fixture(scope="module")
def two_processes(tiny_encoder, tmp_path_factory):
    directory = tmp_path_factory.mktemp("two-processes")
    rendezvous = ["--rdzv-backend", "c10d", "--rdzv-conf", "store_type=file", "--rdzv-endpoint", directory / "agents"]
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *rendezvous, SCRIPT, directory],
        env={**os.environ, "MEDIAREVIEW_ENCODER_PATH": str(tiny_encoder), "GLOO_SOCKET_IFNAME": "lo"},
        check=True,
    )
    return directory


@pytest.mark.parametrize("case", gradients.CASES)
def test_loss_and_gradients_of_every_step_are_those_of_one_process(case, two_processes, tmp_path):
    alone = gradients.record(case, tmp_path)
    together = np.load(two_processes / f"{case}.npz")
    assert len(alone) == 2 * 3 * gradients.CONFIG.epochs
    assert together.keys() == alone.keys()
    for step, expected in alone.items():
        np.testing.assert_allclose(together[step], expected, rtol=1e-4, atol=1e-6, err_msg=step)
