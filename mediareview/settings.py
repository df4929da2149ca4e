"""Every backend is a URL: one settings object, read from ``MEDIAREVIEW_*`` environment variables."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from mediareview.errors import MediaReviewError

SQLITE = "sqlite:///"
"""A path follows, relative to the working directory unless it begins with another slash."""


class Settings(BaseSettings):
    """Where state lives and which backends are used. The defaults need no server."""

    model_config = SettingsConfigDict(env_prefix="MEDIAREVIEW_", env_ignore_empty=True, extra="ignore")

    home: Path = Path(".mediareview")
    """Directory of all local state: downloads, lake, features, registry, runs, logs."""

    lake_url: str = ""
    """``file:///dir`` or ``s3://bucket/prefix``; empty means ``HOME/lake``."""

    registry_url: str = ""
    """MLflow tracking and registry URI; empty means SQLite in ``HOME/registry``."""

    online_store_url: SecretStr = SecretStr("")
    """Feast's online store: ``sqlite:///path``, ``redis://[:password@]host:port/db`` or, with TLS, ``rediss://``;
    empty means SQLite in ``HOME/features/online.db``."""

    feature_registry_url: str = ""
    """Feast's registry: a path or ``s3://bucket/key``; empty means ``HOME/features/registry.db``."""

    serving_url: str = ""
    """Where the InferenceService objects are: ``kubernetes://NAMESPACE``; empty means ``HOME/serving/objects``."""

    engine_url: str = ""
    """What computes features: ``duckdb://``, also if empty; ``spark://MASTER``, for example ``spark://local[2]``, or
    ``spark://`` in a job that spark-submit started; ``kubernetes://NAMESPACE`` starts such a job there."""

    pipelines_url: str = ""
    """Endpoint of the Kubeflow Pipelines API; ``--endpoint`` overrides it."""

    pipelines_token: SecretStr = SecretStr("")
    """Bearer token for the pipelines API."""

    pipelines_token_path: Path | None = None
    """File with that token, read anew for each call: a projected service account token is replaced as it expires."""

    pipelines_namespace: str = ""
    """Namespace of runs where Kubeflow Pipelines serves several users; empty elsewhere."""

    pipelines_config: Path | None = None
    """YAML file that says how steps run on a cluster: images, service account, secrets, resources."""

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

    deploy_timeout_s: float = Field(default=600.0, gt=0)
    """How long a deployment on a cluster waits for the new version to answer."""

    predictor_concurrency: int = Field(default=128, ge=1)
    """Calls the API has open to one predictor at a time; more get 503 at once."""

    signing_key: SecretStr = SecretStr("")
    """Signs what the API gives out to visitors and testers; the same for all its replicas. Several, with commas between
    them, rotate it: the first signs, all verify. Empty means a random one in ``HOME/serving/signing.key``."""

    exploration_share: float = Field(default=0.0, ge=0, le=0.5)
    """Share of recommendation answers whose order is randomised, so that candidates can be judged off-policy."""

    metrics_url: str = ""
    """Prometheus server that rollouts are judged by, ``http://prometheus:9090``; empty means the API's own /metrics."""

    rollout_interval_s: float = Field(default=5.0, gt=0)
    """How often the controller of the rollouts looks at them."""

    threads: int = Field(default=2, ge=1)
    """CPU threads a training step or a predictor may use."""

    training_nodes: int = Field(default=1, ge=1)
    """Nodes on which an encoder is fine-tuned; if there are several, as a TrainJob of Kubeflow Trainer."""

    training_processes_per_node: int = Field(default=1, ge=1)
    """Processes that fine-tune it together on each node: one a GPU, or a few on a machine with many cores."""

    training_resources_per_node: dict[str, str] = {}
    """What each node of a TrainJob gets, as JSON: ``{"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "1"}``; empty means
    what the TrainingRuntime says."""

    training_timeout_s: float = Field(default=18_000, gt=0)
    """How long a TrainJob may take, its wait for nodes included."""

    @model_validator(mode="after")
    def _known_schemes(self) -> Self:
        """Refuse a backend that does not exist where it is named, and not where it is first used."""
        _check("ONLINE_STORE_URL", self.online_store_url.get_secret_value(), ("sqlite", "redis", "rediss"))
        _check("FEATURE_REGISTRY_URL", self.feature_registry_url, ("", "s3"))
        _check("SERVING_URL", self.serving_url, ("kubernetes",))
        _check("PIPELINES_URL", self.pipelines_url, ("http", "https"))
        _check("METRICS_URL", self.metrics_url, ("http", "https"))
        if not re.fullmatch(r"|duckdb://|spark://\S*|kubernetes://[a-z0-9-]+", self.engine_url):
            raise MediaReviewError(
                f"MEDIAREVIEW_ENGINE_URL names no engine: {self.engine_url!r}.",
                "Use duckdb://, spark://MASTER (for example spark://local[2]) or kubernetes://NAMESPACE.",
            )
        return self

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
    def online_store_file(self) -> Path | None:
        """SQLite file of the online store with the default filled in; None if the store is a server."""
        url = self.online_store_url.get_secret_value()
        if not url:
            return self.root / "features" / "online.db"
        return Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else None

    @property
    def feature_registry_file(self) -> Path:
        """File of Feast's registry with the default filled in; a local copy if the registry is on S3."""
        if self.feature_registry_url and not self.shares_feature_registry:
            return Path(self.feature_registry_url)
        return self.root / "features" / "registry.db"

    @property
    def shares_feature_registry(self) -> bool:
        """Whether Feast's registry is on S3."""
        return self.feature_registry_url.startswith("s3://")

    @property
    def serving_namespace(self) -> str:
        """Namespace of the InferenceService objects; empty if they are in a directory."""
        return urlsplit(self.serving_url).hostname or ""

    @property
    def inference_services(self) -> Path:
        """Directory of the InferenceService and ServingRuntime objects that the local stand-in runs."""
        return self.root / "serving" / "objects"

    @property
    def signing_key_file(self) -> Path:
        """File of the random signing key that is made if the settings have none."""
        return self.root / "serving" / "signing.key"

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


def _check(name: str, url: str, schemes: tuple[str, ...]) -> None:
    """Refuse a URL of another scheme, or without a host; does not repeat it, for it may hold a password."""
    if not url:
        return
    try:
        parts = urlsplit(url)
        scheme, complete = parts.scheme, parts.scheme in ("", "sqlite") or bool(parts.hostname)
    except ValueError:
        scheme, complete = "", False
    if scheme not in schemes:
        known = " or ".join(f"{known}://" if known else "a path" for known in schemes)
        raise MediaReviewError(f"MEDIAREVIEW_{name} cannot have the scheme {scheme!r}.", f"Use {known}.")
    if not complete:
        raise MediaReviewError(f"MEDIAREVIEW_{name} names nothing after {scheme}://.", "Name it there.")


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the process-wide settings, read from the environment once."""
    return Settings()
