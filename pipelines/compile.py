"""Compile pipelines, with how their steps run on a cluster, to what a Kubeflow Pipelines server accepts."""

import hashlib
from pathlib import Path
from typing import Any

from mediareview import __version__
from pipelines.catalogue import check_name
from pipelines.cluster import ClusterConfig


def compile_pipeline(name: str, directory: Path, config: ClusterConfig) -> Path:
    """Write ``NAME.yaml``: intermediate representation (IR), and as a second document its Kubernetes settings.

    Raises:
        MediaReviewError: there is no such pipeline.
    """
    return _compile(name, directory, config)


def compile_to_objects(name: str, directory: Path, config: ClusterConfig, namespace: str = "") -> Path:
    """Write ``NAME.yaml`` with the Kubernetes objects Pipeline and PipelineVersion, for a KFP that keeps them so.

    A version is named by its content: applying it twice changes nothing, and a changed pipeline is a new version.

    Raises:
        MediaReviewError: there is no such pipeline.
    """
    from kfp.compiler.compiler_utils import KubernetesManifestOptions

    version = version_name(_compile(name, directory, config))
    options = KubernetesManifestOptions(
        pipeline_version_name=f"{name}-{version}",
        pipeline_version_display_name=version,
        namespace=namespace or None,
        include_pipeline_manifest=True,
    )
    return _compile(name, directory, config, kubernetes_manifest_format=True, kubernetes_manifest_options=options)


def version_name(package: Path) -> str:
    """Return the name of a compiled pipeline's version: that of the code, and a digest of the package."""
    return f"{__version__}-{hashlib.sha256(package.read_bytes()).hexdigest()[:12]}"


def _compile(name: str, directory: Path, config: ClusterConfig, **options: Any) -> Path:
    check_name(name)
    from kfp.compiler import Compiler

    from pipelines.cluster.tasks import configure
    from pipelines.training import training_pipeline

    directory.mkdir(parents=True, exist_ok=True)
    target = directory / f"{name}.yaml"
    pipeline = training_pipeline(name.removeprefix("train-"), lambda step, task: configure(task, config.steps[step]))
    Compiler().compile(pipeline, str(target), **options)
    return target
