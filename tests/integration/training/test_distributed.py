"""An encoder that two processes fine-tune on this machine: as good as by one, and finished although one is killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd
import psutil
import pytest

from components.encoder.training import predict
from components.sentiment.load import TEXTS
from components.sentiment.train import fine_tune_encoder
from components.statistics import bootstrap_interval
from components.training import steps
from components.training.distributed import fine_tune_together
from components.training.shared import share
from mediareview.artifact import load_manifest

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("home")]


@pytest.fixture(scope="module")
def test_texts(prepared):
    texts = pd.read_parquet(prepared / TEXTS)
    return texts[texts["part"] == "test"]


@pytest.fixture(scope="module")
def logits(prepared, test_texts):
    """Return a function that gives the logits of the test texts by the encoder of a training, finished or not begun."""

    def of(context):
        directory = steps.training_directory(context.name)
        network = fine_tune_encoder(prepared, context.config(), directory)
        return predict(network, test_texts["normalised"].tolist(), context.config().encoder.max_tokens)

    return of


@pytest.fixture(scope="module")
def by_one(context, logits):
    return logits(context(1))


@pytest.fixture(scope="module")
def by_two(context, prepared, logits):
    directory = steps.training_directory(context(2).name)
    directory.mkdir(parents=True)
    fine_tune_together(context(2), prepared, directory)
    assert [path.name for path in directory.iterdir()] == ["encoder"], "data that was shared is gone"
    return logits(context(2))


def test_two_processes_train_the_network_that_one_trains(by_one, by_two):
    # Batches are padded differently, and sums have another order: in 16 bits a logit of 1 is known to 0.004.
    assert np.abs(by_one).mean() > 0.3
    np.testing.assert_allclose(by_two, by_one, atol=0.015)


def test_the_metric_is_that_of_one_process_within_noise(by_one, by_two, test_texts):
    truth = test_texts["label"].to_numpy()
    one, two = (found.argmax(1) == truth for found in (by_one, by_two))
    assert one.mean() > np.bincount(truth).max() / len(truth) + 0.05, "it must have learnt something"
    low, high = bootstrap_interval(lambda rows: two[rows].mean() - one[rows].mean(), len(truth), 0, 500)
    assert low <= 0 <= high


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_process_that_is_killed_is_started_again_and_the_result_is_the_same(
    nodes, by_two, context, prepared, logits, tmp_path
):
    killed = context(2)
    killed.lake_versions["reviews"] += nodes  # the same training in another directory
    directory = steps.training_directory(killed.name)
    directory.mkdir()
    share(killed, prepared, directory)
    log = tmp_path / "log"
    with log.open("w") as stream, ExitStack() as started:
        running = [started.enter_context(node) for node in start(killed.name, nodes, stream)]
        while not (directory / "encoder" / "last.ckpt").is_file():
            assert all(node.poll() is None for node in running), log.read_text()
            time.sleep(0.01)
        workers(running[-1])[0].send_signal(signal.SIGKILL)
        assert [node.wait() for node in running] == [0] * nodes, log.read_text()
    told = log.read_text()
    assert "exitcode: -9" in told
    assert told.count("epoch 1, step 1 of") == 1, "the first epoch was complete and is not done again"
    assert "epoch 2," in told
    np.testing.assert_array_equal(logits(killed), by_two)


def start(training: str, nodes: int, stream: TextIO) -> Iterator[subprocess.Popen[bytes]]:
    """Start two processes on one node, or one on each of two that this machine plays, as Kubeflow Trainer does."""
    command = [sys.executable, "-m", "components.training.node", training]
    if nodes == 1:
        yield subprocess.Popen([*command, "--processes", "2"], stdout=stream, stderr=stream)
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"PET_MASTER_ADDR": "127.0.0.1", "PET_MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    for rank in range(nodes):
        told = {"PET_NNODES": str(nodes), "PET_NPROC_PER_NODE": "1", "PET_NODE_RANK": str(rank)}
        yield subprocess.Popen(command, stdout=stream, stderr=stream, env={**os.environ, **place, **told})


def workers(node: subprocess.Popen[bytes]) -> list[psutil.Process]:
    found = []
    for process in psutil.Process(node.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "components.training.worker" in process.cmdline():
                found.append(process)
    return found


def test_the_training_step_makes_a_whole_model_of_it(context, prepared, tmp_path: Path):
    small = context(2, epochs=1)
    steps.train(small, prepared, tmp_path / "models")
    manifest = load_manifest(tmp_path / "models" / "candidate", verify=True)
    assert manifest.variety in ("encoder", "encoder-int8")
    assert (tmp_path / "models" / "baselines" / "tfidf-logistic").is_dir()
    assert not list(steps.training_directory(small.name).iterdir())
