from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from feast.infra.online_stores.redis import RedisOnlineStore
from pydantic import SecretStr

import feature_repo
from feature_repo.definitions import DEFAULT_OFFLINE_DIRECTORY, define
from mediareview.errors import MediaReviewError
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


def test_feast_reads_the_redis_url_as_it_was_meant() -> None:
    password = 'a,b="c"%5'
    url = f"rediss://someone:{quote(password)}@store.example:6380/3?ssl_ca_certs=/etc/ca.crt"
    online = feast_configuration(Settings(online_store_url=SecretStr(url)), 0.25)["online_store"]
    assert (online["type"], online["skip_dedup"]) == ("redis", True)
    nodes, options = RedisOnlineStore._parse_connection_string(online["connection_string"])
    assert nodes == [{"host": "store.example", "port": "6380"}]
    assert options == {
        "db": 3,
        "username": "someone",
        "password": password,
        "ssl": True,
        "ssl_ca_certs": "/etc/ca.crt",
        "socket_timeout": 0.25,
        "socket_connect_timeout": 0.25,
        "retry": None,
    }


def test_a_redis_url_may_say_little_but_nothing_unknown() -> None:
    online = feast_configuration(Settings(online_store_url=SecretStr("redis://store")))["online_store"]
    assert online["connection_string"].startswith("store:6379,db=0,")
    with pytest.raises(MediaReviewError, match="unknown option 'timeout'"):
        feast_configuration(Settings(online_store_url=SecretStr("redis://store?timeout=1")))
