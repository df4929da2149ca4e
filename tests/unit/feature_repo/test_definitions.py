from pathlib import Path

import pytest
import yaml

import feature_repo
from feature_repo.definitions import DEFAULT_OFFLINE_DIRECTORY, define
from mediareview.features import FEATURE_TABLES, feast_configuration, offline_directory
from mediareview.settings import Settings

FOLDER = Path(feature_repo.__file__).parent


def test_the_plain_feast_command_uses_the_store_of_the_default_settings() -> None:
    written = yaml.safe_load((FOLDER / "feature_store.yaml").read_text())
    built = feast_configuration(Settings(home=FOLDER.parent / ".mediareview"))
    for store in ("registry", "online_store"):
        written[store]["path"] = str((FOLDER / written[store]["path"]).resolve())
    assert written == built
    assert offline_directory(Settings(home=FOLDER.parent / ".mediareview")) == DEFAULT_OFFLINE_DIRECTORY


def test_every_view_reads_a_feature_table(tmp_path: Path) -> None:
    views = [item for item in define(tmp_path) if type(item).__name__ == "FeatureView"]
    assert {Path(view.batch_source.path).name for view in views} == {f"{name}.parquet" for name in FEATURE_TABLES}
    assert all(Path(view.batch_source.path).is_relative_to(tmp_path) for view in views)


@pytest.mark.parametrize("model", ["recommender", "sentiment", "moderation"])
def test_every_model_has_a_feature_service(model: str, tmp_path: Path) -> None:
    service = getattr(define(tmp_path), model)
    assert service.name == model
    assert service.feature_view_projections
