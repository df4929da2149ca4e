from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from components.preprocessing.cache import ContentCache


def test_a_text_is_computed_once(tmp_path: Path) -> None:
    computed: list[str] = []

    def shout(texts: list[str]) -> list[bytes]:
        computed.extend(texts)
        return [text.upper().encode() for text in texts]

    cache = ContentCache(tmp_path / "new" / "cache.db", "shout")
    assert cache.map(["a", "b", "a"], shout) == [b"A", b"B", b"A"]
    assert cache.map(["b", "c"], shout) == [b"B", b"C"]
    assert computed == ["a", "b", "c"]


def test_another_recipe_does_not_see_the_results(tmp_path: Path) -> None:
    ContentCache(tmp_path / "cache.db", "one").map(["a"], lambda texts: [b"1"])
    assert ContentCache(tmp_path / "cache.db", "two").map(["a"], lambda texts: [b"2"]) == [b"2"]


@given(st.lists(st.text(), max_size=30))
def test_results_come_in_the_order_of_the_texts(tmp_path_factory: object, texts: list[str]) -> None:
    cache = ContentCache(Path(tmp_path_factory.mktemp("cache")) / "cache.db", "x")  # type: ignore[attr-defined]
    expected = [repr(text).encode() for text in texts]
    for _ in range(2):
        assert cache.map(texts, lambda new: [repr(text).encode() for text in new]) == expected
