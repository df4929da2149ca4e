"""What rollouts need of a bucket: the audit log in the lake, and artifacts whose manifest is read first."""

from pathlib import Path

import pytest

from mediareview.artifact import MANIFEST, Manifest
from mediareview.errors import MediaReviewError
from mediareview.s3 import ensure_bucket, s3_client
from mediareview.settings import Settings
from serving.objects import ObjectDirectory
from serving.rollouts.audit import AuditLog
from serving.rollouts.candidate import check_artifact
from serving.rollouts.operations import Rollouts
from serving.rollouts.plan import Plan
from serving.rollouts.rollout import Candidate
from tests.rollout_world import BUILT, CANDIDATE, NAME, disagreements, status_of

pytestmark = pytest.mark.integration


def test_a_rollout_is_logged_in_a_bucket(s3: Settings, tmp_path: Path) -> None:
    objects = ObjectDirectory(tmp_path)
    objects.apply(BUILT)
    log = AuditLog.from_settings(s3)
    rollouts = Rollouts(objects, log)
    rollouts.start(NAME, CANDIDATE, Plan(), "ana", "")
    objects.update_status(NAME, status_of(objects.get(NAME)))
    rollouts.enter(NAME, actor="ana", reason="")
    assert rollouts.roll_back(NAME, actor="ana", reason="").pending == ()
    assert disagreements(objects.get(NAME), log.history(NAME)) == []
    assert [change.action for change in AuditLog.from_settings(s3).history(NAME)] == ["start", "enter", "roll_back"]


def candidate(key: str, version: str = "2") -> Candidate:
    return Candidate(version=version, uri=f"s3://models/{key}", predictor="v2")


def test_an_artifact_in_a_bucket_is_known_by_its_manifest(s3: Settings) -> None:
    cluster = s3.model_copy(update={"serving_url": "kubernetes://ml"})
    ensure_bucket("s3://models/2", s3)
    client = s3_client(s3)
    manifest = Manifest(name=NAME, variety="test", version="2").model_dump_json().encode()
    client.put_object(Bucket="models", Key=f"sentiment/2/{MANIFEST}", Body=manifest)
    client.put_object(Bucket="models", Key=f"broken/{MANIFEST}", Body=b'{"name": 7}')
    assert check_artifact(NAME, candidate("sentiment/2/"), cluster).version == "2"
    for key, version, words in (
        ("sentiment/2", "3", "holds sentiment version 2, not sentiment version 3"),
        ("nothing", "2", r"models/nothing/model\.json cannot be read"),
        ("broken", "2", "is not a valid manifest"),
    ):
        with pytest.raises(MediaReviewError, match=words):
            check_artifact(NAME, candidate(key, version), cluster)
