"""Feast's registry on S3: fetched before it is read, published once what it describes is there.

Feast works on the local file. Its own S3 store would be asked within a request when its cache is old, waits as long as
boto3 does, knows neither our endpoint nor our credentials, and shares the states of a materialisation that may fail.
"""

from typing import Any
from urllib.parse import urlsplit

from mediareview.errors import MediaReviewError
from mediareview.s3 import s3_client
from mediareview.settings import Settings


def fetch_registry(settings: Settings) -> bool:
    """Bring the local file up to date with the registry on S3, if that is where it is and there is one.

    Returns:
        Whether the local file changed.

    Raises:
        MediaReviewError: S3 cannot be read.
    """
    if not settings.shares_feature_registry:
        return False
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = _place(settings)
    try:
        content: bytes = s3_client(settings).get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket", "404"):
            return False
        raise _failure(settings, "read", error) from None
    except BotoCoreError as error:
        raise _failure(settings, "read", error) from None
    file = settings.feature_registry_file
    if file.is_file() and file.read_bytes() == content:
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.partial")
    partial.write_bytes(content)
    partial.replace(file)
    return True


def publish_registry(settings: Settings) -> None:
    """Write the local file to S3, if that is where the registry is.

    Raises:
        MediaReviewError: S3 cannot be written.
    """
    if not settings.shares_feature_registry:
        return
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = _place(settings)
    try:
        s3_client(settings).put_object(Bucket=bucket, Key=key, Body=settings.feature_registry_file.read_bytes())
    except (BotoCoreError, ClientError) as error:
        raise _failure(settings, "written", error) from None


def _place(settings: Settings) -> tuple[str, str]:
    parts = urlsplit(settings.feature_registry_url)
    return parts.netloc, parts.path.lstrip("/")


def _failure(settings: Settings, done: str, error: Any) -> MediaReviewError:
    return MediaReviewError(
        f"Feast's registry at {settings.feature_registry_url} cannot be {done}: {error}",
        "Check MEDIAREVIEW_FEATURE_REGISTRY_URL, MEDIAREVIEW_S3_ENDPOINT_URL and the credentials.",
    )
