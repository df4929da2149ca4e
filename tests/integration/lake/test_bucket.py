"""A bucket is encrypted, versioned and closed to the public, on a real S3 server."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from mediareview.commands import lake
from mediareview.errors import MediaReviewError
from mediareview.s3 import s3_client, secure_bucket
from mediareview.settings import Settings, get_settings

pytestmark = pytest.mark.integration

URL = "s3://guarded/lake"


def test_what_is_written_is_encrypted_and_what_is_overwritten_is_kept(s3: Settings) -> None:
    assert secure_bucket(URL, s3)["encryption"] == "on"
    assert secure_bucket(URL, s3)["versions"] == "on"  # again
    client = s3_client(s3)
    for body in (b"first", b"second"):
        client.put_object(Bucket="guarded", Key="lake/x", Body=body)
    newest = client.get_object(Bucket="guarded", Key="lake/x")
    assert (newest["Body"].read(), newest["ServerSideEncryption"]) == (b"second", "AES256")
    versions = client.list_object_versions(Bucket="guarded", Prefix="lake/x")["Versions"]
    assert len(versions) == 2


def test_a_server_that_is_not_there_is_said_to_be_so(s3: Settings) -> None:
    nobody = s3.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:9"})
    with pytest.raises(MediaReviewError, match="cannot be used"):
        secure_bucket(URL, nobody)


def test_a_lake_in_a_directory_has_no_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIAREVIEW_HOME", str(tmp_path))
    get_settings.cache_clear()
    result = CliRunner().invoke(lake, ["secure"])
    get_settings.cache_clear()
    assert isinstance(result.exception, MediaReviewError)
    assert "no bucket" in str(result.exception)
