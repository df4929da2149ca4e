"""The part of a training that several processes can do: on this machine, or on nodes of a cluster.

It is the fine-tuning of an encoder. Whoever does it brings the encoder's checkpoint to its end; the training step then
goes on from there, alone, as it does after an interruption. Baselines, export and calibration know nothing of it.
"""

import os
import subprocess
import sys
from pathlib import Path

from components.encoder.config import ENCODER
from components.encoder.training import is_finished
from components.preprocessing import encoder_directory
from components.training.kubeflow_trainer import current_namespace, delete_trainjob, run_trainjob
from components.training.models import trainable
from components.training.shared import share, withdraw
from components.training.steps import RunContext
from components.training.trainjob import trainjob
from mediareview.console import step
from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Kubernetes, KubernetesError
from mediareview.settings import get_settings


def fine_tune_together(context: RunContext, prepared_dir: Path, directory: Path) -> None:
    """Fine-tune the encoder in ``context.processes`` processes, up to its last checkpoint.

    What was begun is gone on with, be it by processes that still run on a cluster or from the last complete epoch.

    Args:
        context: of the run; says how many processes there are and where.
        prepared_dir: what ``preprocess`` wrote.
        directory: of the training, the same for all processes.

    Raises:
        MediaReviewError: the model has no such part, a process failed again and again, or there is no cluster for it.
    """
    if not trainable(context.model).fine_tunes_encoder:
        raise MediaReviewError(
            f"The training of the {context.model} model cannot be split among {context.processes} processes.",
            "It takes seconds, between parts that are computed in closed form; give its step more CPUs instead.",
        )
    encoder = context.config().encoder
    if is_finished(directory / ENCODER, encoder):
        # By an attempt that was ended before it could clear away.
        if context.nodes > 1:
            delete_trainjob(context.name, current_namespace(), Kubernetes())
        withdraw(directory)
        return
    share(context, prepared_dir, directory)
    try:
        if context.nodes > 1:
            _on_nodes(context)
        else:
            _on_this_machine(context)
    except KubernetesError:
        raise  # the nodes may be at work, and the next attempt will find them
    except MediaReviewError:
        withdraw(directory)
        raise
    if not is_finished(directory / ENCODER, encoder):
        raise MediaReviewError(
            f"The encoder was fine-tuned, but {directory / ENCODER} does not hold the result.",
            "The step and the nodes must mount the same volume as MEDIAREVIEW_HOME.",
        )
    withdraw(directory)


def _on_nodes(context: RunContext) -> None:
    job = trainjob(context, get_settings(), current_namespace(), _encoder_variable())
    with step(f"Fine-tuning the encoder on {context.nodes} nodes"):
        run_trainjob(job, Kubernetes(), get_settings().training_timeout_s)


def _on_this_machine(context: RunContext) -> None:
    command = [sys.executable, "-m", "components.training.node", context.name]
    with step(f"Fine-tuning the encoder in {context.processes} processes"):
        ended = subprocess.run(
            [*command, "--processes", str(context.processes)], env={**os.environ, **_encoder_variable()}, check=False
        )
    if ended.returncode:
        raise MediaReviewError(
            f"One of {context.processes} processes that fine-tuned the encoder failed too often.",
            "What it said is above. Run the step again to go on from the last complete epoch.",
        )


def _encoder_variable() -> dict[str, str]:
    """Return the environment that names the pre-trained encoder: fetched here, once, so that nobody else needs to."""
    settings = get_settings()
    return {"MEDIAREVIEW_ENCODER_PATH": str(encoder_directory(settings))} if settings.encoder_path else {}
