"""Manifests in git hold no credential, comments included."""

import subprocess
from pathlib import Path

import pytest

from .policies.credentials import found_in, names_a_secret
from .render import REPOSITORY


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "manifests", "scripts"], cwd=REPOSITORY, capture_output=True, text=True)
    return [path for line in listed.stdout.splitlines() if (path := REPOSITORY / line).is_file()]


def test_no_manifest_and_no_script_holds_a_credential() -> None:
    found = {str(path): list(found_in(path.read_text())) for path in tracked()}
    assert {path: what for path, what in found.items() if what} == {}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("key: AKIAABCDEFGHIJKLMNOP", "an AWS key"),
        ("-----BEGIN RSA PRIVATE KEY-----", "a private key"),
        ("-----BEGIN PRIVATE KEY-----", "a private key"),
        ("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJub2JvZHkifQ.c2ln", "a token"),
        ("postgresql+psycopg://mlflow:made-up@database/mlflow", "a password in a URL"),
    ],
)
def test_a_credential_is_recognised(text: str, what: str) -> None:
    assert list(found_in(text)) == [what]


@pytest.mark.parametrize(
    "text", ["redis://online-store:6379/0", "redis://:$(PASSWORD)@store", "s3://bucket/key", "name: mediareview-s3"]
)
def test_what_is_no_credential_is_let_pass(text: str) -> None:
    assert list(found_in(text)) == []


def test_names_of_variables_tell_secrets_from_where_they_are() -> None:
    assert names_a_secret("AWS_SECRET_ACCESS_KEY")
    assert names_a_secret("MEDIAREVIEW_PIPELINES_TOKEN")
    assert not names_a_secret("MEDIAREVIEW_PIPELINES_TOKEN_PATH")
    assert not names_a_secret("MEDIAREVIEW_REGISTRY_URL")
