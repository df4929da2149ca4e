"""S3 by boto3: the client that settings describe, and the lake's bucket."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from mediareview.errors import MediaReviewError
from mediareview.settings import Settings

OLD_VERSIONS_DAYS = 30
"""How long an overwritten or deleted object can be brought back."""
OLD_UPLOADS_DAYS = 7


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
        config=Config(connect_timeout=5, read_timeout=20, retries={"max_attempts": 3}),
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


def secure_bucket(url: str, settings: Settings, kms_key_id: str = "") -> dict[str, str]:
    """Create the bucket of an ``s3://`` URL if need be; encrypt it, keep versions for a while, admit no public access.

    Applying it again changes nothing. A server may lack one of these (few but AWS have all): that is told, not raised.

    Args:
        url: names the bucket.
        settings: endpoint and credentials, which must be an administrator's.
        kms_key_id: key of SSE-KMS; empty encrypts with keys of the store (SSE-S3).

    Returns:
        Protection to ``on``, or to why the server refused it.

    Raises:
        MediaReviewError: the server cannot be reached, the credentials do not allow it, or the bucket stays without
            encryption.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    ensure_bucket(url, settings)
    bucket, client = urlsplit(url).netloc, s3_client(settings)
    algorithm = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": kms_key_id} if kms_key_id else {"SSEAlgorithm": "AES256"}
    encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": algorithm, "BucketKeyEnabled": bool(kms_key_id)}]}
    lifecycle = {
        "ID": "mediareview",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": OLD_VERSIONS_DAYS},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": OLD_UPLOADS_DAYS},
    }
    nobody = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    steps: dict[str, Callable[[], Any]] = {
        "encryption": lambda: client.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=encryption),
        "versions": lambda: client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}),
        "old versions expire": lambda: client.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration={"Rules": [lifecycle]}
        ),
        "no public access": lambda: client.put_public_access_block(
            Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(nobody, True)
        ),
    }
    found: dict[str, str] = {}
    for name, step in steps.items():
        try:
            step()
            found[name] = "on"
        except ClientError as error:
            found[name] = f"refused: {error.response['Error'].get('Message') or error.response['Error'].get('Code')}"
        except BotoCoreError as error:
            raise MediaReviewError(f"The bucket {bucket!r} cannot be reached: {error}", "Try again.") from error
    if found["encryption"] != "on":
        raise MediaReviewError(
            f"The bucket {bucket!r} is not encrypted: {found['encryption']}.",
            "Use the credentials of an administrator of the store, and a key that exists.",
        )
    return found


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
