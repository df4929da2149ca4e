"""How containers begin and end: with bytecode, with a known revision, and when they are told to."""

import json

import pytest

from tests.images.conftest import image, podman, run, serving

KILLED = 137
ROLES_WITH_OUR_CODE = ("api", "serving", "pipelines", "spark")
WITHOUT_BYTECODE = """
from importlib.util import cache_from_source
from pathlib import Path
import mediareview

root = Path(mediareview.__file__).parent.parent
packages = ("mediareview", "serving", "components", "yaml", "pydantic")
ours = [path for name in packages for path in (root / name).rglob("*.py")]
print(len(ours) > 100, [str(path) for path in ours if not Path(cache_from_source(path)).exists()])
"""


@pytest.mark.parametrize("role", ROLES_WITH_OUR_CODE)
def test_nothing_is_compiled_at_the_start(role: str) -> None:
    assert run(role, "-c", WITHOUT_BYTECODE, entrypoint="python").strip() == "True []"


def test_a_step_knows_the_revision_of_its_image() -> None:
    (described,) = json.loads(podman("image", "inspect", image("pipelines")))
    code = "from components.training.revision import code_revision; print(code_revision())"
    told = run("pipelines", "-c", code, entrypoint="python").strip()
    assert told == described["Labels"]["org.opencontainers.image.revision"]


def test_a_command_of_the_pipelines_ends_when_it_is_told_to() -> None:
    code = "import time; print('begun', flush=True); time.sleep(300)"
    with serving("pipelines", "-c", code, entrypoint="python") as step:
        while "begun" not in podman("logs", step):
            assert podman("inspect", "--format={{.State.Running}}", step).strip() == "true"
        podman("stop", "--time=20", step)
        assert podman("wait", step).strip() not in ("0", str(KILLED))
