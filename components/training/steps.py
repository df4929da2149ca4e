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
        """Short digest of all that decides the trained weights; names the checkpoint directory."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()[:16]


def pin(model: str, profile: str, overrides: dict[str, Any]) -> RunContext:
    """Fix what the run reads: the newest lake versions, with features made of them, and the code.

    Raises:
        MediaReviewError: no such model, profile or field, or a table is missing.
    """
    context = RunContext(model=model, profile=profile, overrides=overrides, lake_versions={}, code_digest=code_digest())
    context.config()
    lake = Lake.from_settings()
    if trainable(model).reads_features:
        prepare_features(lake, get_settings())
    context.lake_versions = lake.pin(trainable(model).tables)
    return context


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
    checkpoint_dir = get_settings().runs / "checkpoints" / f"{context.model}-{context.digest}"
    checkpoint_dir.mkdir(parents=True, exist_ok=True)
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
