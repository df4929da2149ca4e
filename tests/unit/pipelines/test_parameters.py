"""Parameters are told apart and checked before anything starts, here or on a cluster."""

import pytest

from mediareview.errors import MediaReviewError
from pipelines.parameters import check_parameters, parse_parameters


def test_parameters_of_the_pipeline_and_of_the_model_are_told_apart() -> None:
    assert parse_parameters(("profile=quick", "min_gain=0.01", "seed=7", "name=x")) == {
        "profile": "quick",
        "min_gain": 0.01,
        "overrides": {"seed": 7, "name": "x"},
    }


def test_what_is_no_pair_is_refused() -> None:
    with pytest.raises(MediaReviewError, match="KEY=VALUE"):
        parse_parameters(("seed",))


@pytest.mark.parametrize(
    ("parameters", "allowed"),
    [
        ({"colour": "red"}, "profile, overrides, min_gain"),
        ({"min_gain": "much"}, "number"),
        ({"deployment": "hope"}, "rollout or replace"),
        ({"overrides": {"sede": 7}}, "seed"),
        ({"overrides": {"seed": "x"}}, "valid integer"),
    ],
)
def test_a_mistake_is_answered_with_what_is_allowed(parameters: dict, allowed: str) -> None:
    with pytest.raises(MediaReviewError) as raised:
        check_parameters("train-sentiment", parameters)
    assert allowed in str(raised.value)


def test_right_ones_pass() -> None:
    check_parameters("train-sentiment", {"profile": "quick", "min_gain": 0, "overrides": {"seed": 7}})
    check_parameters("train-sentiment", {"deployment": "replace"})


def test_a_whole_number_is_a_gain_too() -> None:
    gain = parse_parameters(("min_gain=1",))["min_gain"]
    assert (gain, type(gain)) == (1.0, float)
