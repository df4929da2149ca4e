"""``scripts/verify-cluster``, with a program in kubectl's place: no cluster is at hand."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from .render import KUBECTL, REPOSITORY

STAND_IN = f"""#!{sys.executable}
import json, os, pathlib, subprocess, sys
arguments = sys.argv[1:]
if arguments[0] == "kustomize":
    sys.exit(subprocess.run([{str(KUBECTL)!r}, *arguments]).returncode)
text = sys.stdin.read() if "-" in arguments else ""
with pathlib.Path(os.environ["CALLS"]).open("a") as calls:
    calls.write(json.dumps([arguments, text]) + "\\n")
if arguments[:2] == ["get", "namespace"] and arguments[2] in os.environ["EXISTING"].split():
    print("namespace/" + arguments[2])
if arguments[0] == os.environ["FAILS"]:
    sys.exit("refused")
"""


class Verification:
    """Runs the script and keeps what kubectl was asked."""

    def __init__(self, directory: Path) -> None:
        self.stand_in, self.calls_file = directory / "kubectl", directory / "calls"
        self.stand_in.write_text(STAND_IN)
        self.stand_in.chmod(0o755)

    def run(self, *arguments: str, existing: str = "", fails: str = "", kubeconfig: str = "any") -> str:
        environment = {
            **{"KUBECTL": str(self.stand_in), "CALLS": str(self.calls_file), "EXISTING": existing, "FAILS": fails},
            **{"KUBECONFIG": kubeconfig, "HOME": str(self.calls_file.parent), "PATH": os.environ["PATH"]},
        }
        command = [sys.executable, str(REPOSITORY / "scripts" / "verify-cluster"), *arguments]
        self.done = subprocess.run(command, capture_output=True, text=True, env=environment)
        return self.done.stderr

    @property
    def applied(self) -> list[list[dict[str, object]]]:
        calls = [json.loads(line) for line in self.calls_file.read_text().splitlines()]
        assert all(
            arguments[1:] == ["--dry-run=server", "-f", "-"] for arguments, _ in calls if arguments[0] == "apply"
        )
        return [list(yaml.safe_load_all(text)) for arguments, text in calls if arguments[0] == "apply"]


@pytest.fixture
def verification(tmp_path: Path) -> Verification:
    return Verification(tmp_path)


def test_an_overlay_is_tried_namespaces_first_and_nothing_is_written(verification: Verification) -> None:
    said = verification.run("production", existing="mediareview mediareview-pipelines")
    assert verification.done.returncode == 0
    assert said == "The cluster would take the overlay production; nothing was changed.\n"
    namespaces, others = verification.applied
    assert {item["kind"] for item in namespaces} == {"Namespace"}
    assert "Namespace" not in {item["kind"] for item in others}
    assert {"mediareview", "mediareview-pipelines"} <= {item["metadata"].get("namespace") for item in others}  # type: ignore[attr-defined]


def test_what_belongs_into_a_missing_namespace_is_tried_in_another(verification: Verification) -> None:
    said = verification.run("production", existing="mediareview-pipelines")
    assert "Namespace mediareview does not exist yet: its objects are tried in default." in said
    _, others = verification.applied
    assert "mediareview" not in {item["metadata"].get("namespace") for item in others}  # type: ignore[attr-defined]


def test_a_refusal_is_an_error_that_points_to_the_doctor(verification: Verification) -> None:
    said = verification.run("kind", existing="mediareview kubeflow", fails="apply")
    assert verification.done.returncode == 1
    assert "mediareview doctor --cluster --overlay kind tells what the cluster lacks." in said


def test_without_a_cluster_it_says_what_to_give(verification: Verification) -> None:
    assert verification.run(kubeconfig="") == (
        "No cluster is given.\n  Name a kubeconfig file: make verify-cluster KUBECONFIG=~/.kube/config\n"
    )
    assert "The cluster cannot be reached: refused" in verification.run(fails="version")
    assert "Use one of them: OVERLAY=kind|production|staging" in verification.run("prod")
    assert verification.done.returncode == 1
