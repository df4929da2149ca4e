"""``manifests/prerequisites.yaml`` lists what the overlays take for granted: the doctor forgets nothing."""

from typing import Any

from pipelines.doctor.detection import Annotation, ObjectOf, Operator, Secrets, Storage
from pipelines.doctor.prerequisites import MANIFESTS, load_prerequisites

from .objects import at, group_of, name_of, namespace_of
from .pods import pods
from .policies.references import known_secrets, references_of
from .render import Render
from .schemas import is_built_in


def detections(overlay: Render, *kinds: type) -> list[Any]:
    found = [prerequisite.detect for prerequisite in load_prerequisites(overlay.name, MANIFESTS)]
    return [detection for detection in found if isinstance(detection, kinds)]


def objects(overlay: Render, plural: str) -> set[str]:
    return {detection.name for detection in detections(overlay, ObjectOf) if detection.plural == plural}


def test_every_custom_kind_has_its_operator(overlay: Render) -> None:
    used = {group_of(item) for item in overlay.objects if not is_built_in(item)}
    listed = {found.definition.partition(".")[2] for found in detections(overlay, Operator, Annotation)}
    assert used - listed == set()


def test_every_namespace_is_made_or_looked_for(overlay: Render) -> None:
    made = set(overlay.namespaces)
    assert set(overlay.our_namespaces) - made - objects(overlay, "namespaces") == set()


def test_every_secret_is_made_or_looked_for(overlay: Render) -> None:
    by_script = {f"{namespace_of(item)}/{name_of(item)}" for item in overlay.secrets}
    looked_for = {name for found in detections(overlay, Secrets) for name in found.names}
    assert looked_for == by_script
    made = known_secrets(overlay)
    used = {(pod.namespace, ref.name) for pod in pods(overlay) for ref in references_of(pod) if ref.kind == "Secret"}
    assert used - set(made) == set()


def test_what_the_cluster_provides_is_looked_for_by_its_name(overlay: Render) -> None:
    issuers = {
        item["spec"]["issuerRef"]["name"]
        for item in overlay.of("Certificate")
        if item["spec"]["issuerRef"].get("kind") == "ClusterIssuer"
    }
    stores = {item["spec"]["secretStoreRef"]["name"] for item in overlay.of("ExternalSecret")}
    classes = {item["spec"]["gatewayClassName"] for item in overlay.of("Gateway")}
    assert objects(overlay, "clusterissuers") == issuers
    assert objects(overlay, "clustersecretstores") == stores
    assert objects(overlay, "gatewayclasses") == classes


def test_every_storage_class_is_looked_for(overlay: Render) -> None:
    claims = [item["spec"] for item in overlay.of("PersistentVolumeClaim")]
    claims += [
        template["spec"] for item in overlay.of("StatefulSet") for template in at(item, "spec.volumeClaimTemplates", [])
    ]
    wanted = {(claim.get("storageClassName", ""), mode) for claim in claims for mode in claim["accessModes"]}
    assert wanted - {(found.name, found.access) for found in detections(overlay, Storage)} == set()
