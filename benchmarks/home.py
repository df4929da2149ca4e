"""A home of a benchmark's own, so that it neither uses nor changes the models of the user; downloads are shared."""

import os
from pathlib import Path

from mediareview.settings import Settings, get_settings


def use_own_home(name: str) -> Path:
    """Make ``HOME/benchmarks/NAME`` the home of this process and of those that it starts, and return it."""
    outer = Settings()
    home = outer.root / "benchmarks" / name
    home.mkdir(parents=True, exist_ok=True)
    outer.downloads.mkdir(parents=True, exist_ok=True)
    if not (home / "downloads").exists():
        (home / "downloads").symlink_to(outer.downloads)
    # Steps of a pipeline are subprocesses, which read the environment.
    os.environ["MEDIAREVIEW_HOME"] = str(home)
    get_settings.cache_clear()
    return home
