"""Evidence that travels in an annotation is valid JSON, never too long, and loses its ends before its beginnings."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from serving.rollouts.bounded_json import LEFT_OUT, bounded_json
from serving.rollouts.verdict import Finding, Verdict

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=60), inner, max_size=8),
    max_leaves=60,
)


@given(content=st.dictionaries(st.text(max_size=60), ANYTHING, max_size=8), most=st.integers(2, 3000))
def test_it_is_valid_and_not_too_long_whatever_it_was(content: dict, most: int) -> None:
    text = bounded_json(content, most)
    assert len(text.encode()) <= most
    assert isinstance(json.loads(text, parse_constant=lambda name: (_ for _ in ()).throw(ValueError(name))), dict)


@given(content=st.dictionaries(st.text(max_size=9), st.none() | st.integers() | st.text(max_size=9), max_size=8))
def test_what_is_short_enough_stays_as_it_is(content: dict) -> None:
    assert json.loads(bounded_json(content, 4096)) == content


def test_a_verdict_with_many_findings_keeps_its_action_and_the_first_of_them() -> None:
    findings = tuple(Finding(name=f"metric {number}", role="check", state="ok", note="x" * 200) for number in range(60))
    verdict = Verdict(action="roll_back", reason="It fails.", findings=findings)
    found = json.loads(bounded_json({"verdict": verdict.model_dump(mode="json")}, 4096))
    assert (found["verdict"]["action"], found["verdict"]["reason"]) == ("roll_back", "It fails.")
    assert found["verdict"]["findings"][0]["name"] == "metric 0"
    assert found[LEFT_OUT] == ["findings"]


def test_what_json_does_not_have_becomes_null() -> None:
    assert json.loads(bounded_json({"a": math.nan, "b": [math.inf]}, 100)) == {"a": None, "b": [None]}
