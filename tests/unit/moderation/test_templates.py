import pytest

from components.moderation.templates import ALLOWED, BREAKING, generate


def test_no_template_is_both_for_training_and_for_testing():
    for templates in (BREAKING, ALLOWED):
        assert not set(templates["train"]) & set(templates["test"])


@pytest.mark.parametrize("part", ["train", "test"])
def test_generated_texts_are_filled_distinct_and_of_both_kinds(part):
    texts = list(generate(part, each=8, seed=1))
    assert texts == list(generate(part, each=8, seed=1))
    assert texts != list(generate(part, each=8, seed=2))
    assert len({item.text for item in texts}) > 0.9 * len(texts)
    assert {item.inappropriate for item in texts} == {True, False}
    assert not any("{" in item.text for item in texts)
