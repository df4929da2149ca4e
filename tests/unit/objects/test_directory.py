"""The object directory behaves like the Kubernetes API in what matters: nobody's change is lost."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mediareview.errors import MediaReviewError
from serving.objects import SERVING_RUNTIME, ConflictError, ObjectDirectory


def service(uri: str = "file:///models/1", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "sentiment"},
        "spec": {"predictor": {"model": {"storageUri": uri}}, **spec},
    }


CANARY = [{"trafficPercent": 10, "predictor": {"name": "next", "model": {"name": "kserve-container", "x": [1, None]}}}]


@pytest.fixture
def objects(tmp_path: Path) -> ObjectDirectory:
    return ObjectDirectory(tmp_path / "objects")


def test_applying_the_same_object_again_changes_nothing(objects: ObjectDirectory) -> None:
    assert objects.apply(service())
    before = (objects.path / "sentiment.yaml").read_bytes()
    assert not objects.apply(service())
    assert (objects.path / "sentiment.yaml").read_bytes() == before


def test_generation_counts_changes_of_the_spec_and_resource_version_counts_writes(objects: ObjectDirectory) -> None:
    objects.apply(service())
    objects.update_status("sentiment", {"url": "http://127.0.0.1:1"})
    metadata = objects.get("sentiment")["metadata"]
    assert (metadata["generation"], metadata["resourceVersion"]) == (1, "2")
    objects.apply(service("file:///models/2"))
    metadata = objects.get("sentiment")["metadata"]
    assert (metadata["generation"], metadata["resourceVersion"]) == (2, "3")


def test_deploying_a_new_version_keeps_canaries_and_status(objects: ObjectDirectory) -> None:
    objects.apply(service(canary=CANARY))
    objects.update_status("sentiment", {"url": "http://127.0.0.1:1"})
    objects.apply(service("file:///models/2"))
    stored = objects.get("sentiment")
    assert stored["spec"]["canary"] == CANARY
    assert stored["spec"]["predictor"]["model"]["storageUri"] == "file:///models/2"
    assert stored["status"] == {"url": "http://127.0.0.1:1"}


def test_a_null_removes_a_field(objects: ObjectDirectory) -> None:
    objects.apply(service(canary=CANARY))
    objects.apply(service(canary=None))
    assert "canary" not in objects.get("sentiment")["spec"]


def test_replacing_what_somebody_else_changed_is_refused(objects: ObjectDirectory) -> None:
    objects.apply(service())
    read = objects.get("sentiment")
    objects.apply(service("file:///models/2"))
    read["spec"]["canary"] = CANARY
    with pytest.raises(ConflictError, match="changed by somebody else"):
        objects.replace(read)
    again = objects.get("sentiment")
    again["spec"]["canary"] = CANARY
    assert objects.replace(again)
    assert objects.get("sentiment")["spec"]["canary"] == CANARY


def test_replacing_the_spec_keeps_the_status_that_was_written_meanwhile_by_version(objects: ObjectDirectory) -> None:
    objects.apply(service())
    version = objects.get("sentiment")["metadata"]["resourceVersion"]
    assert objects.update_status("sentiment", {"url": "a"}, resource_version=version)
    with pytest.raises(ConflictError):
        objects.update_status("sentiment", {"url": "b"}, resource_version=version)
    read = objects.get("sentiment")
    read["status"] = {"url": "forged"}
    read["spec"]["canary"] = CANARY
    objects.replace(read)
    assert objects.get("sentiment")["status"] == {"url": "a"}


def test_a_status_for_a_deleted_object_does_not_bring_it_back(objects: ObjectDirectory) -> None:
    objects.apply(service())
    assert objects.delete("sentiment")
    assert not objects.update_status("sentiment", {"url": "a"})
    assert objects.list() == []
    assert not objects.delete("sentiment")


WRITER = """
import sys
from pathlib import Path
from serving.objects import ObjectDirectory

objects, key = ObjectDirectory(Path(sys.argv[1])), sys.argv[2]
for number in range(20):
    metadata = {"name": "sentiment", "labels": {f"{key}-{number}": "yes"}}
    objects.apply({"kind": "InferenceService", "metadata": metadata, "spec": {}})
"""


def test_concurrent_writers_lose_no_update(objects: ObjectDirectory) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(objects.path), key]) for key in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    stored = objects.get("sentiment")
    assert len(stored["metadata"]["labels"]) == 60
    assert stored["metadata"]["resourceVersion"] == "60"


def test_kinds_are_kept_apart(objects: ObjectDirectory) -> None:
    objects.apply(service())
    objects.apply({"kind": "ServingRuntime", "metadata": {"name": "mediareview"}, "spec": {"containers": []}})
    assert [item["metadata"]["name"] for item in objects.list()] == ["sentiment"]
    assert [item["metadata"]["name"] for item in objects.list(SERVING_RUNTIME)] == ["mediareview"]
    assert sorted(path.name for path in objects.path.glob("*.yaml")) == ["runtime-mediareview.yaml", "sentiment.yaml"]


def test_the_fingerprint_changes_with_every_write_only(objects: ObjectDirectory) -> None:
    seen = [objects.fingerprint()]
    objects.apply(service())
    seen.append(objects.fingerprint())
    objects.get("sentiment")
    objects.apply(service())
    assert objects.fingerprint() == seen[-1]
    objects.update_status("sentiment", {"url": "a"})
    assert objects.fingerprint() not in seen


@pytest.mark.parametrize("content", ["{", "just text", "- 1", "", "kind: InferenceService"])
def test_a_file_that_is_no_object_is_named(objects: ObjectDirectory, content: str) -> None:
    objects.apply(service())
    (objects.path / "broken.yaml").write_text(content)
    with pytest.raises(MediaReviewError, match=r"broken\.yaml"):
        objects.list()


@pytest.mark.parametrize("name", ["../evil", "Upper", "", "a" * 64, "a/b", "-a"])
def test_names_that_kubernetes_would_refuse_are_refused(objects: ObjectDirectory, name: str) -> None:
    with pytest.raises(MediaReviewError, match="no object name"):
        objects.get(name)


def test_a_missing_object_says_how_to_get_one(objects: ObjectDirectory) -> None:
    with pytest.raises(MediaReviewError, match="pipeline run train-sentiment"):
        objects.get("sentiment")


def test_files_are_plain_yaml(objects: ObjectDirectory) -> None:
    objects.apply(service())
    assert yaml.safe_load((objects.path / "sentiment.yaml").read_text()) == objects.get("sentiment")
