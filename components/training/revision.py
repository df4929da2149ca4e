"""Which code a run executes: the git commit for people, a digest of the sources for caches."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import mediareview

ROOT = Path(mediareview.__file__).resolve().parent.parent
TRAINING_SOURCES = ("components", "feature_repo", "mediareview", "serving/scorers")


def code_revision() -> str:
    """Return ``COMMIT`` or ``COMMIT-dirty``, which an image was told and a git checkout knows; else the version."""
    if built_from := os.environ.get("MEDIAREVIEW_REVISION"):
        return built_from
    if shutil.which("git") is None:
        return f"v{mediareview.__version__}"
    described = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() if described.returncode == 0 else f"v{mediareview.__version__}"


def code_digest() -> str:
    """Return a SHA-256 over the sources that training executes, so that a cached step is not reused after a change."""
    digest = hashlib.sha256()
    for folder in TRAINING_SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
