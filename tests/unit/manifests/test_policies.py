"""Our rules, on every overlay; and on broken fixtures, which show that each rule refuses what it should."""

from collections.abc import Iterator

import pytest

from .broken import Broken, broken_fixtures, correct_platform
from .complaints import Complaint
from .policies import policies
from .render import Render
from .schemas import Crds, built_in_complaints, custom_complaints, is_built_in, own_crds

RULES = policies()


@pytest.mark.parametrize("policy", RULES)
def test_an_overlay_follows_the_policy(overlay: Render, policy: str) -> None:
    found = said(RULES[policy](overlay))
    if found:
        pytest.fail("\n" + "\n".join(found), pytrace=False)


@pytest.mark.parametrize("policy", RULES)
def test_the_correct_platform_is_accepted(policy: str) -> None:
    assert said(RULES[policy](correct_platform())) == []


@pytest.mark.parametrize("broken", broken_fixtures(), ids=lambda broken: f"{broken.policy}: {broken.breaks}")
def test_a_broken_platform_is_refused(broken: Broken) -> None:
    assert broken.says
    assert said(RULES[broken.policy](broken.apply_to(correct_platform()))) == broken.says


@pytest.mark.parametrize("policy", RULES)
def test_a_policy_has_a_broken_fixture(policy: str) -> None:
    assert policy in {broken.policy for broken in broken_fixtures()}


def test_the_correct_platform_validates(crds: Crds) -> None:
    for item in correct_platform().objects:
        checked = built_in_complaints(item, "1.30") if is_built_in(item) else custom_complaints(item, crds, own_crds())
        assert said(checked) == []


def said(complaints: Iterator[Complaint]) -> list[str]:
    return [str(complaint) for complaint in complaints]
