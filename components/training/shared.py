"""What a training step shares with the processes it starts: data and context, on the volume that all of them mount."""

import shutil
import tempfile
from pathlib import Path

from components.training.revision import code_digest
from components.training.steps import RunContext
from mediareview.errors import MediaReviewError

PREPARED = "prepared"
"""Folder with what ``preprocess`` wrote: a pipeline gives it to the step on a disk that nobody else sees."""

CONTEXT = "context.json"


def share(context: RunContext, prepared_dir: Path, directory: Path) -> None:
    """Put data and context into the directory of the training; each is complete or not there."""
    with tempfile.TemporaryDirectory(dir=directory, prefix=".sharing-") as partial:
        if not (directory / PREPARED).is_dir():
            shutil.copytree(prepared_dir, Path(partial) / PREPARED).replace(directory / PREPARED)
        (Path(partial) / CONTEXT).write_text(context.model_dump_json())
        (Path(partial) / CONTEXT).replace(directory / CONTEXT)


def withdraw(directory: Path) -> None:
    """Remove them."""
    shutil.rmtree(directory / PREPARED, ignore_errors=True)
    (directory / CONTEXT).unlink(missing_ok=True)


def read_context(directory: Path) -> RunContext:
    """Return the context, as a process that was started finds it.

    Raises:
        MediaReviewError: it is not there, or this process has other code than the step.
    """
    try:
        context = RunContext.model_validate_json((directory / CONTEXT).read_text())
    except FileNotFoundError:
        raise MediaReviewError(
            f"{directory} has no {CONTEXT}.",
            "The training step and all nodes must mount the same volume as MEDIAREVIEW_HOME.",
        ) from None
    if context.code_digest != code_digest():
        raise MediaReviewError(
            "The code on this node is not that of the training step.",
            "Name the same image in the TrainingRuntime and in the configuration of the pipelines.",
        )
    return context
