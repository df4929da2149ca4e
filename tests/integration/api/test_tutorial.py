"""Every curl line of README and tutorial works as it stands."""

import re
import shlex
from pathlib import Path

import httpx
import pytest

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
def test_the_line_gets_an_answer(line: str, client: httpx.Client) -> None:
    _, url, *options = shlex.split(line)
    given = dict(zip(options[::2], options[1::2], strict=True))
    assert set(given) <= {"-H", "-d"}
    path = url.removeprefix("http://127.0.0.1:8080")
    if "-d" in given:
        name, _, value = given["-H"].partition(": ")
        response = client.post(path, content=given["-d"], headers={name: value})
    else:
        response = client.get(path)
    assert response.is_success, response.text
