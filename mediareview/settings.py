"""Every backend is a URL: one settings object, read from ``MEDIAREVIEW_*`` environment variables."""

from functools import lru_cache
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where state lives and which backends are used. The defaults need no server."""

    model_config = SettingsConfigDict(env_prefix="MEDIAREVIEW_", extra="ignore")

    home: Path = Path(".mediareview")
    """Directory of all local state: downloads, lake, features, registry, runs, logs."""

    lake_url: str = ""
    """``file:///dir`` or ``s3://bucket/prefix``; empty means ``HOME/lake``."""

    registry_url: str = ""
    """MLflow tracking and registry URI; empty means SQLite in ``HOME/registry``."""

    online_store_path: Path | None = None
    """SQLite file of Feast's online store; empty means ``HOME/features/online.db``."""

    s3_endpoint_url: str = ""
    """Endpoint of an S3-compatible server; empty means AWS."""

    s3_region: str = "us-east-1"
    s3_access_key_id: str = ""
    """Empty means the standard AWS credential chain."""

    s3_secret_access_key: SecretStr = SecretStr("")

    encoder_path: str = ""
    """Hugging Face-style encoder directory (local or ``s3://``); empty means the MiniLM-L6 package."""

    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8080, ge=0, le=65535)

    recommendations_timeout_s: float = Field(default=2.0, gt=0, le=60)
    sentiment_timeout_s: float = Field(default=10.0, gt=0, le=60)
    moderation_timeout_s: float = Field(default=10.0, gt=0, le=60)
    """How long the API waits for a predictor, retry included, before it answers 503."""

    predictor_concurrency: int = Field(default=128, ge=1)
    """Calls the API has open to one predictor at a time; more get 503 at once."""

    threads: int = Field(default=2, ge=1)
    """CPU threads a training step or a predictor may use."""

    @property
    def root(self) -> Path:
        """``home`` as an absolute path."""
        return self.home.expanduser().resolve()

    @property
    def lake(self) -> str:
        """URL of the lake with the default filled in."""
        return self.lake_url or (self.root / "lake").as_uri()

    @property
    def registry(self) -> str:
        """URI of the MLflow registry with the default filled in."""
        return self.registry_url or f"sqlite:///{self.root / 'registry' / 'mlflow.db'}"

    @property
    def online_store(self) -> Path:
        """Path of the SQLite online store with the default filled in."""
        return self.online_store_path or self.root / "features" / "online.db"

    @property
    def inference_services(self) -> Path:
        """Directory of the InferenceService and ServingRuntime objects that the local stand-in runs."""
        return self.root / "serving" / "objects"

    @property
    def events(self) -> Path:
        """Directory of the event stream: append-only JSON Lines files, one folder per event type."""
        return self.root / "events"

    @property
    def downloads(self) -> Path:
        """Directory of the verified demo data downloads."""
        return self.root / "downloads"

    @property
    def runs(self) -> Path:
        """Directory of local pipeline runs: outputs, checkpoints and cache."""
        return self.root / "runs"


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the process-wide settings, read from the environment once."""
    return Settings()
