"""S3 by boto3: the client that settings describe, and the lake's bucket."""

from typing import Any
from urllib.parse import urlsplit

from mediareview.errors import MediaReviewError
from mediareview.settings import Settings


def s3_client(settings: Settings) -> Any:
    """Return a client for the endpoint of the settings; without explicit keys, by the standard credential chain."""
    import boto3
    from botocore.config import Config

    explicit = {
        "aws_access_key_id": settings.s3_access_key_id,
        "aws_secret_access_key": settings.s3_secret_access_key.get_secret_value(),
    }
    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint_url or None,
        region_name=settings.s3_region,
        config=Config(connect_timeout=5, retries={"max_attempts": 3}),
        **(explicit if settings.s3_access_key_id else {}),
    )


def ensure_bucket(url: str, settings: Settings) -> None:
    """Create the bucket of an ``s3://`` URL if it does not exist.

    Raises:
        MediaReviewError: the server cannot be reached, or the credentials do not allow it.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    bucket = urlsplit(url).netloc
    client = s3_client(settings)
    try:
        try:
            client.head_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            # us-east-1 is the default that S3 refuses to hear named.
            region = {} if settings.s3_region == "us-east-1" else {"LocationConstraint": settings.s3_region}
            client.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": region} if region else {}))
    except (BotoCoreError, ClientError) as error:
        raise MediaReviewError(
            f"The bucket {bucket!r} cannot be used: {error}",
            "Check MEDIAREVIEW_LAKE_URL, MEDIAREVIEW_S3_ENDPOINT_URL and the credentials.",
        ) from error


def storage_options(settings: Settings) -> dict[str, str]:
    """Return delta-rs options for S3: explicit settings first, then the standard AWS credential chain."""
    options = {"AWS_REGION": settings.s3_region}
    if settings.s3_endpoint_url:
        options["AWS_ENDPOINT_URL"] = settings.s3_endpoint_url
        options["AWS_ALLOW_HTTP"] = str(settings.s3_endpoint_url.startswith("http://")).lower()
    if settings.s3_access_key_id:
        options["AWS_ACCESS_KEY_ID"] = settings.s3_access_key_id
        options["AWS_SECRET_ACCESS_KEY"] = settings.s3_secret_access_key.get_secret_value()
        return options
    import boto3

    credentials = boto3.Session().get_credentials()
    if credentials is not None:
        frozen = credentials.get_frozen_credentials()
        options["AWS_ACCESS_KEY_ID"], options["AWS_SECRET_ACCESS_KEY"] = frozen.access_key, frozen.secret_key
        if frozen.token:
            options["AWS_SESSION_TOKEN"] = frozen.token
    return options


def list_prefixes(url: str, settings: Settings) -> list[str]:
    """Return the names of the folders right below an ``s3://bucket/prefix``, sorted."""
    parts = urlsplit(url)
    prefix = f"{parts.path.strip('/')}/".lstrip("/")
    pages = (
        s3_client(settings).get_paginator("list_objects_v2").paginate(Bucket=parts.netloc, Prefix=prefix, Delimiter="/")
    )
    found = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", ())]
    return sorted(folder.removeprefix(prefix).strip("/") for folder in found)
