"""Overlays, rendered once, and the definitions of custom kinds."""

import os
from pathlib import Path

import pytest

from .render import Render, load, overlays
from .schemas import Crds, crd_folder, published_crds

NO_CRDS = (
    "MEDIAREVIEW_CRDS names no folder of CustomResourceDefinitions (JSON): custom kinds cannot be validated. "
    "CONTRIBUTING.md says where to get them."
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "overlay" in metafunc.fixturenames:
        found = overlays()
        metafunc.parametrize("overlay", found, ids=[path.name for path in found], indirect=True)


@pytest.fixture
def overlay(request: pytest.FixtureRequest) -> Render:
    """One overlay after the other."""
    directory: Path = request.param
    return load(directory)


@pytest.fixture
def crds() -> Crds:
    """The published definitions. A laptop may lack them; CI may not."""
    return require_crds()


def require_crds() -> Crds:
    if crd_folder() is not None:
        return published_crds()
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(NO_CRDS)
    pytest.skip(NO_CRDS)
