import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.texts.split import first_by_hash, split_by_text, text_key

KEYS = st.lists(st.text(max_size=6), max_size=60)


def test_texts_that_differ_in_case_and_punctuation_only_are_the_same_text():
    assert text_key("A dull, dull film!") == text_key("a dull dull film")
    assert text_key("A dull film") != text_key("A dull film 2")
    assert text_key("!!!") == "!!!"


@given(KEYS, KEYS, st.integers(0, 3))
def test_a_text_stays_in_its_part_whatever_is_added(keys, more, seed):
    alone = split_by_text(keys, 0.2, 0.1, seed)
    together = split_by_text(keys + more, 0.2, 0.1, seed)
    assert alone.tolist() == together[: len(keys)].tolist()


@given(KEYS)
def test_no_text_is_in_two_parts(keys):
    parts = split_by_text(keys + keys, 0.3, 0.3, seed=1)
    assert all(len({part for part, other in zip(parts, keys + keys, strict=True) if other == key}) == 1 for key in keys)


def test_the_parts_have_the_shares_asked_for_and_depend_on_the_seed():
    keys = [str(number) for number in range(20_000)]
    parts = split_by_text(keys, 0.2, 0.1, seed=42)
    assert abs((parts == "test").mean() - 0.2) < 0.01
    assert abs((parts == "validation").mean() - 0.1) < 0.01
    assert (parts != split_by_text(keys, 0.2, 0.1, seed=43)).any()


@given(KEYS, st.integers(0, 80))
def test_a_sample_is_part_of_the_rows_and_repeats_itself(keys, most):
    rows = first_by_hash(keys, most, seed=1)
    assert len(rows) == min(most, len(keys))
    assert (np.diff(rows) > 0).all()
    assert rows.tolist() == first_by_hash(keys, most, seed=1).tolist()
