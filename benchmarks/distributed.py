"""Fine-tuning an encoder in two processes of one thread, against one process of two threads, on this machine.

It tells what splitting the batches costs, for the processors are the same: on several nodes there are more of them. The
encoder alone is scored, on the benchmark's test texts. Both are trained in turns, and the shortest times count.

Usage: ``python -m benchmarks.distributed [--profile quick|demo|full]``
"""

import argparse
import shutil
import threading
import time
from itertools import pairwise
from pathlib import Path

from benchmarks.home import use_own_home
from mediareview.settings import get_settings

PROCESSES = 2
TURNS = 2


def main() -> None:
    """Prepare the texts, train in turns, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=("quick", "demo", "full"), default="demo")
    profile = parser.parse_args().profile

    home = use_own_home("distributed")

    from benchmarks.report import Row, report
    from components.ingestion import ingest_demo
    from components.sentiment.config import LABELS
    from components.statistics import bootstrap_interval
    from components.statistics.classification import f1_per_class
    from components.training import steps
    from mediareview.console import step
    from mediareview.lake import Lake

    with step("Demo data", expected_s=60):
        ingest_demo(Lake.from_settings(), get_settings())
        context = steps.pin("sentiment", profile, {"threads": PROCESSES})
        for name in ("data", "prepared"):
            shutil.rmtree(home / name, ignore_errors=True)
        steps.load(context, home / "data")
        steps.preprocess(context, home / "data", home / "prepared")
    turns = [
        train(context.model_copy(update={"nodes": 1, "processes_per_node": processes}), home / "prepared")
        for processes in (1, PROCESSES) * TURNS
    ]
    one, two = (
        {**rounds[0], **{key: min(turn[key] for turn in rounds) for key in ("total_s", "epoch_s")}}
        for rounds in (turns[::2], turns[1::2])
    )

    def macro_f1(trained, rows):  # type: ignore[no-untyped-def]
        truth, predicted = trained["truth"][rows], trained["predicted"][rows]
        return float(f1_per_class(truth, predicted, len(LABELS)).mean())

    rows = range(len(one["truth"]))
    low, high = bootstrap_interval(lambda rows: macro_f1(two, rows) - macro_f1(one, rows), len(rows), 0, 1000)
    everything = slice(None)
    baseline = f"1 process, {PROCESSES} threads"
    note = f"{PROCESSES} processes, 1 thread each; {profile}"
    report(
        "distributed",
        [
            Row("encoder_training_s", two["total_s"], "s", baseline, one["total_s"], f"{note}; starting them included"),
            Row("encoder_epoch_s", two["epoch_s"], "s", baseline, one["epoch_s"], note),
            Row(
                "encoder_macro_f1",
                macro_f1(two, everything),
                "",
                baseline,
                macro_f1(one, everything),
                f"{note}; 95 % of the difference [{low:.3f}, {high:.3f}]",
            ),
        ],
    )


def train(context, prepared):  # type: ignore[no-untyped-def]
    """Fine-tune the encoder and return how long it took, what is true of the test texts and what it says of them."""
    import pandas as pd

    from components.encoder.training import LAST, predict
    from components.sentiment.load import TEXTS
    from components.sentiment.train import ENCODER, fine_tune_encoder
    from components.training.distributed import fine_tune_together
    from components.training.steps import training_directory

    directory = training_directory(context.name)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    epochs: list[float] = []
    done = threading.Event()
    watch = threading.Thread(target=note_epochs, args=(directory / ENCODER / LAST, epochs, done))
    watch.start()
    started = time.monotonic()
    if context.processes > 1:
        fine_tune_together(context, prepared, directory)
    network = fine_tune_encoder(prepared, context.config(), directory)
    total_s = time.monotonic() - started
    done.set()
    watch.join()
    shutil.rmtree(directory)
    texts = pd.read_parquet(prepared / TEXTS)
    texts = texts[texts["benchmark"] & (texts["part"] == "test")]
    logits = predict(network, texts["normalised"].tolist(), context.config().encoder.max_tokens)
    return {
        "total_s": total_s,
        "epoch_s": min((end - start for start, end in pairwise(epochs)), default=float("nan")),
        "truth": texts["label"].to_numpy(),
        "predicted": logits.argmax(axis=1),
    }


def note_epochs(checkpoint: Path, epochs: list[float], done: threading.Event) -> None:
    """Append the time at which each epoch's checkpoint was written."""
    finished = False
    while not finished:
        finished = done.wait(0.05)  # and a last look: the last epoch ends the training
        written = checkpoint.stat().st_mtime if checkpoint.exists() else None
        if written is not None and (not epochs or written != epochs[-1]):
            epochs.append(written)


if __name__ == "__main__":
    main()
