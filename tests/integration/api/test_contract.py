"""The running API keeps the promises of its OpenAPI document, whatever it is sent."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

pytestmark = pytest.mark.integration

OPERATIONS = (
    "GET /api/ml/recommendations",
    "POST /api/ml/recommendations",
    "POST /api/ml/sentiment",
    "POST /api/ml/moderation",
    "POST /api/ml/feedback",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
)


@pytest.fixture(scope="module")
def operations(platform: Any) -> dict[str, Any]:
    document = schemathesis.openapi.from_url(f"{platform.url}/openapi.json")
    found = [result.ok() for result in document.get_all_operations()]
    return {f"{operation.method.upper()} {operation.path}": operation for operation in found}


def test_every_endpoint_is_documented(operations: dict[str, Any]) -> None:
    assert set(operations) == set(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_answer_breaks_its_documentation(name: str, operations: dict[str, Any]) -> None:
    """No 500, no undocumented status, content type or shape; what breaks the schema is refused."""

    @given(case=operations[name].as_strategy())
    @settings(
        max_examples=30,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def answers_as_documented(case: Any) -> None:
        # JSON Schema cannot say everything: bytes of UTF-8, distinct ids, moments that are past, dependent fields.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    answers_as_documented()
