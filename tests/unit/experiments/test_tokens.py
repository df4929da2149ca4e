"""Signed tokens: of visitors, and of testers."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from serving.experiments.signing import signing_keys
from serving.experiments.variant_tokens import VariantChoice, VariantTokenError, VariantTokens, variant_token
from serving.experiments.visitors import Visitors

KEY, OTHER = "k" * 32, "o" * 32


def test_without_a_key_a_random_one_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    (key,) = signing_keys(settings)
    assert signing_keys(Settings(home=tmp_path)) == (key,)
    assert signing_keys(Settings(home=tmp_path / "other")) != (key,)
    assert stat.S_IMODE(settings.signing_key_file.stat().st_mode) == 0o600
    assert [path.name for path in settings.signing_key_file.parent.iterdir()] == ["signing.key"]


def test_the_keys_of_the_settings_come_first_and_leave_no_file(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, signing_key=f"{KEY}, {OTHER}")
    assert signing_keys(settings) == (KEY, OTHER)
    assert not settings.signing_key_file.exists()


@pytest.mark.parametrize("keys", ["short", f"{KEY},short", f"{KEY},"])
def test_a_short_key_is_refused_without_being_told(tmp_path: Path, keys: str) -> None:
    with pytest.raises(MediaReviewError, match="less than 32 characters") as refused:
        signing_keys(Settings(home=tmp_path, signing_key=keys))
    assert KEY not in str(refused.value)
    assert "short" not in str(refused.value)


def test_a_damaged_key_file_is_refused(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    signing_keys(settings)
    settings.signing_key_file.write_text("")
    with pytest.raises(MediaReviewError, match=r"signing\.key"):
        signing_keys(settings)


def test_on_a_cluster_the_key_has_to_be_given(tmp_path: Path) -> None:
    with pytest.raises(MediaReviewError, match="MEDIAREVIEW_SIGNING_KEY is not set"):
        signing_keys(Settings(home=tmp_path, serving_url="kubernetes://ml"))


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "serving").write_text("a file")
    with pytest.raises(MediaReviewError, match=r"signing\.key cannot be read or made"):
        signing_keys(Settings(home=tmp_path))


def test_a_visitor_is_read_from_the_token_and_all_differ() -> None:
    visitors = Visitors([KEY])
    some = {visitors.new() for _ in range(100)}
    assert len(some) == 100
    assert {visitors.read(visitors.token(visitor)) for visitor in some} == some


@given(st.text(max_size=300), st.integers(0, 80), st.characters())
def test_nobody_can_become_another_visitor(text: str, place: int, letter: str) -> None:
    visitors = Visitors([KEY])
    token = visitors.token("visitor-1234")
    changed = token[:place] + letter + token[place + 1 :]
    assert visitors.read(text) is None
    # Base64 has several ways to write a signature, but what is signed has one.
    assert visitors.read(changed) in (None, "visitor-1234")
    assert changed.startswith("visitor-1234.") or visitors.read(changed) is None
    assert Visitors([OTHER]).read(token) is None
    assert visitors.read(VariantTokens([KEY]).make(VariantChoice("sentiment", "v2"), 60)) is None


def test_a_tester_s_token_says_what_it_allows_until_it_expires() -> None:
    now = 1_000_000.0
    tokens = VariantTokens([KEY], clock=lambda: now)
    choice = VariantChoice("sentiment", "v2")
    token = tokens.make(choice, 3600)
    now += 3599
    assert tokens.read(token) == choice
    now += 1
    with pytest.raises(VariantTokenError, match="expired"):
        tokens.read(token)


@given(st.text(max_size=200))
def test_no_text_is_a_tester_s_token(text: str) -> None:
    with pytest.raises(VariantTokenError, match="not made here"):
        VariantTokens([KEY]).read(text)
    with pytest.raises(VariantTokenError, match="not made here"):
        VariantTokens([KEY]).read(Visitors([KEY]).token(text))


def test_the_token_of_a_rotated_key_is_good_while_the_key_is_kept() -> None:
    choice = VariantChoice("sentiment", "v2")
    token = VariantTokens([OTHER]).make(choice, 60)
    assert VariantTokens([KEY, OTHER]).read(token) == choice
    with pytest.raises(VariantTokenError):
        VariantTokens([KEY]).read(token)


@pytest.mark.parametrize("hours", [0.0, -1.0, 721.0, float("nan"), float("inf")])
def test_a_token_is_good_for_a_month_at_most(tmp_path: Path, hours: float) -> None:
    with pytest.raises(MediaReviewError, match="cannot be good for"):
        variant_token(Settings(home=tmp_path), "sentiment", "v2", hours)


def test_a_token_fits_a_header(tmp_path: Path) -> None:
    token = variant_token(Settings(home=tmp_path), "recommender", "canary", 0.5)
    assert token.isascii()
    assert token.isprintable()
    assert len(token) < 200
