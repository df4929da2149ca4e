"""What the doctor sees on a cluster, and what it says is missing."""

from pathlib import Path

import pytest
import yaml

from mediareview.errors import MediaReviewError
from mediareview.kubernetes import Access, Kubernetes
from pipelines.doctor import Finding, Mark, cluster_checks, examine
from pipelines.doctor.detection import is_older
from pipelines.doctor.prerequisites import MANIFESTS, load_prerequisites
from tests.kubernetes_api import KubernetesApi
from tests.unit.doctor.complete_cluster import put, put_deployment, put_storage_class


def findings(cluster: Kubernetes, overlay: str = "kind") -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(cluster_checks(overlay, api=cluster))}


def one(cluster: Kubernetes, name: str, overlay: str = "kind") -> tuple[Mark, str]:
    found = findings(cluster, overlay)[name]
    return found.mark, found.found


@pytest.mark.parametrize("overlay", ["kind", "staging", "production"])
def test_nothing_is_missing_on_a_complete_cluster(cluster: Kubernetes, overlay: str) -> None:
    found = findings(cluster, overlay)
    assert {name: item.found for name, item in found.items() if item.mark is not Mark.OK} == {}
    assert found["KServe"].found == "v0.21.0 (kserve-controller-manager-system/kserve-controller-manager)"
    assert found["Gateway API"].found == "v1.4.1"
    assert ("KEDA" in found, "External Secrets" in found) == ((False, False) if overlay == "kind" else (True, True))


def test_what_is_missing_says_in_one_line_what_for_and_how_to_install_it(
    server: KubernetesApi, cluster: Kubernetes
) -> None:
    server.remove("apiextensions.k8s.io/v1", "customresourcedefinitions", "", "trainjobs.trainer.kubeflow.org")
    assert findings(cluster)["Kubeflow Trainer"] == Finding(
        "Kubeflow Trainer",
        Mark.MISSING,
        "there is no trainjobs.trainer.kubeflow.org",
        "fine-tunes encoders on several nodes (TrainJob). Install 2.2 or newer: "
        "https://www.kubeflow.org/docs/components/trainer/operator-guides/installation/",
    )


def test_an_old_version_will_not_do(server: KubernetesApi, cluster: Kubernetes) -> None:
    put_deployment(server, "kserve-controller-manager", "kserve/kserve-controller:v0.19.1")
    assert one(cluster, "KServe") == (
        Mark.MISSING,
        "v0.19.1 (kserve-controller-manager-system/kserve-controller-manager) is older than 0.20",
    )


def test_definitions_without_their_controller_will_not_do(server: KubernetesApi, cluster: Kubernetes) -> None:
    server.remove("apps/v1", "deployments", "keda-system", "keda")
    assert one(cluster, "KEDA", "production") == (
        Mark.MISSING,
        "scaledobjects.keda.sh is there, but no Deployment runs an image kedacore/keda",
    )


def test_a_version_that_an_image_does_not_tell_is_a_warning(server: KubernetesApi, cluster: Kubernetes) -> None:
    put_deployment(server, "keda", "registry.example.com:5000/kedacore/keda@sha256:" + "0" * 64)
    mark, found = one(cluster, "KEDA", "production")
    assert (mark, found) == (Mark.WARNING, "of unknown version (keda-system/keda)")


@pytest.mark.parametrize(
    ("ingress", "mark", "found"),
    [
        ('{"enableGatewayApi": true}', Mark.OK, "enableGatewayApi is true"),
        (
            '{"enableGatewayApi": false}',
            Mark.MISSING,
            "enableGatewayApi is false; set it to true under ingress in ConfigMap kserve/inferenceservice-config",
        ),
        (
            "{}",
            Mark.MISSING,
            "enableGatewayApi is false; set it to true under ingress in ConfigMap kserve/inferenceservice-config",
        ),
        ("{", Mark.MISSING, "ingress in ConfigMap kserve/inferenceservice-config is no JSON object"),
    ],
)
def test_kserve_must_write_httproutes(
    server: KubernetesApi, cluster: Kubernetes, ingress: str, mark: Mark, found: str
) -> None:
    put(server, "v1", "ConfigMap", "inferenceservice-config", namespace="kserve", data={"ingress": ingress})
    assert one(cluster, "KServe on Gateway API") == (mark, found)


def test_headless_predictors_are_found_before_they_fail(server: KubernetesApi, cluster: Kubernetes) -> None:
    settings = {"ingress": '{"enableGatewayApi": true}', "service": '{"serviceClusterIPNone": true}'}
    put(server, "v1", "ConfigMap", "inferenceservice-config", namespace="kserve", data=settings)
    assert one(cluster, "KServe's Services have addresses")[0] is Mark.MISSING
    mark, found = one(cluster, "KServe's default mode")
    assert mark is Mark.WARNING
    assert found.startswith('defaultDeploymentMode is "Knative"; set it to "Standard" under deploy in ConfigMap ')


@pytest.mark.parametrize("listed", ["{}", '{"serviceAnnotationDisallowedList": ["example.com/other"]}'])
def test_changes_of_rollouts_must_not_restart_pods(server: KubernetesApi, cluster: Kubernetes, listed: str) -> None:
    put(server, "v1", "ConfigMap", "inferenceservice-config", namespace="kserve", data={"inferenceService": listed})
    assert one(cluster, "KServe leaves rollouts to us") == (
        Mark.MISSING,
        'serviceAnnotationDisallowedList lacks "mediareview.dev/rollout"; add it under inferenceService in ConfigMap '
        "kserve/inferenceservice-config",
    )


def test_a_gateway_class_must_be_accepted(server: KubernetesApi, cluster: Kubernetes) -> None:
    refused = {"conditions": [{"type": "Accepted", "status": "False", "message": "no such controller"}]}
    server.set_status("gateway.networking.k8s.io/v1", "gatewayclasses", "", "eg", refused)
    assert one(cluster, "GatewayClass") == (Mark.MISSING, "eg is not Accepted: no such controller")
    server.remove("gateway.networking.k8s.io/v1", "gatewayclasses", "", "eg")
    assert one(cluster, "GatewayClass") == (Mark.MISSING, "there is no eg among gatewayclasses")


def test_an_api_that_is_not_served_is_missing(server: KubernetesApi, cluster: Kubernetes) -> None:
    server.withdraw("metrics.k8s.io")
    assert one(cluster, "metrics-server") == (Mark.MISSING, "metrics.k8s.io/v1beta1 is not served")


def test_a_volume_for_all_steps_needs_shared_files(server: KubernetesApi, cluster: Kubernetes) -> None:
    put_storage_class(server, "shared-files", "ebs.csi.aws.com")
    assert one(cluster, "StorageClass of pipelines", "production") == (
        Mark.MISSING,
        "volumes of shared-files (ebs.csi.aws.com) are mounted by one node, not ReadWriteMany;"
        " name a class of shared files in platform.yaml",
    )
    assert one(cluster, "StorageClass of pipelines", "kind")[0] is Mark.OK
    server.remove("storage.k8s.io/v1", "storageclasses", "", "standard")
    assert one(cluster, "default StorageClass", "production") == (
        Mark.MISSING,
        "no StorageClass is the default; there are: shared-files",
    )


def test_secrets_are_looked_for_by_name_and_never_shown(server: KubernetesApi, cluster: Kubernetes) -> None:
    server.remove("v1", "secrets", "kubeflow", "mediareview-s3")
    found = findings(cluster)["secrets"]
    assert (found.mark, found.found) == (Mark.MISSING, "there is no kubeflow/mediareview-s3")
    assert "scripts/kind-secrets | kubectl create -f -" in found.hint
    assert "bWFkZS11cA" not in str(findings(cluster))


def test_what_the_caller_may_not_see_is_a_warning(server: KubernetesApi, cluster: Kubernetes) -> None:
    server.forbid("get", "secrets")
    server.forbid("list", "deployments")
    server.forbid("get", "customresourcedefinitions")
    found = findings(cluster)
    assert (found["secrets"].mark, found["secrets"].found) == (
        Mark.WARNING,
        "you may not see the secrets of mediareview",
    )
    assert found["Kubeflow Pipelines"].mark is Mark.WARNING
    assert found["KServe"] == Finding(
        "KServe", Mark.WARNING, "it is there, as far as you may see", "Ask somebody who may see it."
    )
    # Discovery tells that a group is served, but not by which version; an annotation cannot be seen.
    assert found["Gateway API"].mark is Mark.MISSING
    assert "does not permit to get customresourcedefinitions" in found["Gateway API"].found


def test_what_the_caller_may_not_apply_is_told(server: KubernetesApi, cluster: Kubernetes) -> None:
    server.forbid("patch", "inferenceservices")
    server.forbid("create", "configmaps")
    assert one(cluster, "permission to apply") == (
        Mark.MISSING,
        "you may not create configmaps in kubeflow, create configmaps in mediareview,"
        " patch inferenceservices.serving.kserve.io in mediareview",
    )


def test_permission_is_not_looked_at_without_kubectl(cluster: Kubernetes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *arguments, **keywords: None)
    assert one(cluster, "permission to apply")[0] is Mark.WARNING


def test_a_cluster_that_cannot_be_asked_is_one_error(
    server: KubernetesApi, cluster: Kubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mediareview.kubernetes.RETRY_DELAYS_S", ())
    expired = Kubernetes(Access(server.url, lambda: "Bearer expired", None))
    with pytest.raises(MediaReviewError, match="does not accept this process' credentials"):
        list(cluster_checks("kind", api=expired))
    server.stop()
    with pytest.raises(MediaReviewError, match="does not answer"):
        list(cluster_checks("kind", api=cluster))


def test_an_overlay_that_there_is_not_and_a_place_without_manifests_are_errors(tmp_path: Path) -> None:
    with pytest.raises(MediaReviewError, match="There is no overlay 'prod'"):
        load_prerequisites("prod", MANIFESTS)
    with pytest.raises(MediaReviewError, match="Run this in a clone of the repository"):
        load_prerequisites("kind", tmp_path)


def test_a_value_that_platform_yaml_lacks_and_a_wrong_entry_are_errors(tmp_path: Path) -> None:
    overlay = tmp_path / "overlays" / "kind"
    overlay.mkdir(parents=True)
    (overlay / "kustomization.yaml").touch()
    (overlay / "platform.yaml").write_text("spec: {gatewayClass: eg}\n")
    detect = {"by": "object", "version": "v1", "plural": "p", "name": "${storage}"}
    entry = {"name": "N", "why": "w", "install": "https://example.com", "detect": detect}
    (tmp_path / "prerequisites.yaml").write_text(yaml.safe_dump({"prerequisites": [entry]}))
    with pytest.raises(MediaReviewError, match=r"uses 'storage', which the platform\.yaml of kind does not have"):
        load_prerequisites("kind", tmp_path)
    entry["detect"] = {"by": "magic"}
    (tmp_path / "prerequisites.yaml").write_text(yaml.safe_dump({"prerequisites": [entry]}))
    with pytest.raises(MediaReviewError, match=r"prerequisites\.yaml is wrong"):
        load_prerequisites("kind", tmp_path)


@pytest.mark.parametrize(
    ("version", "minimum", "older"),
    [("v0.19.1", "0.20", True), ("v0.20.0-rc1", "0.20", False), ("2.5.0", "2.5", False), ("v1.9", "1.10", True)],
)
def test_versions_are_compared_number_by_number(version: str, minimum: str, older: bool) -> None:
    assert is_older(version, minimum) is older
