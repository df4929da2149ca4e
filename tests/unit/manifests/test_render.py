"""Every overlay renders, silently, and always the same."""

from pathlib import Path

import pytest

from .render import RenderError, kustomize, overlays, run_kustomize

FIXTURES = Path(__file__).parent / "fixtures"


def test_there_is_an_overlay_for_each_stage() -> None:
    assert [path.name for path in overlays()] == ["kind", "production", "staging"]


@pytest.mark.parametrize("directory", overlays(), ids=lambda path: path.name)
def test_an_overlay_renders_without_warnings_and_always_the_same(directory: Path) -> None:
    assert kustomize(directory) == run_kustomize(directory)


def test_a_warning_of_kustomize_is_an_error() -> None:
    with pytest.raises(RenderError, match="'commonLabels' is deprecated"):
        run_kustomize(FIXTURES / "warns")


def test_a_replacement_without_its_target_is_an_error() -> None:
    with pytest.raises(RenderError, match="unable to find field"):
        run_kustomize(FIXTURES / "misses")
