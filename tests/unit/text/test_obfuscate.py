import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediareview.text import OBFUSCATIONS, Normaliser, obfuscate

KINDS = [*OBFUSCATIONS, "mixed"]


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text(), seed=st.integers(0, 1000))
def test_the_same_seed_gives_the_same_text(kind: str, text: str, seed: int) -> None:
    assert obfuscate(text, kind, seed) == obfuscate(text, kind, seed)


@pytest.mark.parametrize("kind", KINDS)
def test_long_words_are_disguised_and_short_ones_are_not(kind: str) -> None:
    disguised = obfuscate("a terrible terrible terrible film by me", kind, seed=7, share=1.0)
    assert "terrible terrible terrible" not in disguised
    assert disguised.startswith("a ")
    assert disguised.endswith(" by me")


@pytest.mark.parametrize("kind", KINDS)
def test_no_share_means_no_disguise(kind: str) -> None:
    assert obfuscate("a terrible film", kind, seed=7, share=0.0) == "a terrible film"


def test_zero_width_characters_do_not_survive_normalisation() -> None:
    text = "nobody should watch this picture"
    assert Normaliser()(obfuscate(text, "zero-width", seed=3, share=1.0)) == text
