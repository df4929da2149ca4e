"""Training steps as plain functions: paths in, paths out. The KFP components beside this module wrap them."""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from components.preprocessing import prepare_features
from components.training.models import trainable
from components.training.revision import code_digest
from mediareview.console import console
from mediareview.errors import MediaReviewError
from mediareview.evaluation import Evaluation
from mediareview.lake import Lake
from mediareview.settings import get_settings


class RunContext(BaseModel):
    """What a run depends on besides its parameters. Equal contexts and parameters give the same model."""

    model: str
    profile: str
    overrides: dict[str, Any] = {}
    """Configuration fields that differ from the profile."""
    lake_versions: dict[str, int]
    code_digest: str
    nodes: int = 1
    """Nodes on which an encoder is fine-tuned. Dropout differs between processes, so that their number matters too."""
    processes_per_node: int = 1

    def config(self) -> Any:
        """Build the model's typed configuration.

        Raises:
            MediaReviewError: there is no such field, or a value does not fit it.
        """
        defaults = trainable(self.model).module("config").Config.profile(self.profile)
        try:
            return type(defaults).model_validate({**defaults.model_dump(), **self.overrides})
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_url=False)
            )
            fields = ", ".join(type(defaults).model_fields)
            raise MediaReviewError(
                f"The configuration of {self.model} is wrong. {wrong}", f"Its fields: {fields}."
            ) from None

    @property
    def digest(self) -> str:
        """Short digest of all that decides the trained weights."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """Name of the training: of its directory and, on several nodes, its TrainJob."""
        return f"{self.model}-{self.digest}"

    @property
    def processes(self) -> int:
        """How many processes fine-tune the encoder together."""
        return self.nodes * self.processes_per_node


def pin(model: str, profile: str, overrides: dict[str, Any]) -> RunContext:
    """Fix what the run reads: the newest lake versions, with features made of them, and the code.

    Raises:
        MediaReviewError: no such model, profile or field, or a table is missing.
    """
    context = RunContext(
        model=model,
        profile=profile,
        overrides=overrides,
        lake_versions={},
        code_digest=code_digest(),
        **_processes(model),
    )
    context.config()
    lake = Lake.from_settings()
    if trainable(model).reads_features:
        prepare_features(lake, get_settings())
    context.lake_versions = lake.pin(trainable(model).tables)
    return context


def _processes(model: str) -> dict[str, int]:
    """Return on how many nodes and in how many processes the model is trained: as the settings say, if it can be."""
    settings = get_settings()
    wanted = {"nodes": settings.training_nodes, "processes_per_node": settings.training_processes_per_node}
    if trainable(model).fine_tunes_encoder or set(wanted.values()) == {1}:
        return wanted
    console.print(f"The {model} model is trained in one process: nothing in it would gain from several.")
    return {}


def training_directory(name: str) -> Path:
    """Return where a training keeps its checkpoints, on the volume that all steps and nodes share."""
    return get_settings().runs / "checkpoints" / name


def load(context: RunContext, data_dir: Path) -> None:
    """Copy the pinned rows the training needs out of the lake."""
    data_dir.mkdir(parents=True, exist_ok=True)
    module = trainable(context.model).module("load")
    module.load(Lake.from_settings(), context.lake_versions, context.config(), data_dir)


def preprocess(context: RunContext, data_dir: Path, prepared_dir: Path) -> None:
    """Split and prepare the rows."""
    prepared_dir.mkdir(parents=True, exist_ok=True)
    trainable(context.model).module("load").preprocess(data_dir, context.config(), prepared_dir)


def train(context: RunContext, prepared_dir: Path, models_dir: Path) -> None:
    """Train the candidate and the baselines; an interrupted training goes on from its last checkpoint."""
    models_dir.mkdir(parents=True, exist_ok=True)
    checkpoint_dir = training_directory(context.name)
    checkpoint_dir.mkdir(parents=True, exist_ok=True)
    if context.processes > 1:
        from components.training.distributed import fine_tune_together

        fine_tune_together(context, prepared_dir, checkpoint_dir)
    trainable(context.model).module("train").train(prepared_dir, context.config(), models_dir, checkpoint_dir)


def evaluate(
    context: RunContext, prepared_dir: Path, models_dir: Path, champion_dir: Path | None, out_dir: Path
) -> Evaluation:
    """Score candidate, baselines and, if there is one, the champion on the test split."""
    out_dir.mkdir(parents=True, exist_ok=True)
    evaluation: Evaluation = (
        trainable(context.model)
        .module("evaluate")
        .evaluate(prepared_dir, models_dir, champion_dir, context.config(), out_dir)
    )
    for score in evaluation.scores:
        console.print(
            f"{score.role} {score.name}: {evaluation.primary_metric} {score.value(evaluation.primary_metric):.4f}"
        )
    return evaluation
