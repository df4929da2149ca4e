"""Every curl line of README and tutorial works as it stands."""

import re
import shlex
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.experiments import variant_token

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = ("README.md", "docs/tutorial-backend-engineers.md")


def curl_lines() -> list[str]:
    """Return the curl commands of the documents, continuation lines joined."""
    found = []
    for document in DOCUMENTS:
        for block in re.findall(r"```sh\n(.*?)```", (ROOT / document).read_text(), re.DOTALL):
            joined = block.replace("\\\n", " ")
            found += [line for line in joined.splitlines() if line.startswith("curl ")]
    return found


def test_the_documents_show_every_endpoint() -> None:
    lines = "\n".join(curl_lines())
    for endpoint in ("recommendations", "sentiment", "moderation", "feedback", "readyz", "metrics"):
        assert f"/{endpoint}" in lines


@pytest.mark.parametrize("line", curl_lines())
def test_the_line_gets_an_answer(line: str, client: httpx.Client, platform: Any) -> None:
    # No canary runs here.
    token = variant_token(platform.settings, "recommender", "stable")
    _, url, *options = shlex.split(line.replace("$HEADER", f"X-Variant: {token}").replace("$VISITOR", ""))
    given = list(zip(options[::2], options[1::2], strict=True))
    assert {option for option, _ in given} <= {"-H", "-d"}
    headers = dict(value.split(": ", 1) for option, value in given if option == "-H")
    body = next((value for option, value in given if option == "-d"), None)
    path = url.removeprefix("http://127.0.0.1:8080")
    response = client.post(path, content=body, headers=headers) if body else client.get(path, headers=headers)
    assert response.is_success, response.text
