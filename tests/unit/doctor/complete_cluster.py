"""A cluster that has everything which the overlays need, and how to change it."""

from typing import Any

from tests.kubernetes_api import KubernetesApi

GROUPS = {
    ("apps/v1", "deployments"): "Deployment",
    ("cert-manager.io/v1", "clusterissuers"): "ClusterIssuer",
    ("external-secrets.io/v1", "clustersecretstores"): "ClusterSecretStore",
    ("gateway.networking.k8s.io/v1", "gatewayclasses"): "GatewayClass",
    ("metrics.k8s.io/v1beta1", "pods"): "PodMetrics",
    ("storage.k8s.io/v1", "storageclasses"): "StorageClass",
}

DEFINITIONS = {
    "certificates.cert-manager.io": {},
    "gateways.gateway.networking.k8s.io": {"gateway.networking.k8s.io/bundle-version": "v1.4.1"},
    "inferenceservices.serving.kserve.io": {},
    "jobsets.jobset.x-k8s.io": {},
    "podmonitors.monitoring.coreos.com": {},
    "scaledobjects.keda.sh": {},
    "externalsecrets.external-secrets.io": {},
    "securitypolicies.gateway.envoyproxy.io": {},
    "sparkapplications.sparkoperator.k8s.io": {},
    "trainjobs.trainer.kubeflow.org": {},
}

IMAGES = {
    "cert-manager": "quay.io/jetstack/cert-manager-controller:v1.18.2",
    "envoy-gateway": "docker.io/envoyproxy/gateway:v1.8.0",
    "external-secrets": "ghcr.io/external-secrets/external-secrets:v2.1.0",
    "jobset": "registry.k8s.io/jobset/jobset:v0.11.0",
    "keda": "ghcr.io/kedacore/keda:2.19.0",
    "kserve-controller-manager": "docker.io/kserve/kserve-controller:v0.21.0",
    "ml-pipeline": "ghcr.io/kubeflow/kfp-api-server:2.17.0",
    "prometheus-operator": "quay.io/prometheus-operator/prometheus-operator:v0.93.0",
    "spark-operator": "ghcr.io/kubeflow/spark-operator/controller:2.5.0",
    "trainer": "ghcr.io/kubeflow/trainer/trainer-controller-manager:v2.2.0",
}

SETTINGS = {
    "ingress": '{"enableGatewayApi": true}',
    "deploy": '{"defaultDeploymentMode": "Standard"}',
    "service": '{"serviceClusterIPNone": false}',
    "inferenceService": '{"serviceAnnotationDisallowedList": ["example.com/other", "mediareview.dev/rollout"]}',
}


def complete(server: KubernetesApi) -> None:
    """Put all there that the overlays need."""
    server.resources.update(GROUPS)
    for name, annotations in DEFINITIONS.items():
        put(server, "apiextensions.k8s.io/v1", "CustomResourceDefinition", name, annotations=annotations)
    for name, image in IMAGES.items():
        put_deployment(server, name, image)
    put(server, "v1", "ConfigMap", "inferenceservice-config", namespace="kserve", data=SETTINGS)
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    accepted = {"conditions": [{"type": "Accepted", "status": "True"}]}
    put(server, "gateway.networking.k8s.io/v1", "GatewayClass", "eg", plural="gatewayclasses", status=accepted)
    for issuer in ("letsencrypt", "letsencrypt-staging"):
        put(server, "cert-manager.io/v1", "ClusterIssuer", issuer, status=ready)
    for store in ("staging", "production"):
        put(server, "external-secrets.io/v1", "ClusterSecretStore", store, status=ready)
    put_storage_class(server, "standard", "rancher.io/local-path", default=True)
    put_storage_class(server, "shared-files", "efs.csi.aws.com")
    put(server, "v1", "Namespace", "kubeflow")
    for namespace, names in {
        "mediareview": ("api", "mlflow", "object-store", "online-store", "online-store-server", "s3"),
        "kubeflow": ("online-store", "s3"),
    }.items():
        for name in names:
            put(server, "v1", "Secret", f"mediareview-{name}", namespace=namespace, data={"key": "bWFkZS11cA=="})


def put(
    server: KubernetesApi,
    version: str,
    kind: str,
    name: str,
    *,
    namespace: str = "",
    plural: str = "",
    annotations: dict[str, str] | None = None,
    status: Any = None,
    **fields: Any,
) -> None:
    metadata = {"name": name, "annotations": annotations or {}, **({"namespace": namespace} if namespace else {})}
    server.put({"apiVersion": version, "kind": kind, "metadata": metadata, **fields}, plural=plural, status=status)


def put_deployment(server: KubernetesApi, name: str, image: str) -> None:
    spec = {"template": {"spec": {"containers": [{"name": "manager", "image": image}]}}}
    put(server, "apps/v1", "Deployment", name, namespace=f"{name}-system", spec=spec)


def put_storage_class(server: KubernetesApi, name: str, provisioner: str, *, default: bool = False) -> None:
    marked = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    put(
        server, "storage.k8s.io/v1", "StorageClass", name, plural="storageclasses", annotations=marked,
        provisioner=provisioner,
    )  # fmt: skip
