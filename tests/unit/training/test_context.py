"""A run's context fixes everything that decides the trained weights."""

from pathlib import Path

import pytest

from components.training.models import TRAINABLE, trainable
from components.training.revision import code_digest, code_revision
from components.training.steps import RunContext
from mediareview import __version__
from mediareview.errors import MediaReviewError


def context(**changes: object) -> RunContext:
    fields = {"model": "sentiment", "profile": "quick", "lake_versions": {"reviews": 4}, "code_digest": "abc"}
    return RunContext.model_validate({**fields, **changes})


def test_equal_contexts_have_equal_digests_however_the_runner_spells_their_numbers() -> None:
    assert context().digest == context(lake_versions={"reviews": 4.0}).digest


@pytest.mark.parametrize(
    "change",
    [{"profile": "demo"}, {"lake_versions": {"reviews": 5}}, {"code_digest": "abd"}, {"overrides": {"seed": 1}}],
)
def test_whatever_decides_the_weights_changes_the_digest(change: dict[str, object]) -> None:
    assert context(**change).digest != context().digest


@pytest.mark.parametrize("model", TRAINABLE)
@pytest.mark.parametrize("profile", ["quick", "demo", "full"])
def test_every_model_has_every_profile_and_takes_a_seed(model: str, profile: str) -> None:
    assert context(model=model, profile=profile, overrides={"seed": 7}).config().seed == 7


@pytest.mark.parametrize("model", TRAINABLE)
def test_a_mistyped_field_is_refused(model: str) -> None:
    with pytest.raises(MediaReviewError, match="epochz"):
        context(model=model, overrides={"epochz": 3}).config()


def test_an_unknown_model_is_answered_with_those_there_are() -> None:
    with pytest.raises(MediaReviewError, match="recommender, sentiment, moderation"):
        trainable("weather")


def test_the_code_has_a_revision_for_people_and_a_stable_digest_for_caches() -> None:
    assert code_revision()
    assert code_digest() == code_digest()


def test_in_an_image_the_revision_is_what_it_was_built_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIAREVIEW_REVISION", "0123456789ab")
    assert code_revision() == "0123456789ab"


def test_without_git_the_revision_is_the_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MEDIAREVIEW_REVISION", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert code_revision() == f"v{__version__}"
