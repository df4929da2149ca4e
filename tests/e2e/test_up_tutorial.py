"""Every command of the tutorial for ML engineers runs, in its order, on files of the names it uses."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kubeflow_api import running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial-ml-engineers.md"


def commands() -> list[list[str]]:
    """Return the arguments of each ``mediareview`` line in the tutorial's code blocks."""
    blocks = TUTORIAL.read_text().split("```sh\n")[1:]
    lines = [line for block in blocks for line in block.split("```")[0].splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("mediareview ")]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory with ``ml-1m/`` and ``imdb.csv``, in the formats of those releases."""
    ratings = {(user, (user * 7 + step * (1 + user % 3)) % 60 + 1) for user in range(1, 60) for step in range(20)}
    (tmp_path / "ml-1m").mkdir()
    lines = [f"{user}::{item}::{1 + (user + item) % 5}::{978300000 + 60 * item}" for user, item in sorted(ratings)]
    (tmp_path / "ml-1m" / "ratings.dat").write_text("\n".join(lines) + "\n")
    reviews = [("a truly wonderful film, great acting", "positive"), ("boring and a waste of time", "negative")]
    rows = [f'"{text}, said viewer {number}",{label}' for number in range(30) for text, label in reviews]
    (tmp_path / "imdb.csv").write_text("\n".join(["review,sentiment", *rows]) + "\n")
    return tmp_path


def test_the_tutorial_runs(checked: str, mediareview: Callable[..., str], files: Path) -> None:
    with running() as kubeflow:
        lines = [[part.replace("$KUBEFLOW", kubeflow.url) for part in arguments] for arguments in commands()]
        ran = [mediareview(*arguments, cwd=files) for arguments in lines]
    assert (len(kubeflow.runs), len(kubeflow.enabled())) == (1, 1)
    assert len(ran) > 10
    assert all(printed.strip() for printed in ran)
    assert len(list((files / "build" / "pipelines").glob("*.yaml"))) == 3
