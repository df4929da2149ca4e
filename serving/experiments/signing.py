"""The key that signs what the API gives out to visitors and testers, so that it knows its own words again."""

import hashlib
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

from mediareview.errors import MediaReviewError
from mediareview.settings import Settings

MIN_KEY_LENGTH = 32
SIGNATURE: dict[str, Any] = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
"""How itsdangerous signs: HMAC-SHA-256 (RFC 2104), with a key derived for each purpose."""


def signing_keys(settings: Settings) -> tuple[str, ...]:
    """Return the keys: the first signs, all verify. Without any in the settings a random one is made once and kept.

    Raises:
        MediaReviewError: a key is too short; or none is set although the API serves a cluster, where its replicas
            could not read what the others signed; or the file of the random key cannot be used.
    """
    given = settings.signing_key.get_secret_value()
    if not given and settings.serving_namespace:
        raise MediaReviewError(
            "MEDIAREVIEW_SIGNING_KEY is not set, and replicas of the API would not know each other's visitors.",
            "Set it to the key signing-key of Secret mediareview-api.",
        )
    keys = tuple(key.strip() for key in given.split(",")) if given else (_own_key(settings.signing_key_file),)
    if any(len(key) < MIN_KEY_LENGTH for key in keys):
        where = "MEDIAREVIEW_SIGNING_KEY" if given else str(settings.signing_key_file)
        raise MediaReviewError(
            f"{where} holds a key of less than {MIN_KEY_LENGTH} characters.",
            "Make one: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            if given
            else "Delete the file: another key is made, and visitors become new ones.",
        )
    return keys


def _own_key(path: Path) -> str:
    """Return the key of a file, which is made if need be: by one process only, and never seen half written."""
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=".signing-", dir=path.parent)  # mode 0600
            try:
                with os.fdopen(descriptor, "w") as file:
                    file.write(secrets.token_urlsafe(32))
                    file.flush()
                    os.fsync(file.fileno())
                os.link(name, path)
            except FileExistsError:
                pass  # another process was faster, and its key is as good
            finally:
                Path(name).unlink()
        return path.read_text().strip()
    except OSError as error:
        raise MediaReviewError(
            f"The signing key {path} cannot be read or made: {error.strerror}.",
            "Set MEDIAREVIEW_SIGNING_KEY, or make MEDIAREVIEW_HOME writable.",
        ) from None
