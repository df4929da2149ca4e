"""``platform.yaml`` is the one place of what an operator changes."""

import shutil
from pathlib import Path

import pytest

from .broken import FIXTURES
from .platform_values import complaints_of
from .render import OVERLAYS, overlays


@pytest.mark.parametrize("directory", overlays(), ids=lambda path: path.name)
def test_an_overlay_takes_what_an_operator_changes_from_one_place(directory: Path, tmp_path: Path) -> None:
    found = [str(complaint) for complaint in complaints_of(directory, OVERLAYS.parent, tmp_path)]
    if found:
        pytest.fail("\n" + "\n".join(found), pytrace=False)


@pytest.fixture
def platform(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FIXTURES / "platform", tmp_path / "platform"))


def said(platform: Path, tmp_path: Path) -> list[str]:
    return [str(complaint) for complaint in complaints_of(platform, platform, tmp_path)]


def test_the_correct_platform_is_accepted(platform: Path, tmp_path: Path) -> None:
    assert said(platform, tmp_path) == []


def test_a_value_that_nobody_uses_is_refused(platform: Path, tmp_path: Path) -> None:
    values = platform / "platform.yaml"
    values.write_text(values.read_text().replace("  host:", "  logLevel: info\n  host:"))
    assert said(platform, tmp_path) == [
        "Platform platform spec.logLevel: changes nothing; copy it to where it belongs, or remove it"
    ]


def test_what_stands_elsewhere_too_is_refused(platform: Path, tmp_path: Path) -> None:
    gateway, mlflow = platform / "gateway.yaml", platform / "mlflow.yaml"
    gateway.write_text(
        gateway.read_text().replace("hostnames: [set-in-platform]", "hostnames: [set-in-platform, api.example.com]")
    )
    mlflow.write_text(
        mlflow.read_text()
        .replace("env:\n", "args: ['--artifacts=s3://mediareview/models']\n          env:\n")
        .replace("  maxReplicaCount: 1\n", "  maxReplicaCount: 1\n  fallback: {failureThreshold: 4, replicas: 2}\n")
    )
    remedy = "does not come from platform.yaml; put it there and copy it from there"
    assert said(platform, tmp_path) == [
        "Deployment mediareview/mlflow spec.template.spec.containers[mlflow].args[0]: "
        f"--artifacts=s3://mediareview/models {remedy}",
        f"HTTPRoute mediareview/api spec.hostnames[1]: api.example.com {remedy}",
        f"ScaledObject mediareview/mlflow spec.fallback.replicas: 2 {remedy}",
    ]
