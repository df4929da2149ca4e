"""Pipelines and their versions on the server. A version is named by its content, so one is uploaded only once."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import kfp_server_api

from pipelines.cluster import ClusterConfig
from pipelines.compile import compile_pipeline, version_name
from pipelines.kubeflow.api import Kubeflow, create_once, find


class Version(NamedTuple):
    """A version of a pipeline on the server."""

    pipeline_id: str
    version_id: str
    name: str
    uploaded: bool
    """Whether it was not there before."""

    def reference(self) -> kfp_server_api.V2beta1PipelineVersionReference:
        """Return what a run refers to it by."""
        return kfp_server_api.V2beta1PipelineVersionReference(
            pipeline_id=self.pipeline_id, pipeline_version_id=self.version_id
        )


def find_pipeline(kubeflow: Kubeflow, name: str) -> kfp_server_api.V2beta1Pipeline | None:
    """Return the pipeline of that name, or None if it was never uploaded."""
    return find(kubeflow.pipelines.pipeline_service_list_pipelines, "pipelines", name, **kubeflow.scope())


def ensure_version(kubeflow: Kubeflow, name: str, config: ClusterConfig) -> Version:
    """Compile a pipeline and upload it, unless the server has that very content already.

    Raises:
        MediaReviewError: there is no such pipeline, or the server refuses it.
    """
    with TemporaryDirectory() as directory:
        package = compile_pipeline(name, Path(directory), config)
        return _upload(kubeflow, name, package)


def _upload(kubeflow: Kubeflow, name: str, package: Path) -> Version:
    pipeline = find_pipeline(kubeflow, name) or create_once(
        lambda: kubeflow.pipelines.pipeline_service_create_pipeline(
            kfp_server_api.V2beta1Pipeline(name=name, display_name=name, **kubeflow.scope())
        ),
        lambda: find_pipeline(kubeflow, name),
    )
    label = version_name(package)

    def version() -> kfp_server_api.V2beta1PipelineVersion | None:
        return find(
            kubeflow.pipelines.pipeline_service_list_pipeline_versions,
            "pipeline_versions",
            label,
            pipeline_id=pipeline.pipeline_id,
        )

    there = version()
    found = there or create_once(
        lambda: kubeflow.uploads.upload_pipeline_version(
            str(package), name=label, display_name=label, pipelineid=pipeline.pipeline_id
        ),
        version,
    )
    return Version(pipeline.pipeline_id, found.pipeline_version_id, label, uploaded=there is None)


def ensure_experiment(kubeflow: Kubeflow, name: str) -> str:
    """Return the ID of the experiment of that name; it is created if there is none."""

    def experiment() -> kfp_server_api.V2beta1Experiment | None:
        return find(kubeflow.experiments.experiment_service_list_experiments, "experiments", name, **kubeflow.scope())

    found = experiment() or create_once(
        lambda: kubeflow.experiments.experiment_service_create_experiment(
            kfp_server_api.V2beta1Experiment(display_name=name, **kubeflow.scope())
        ),
        experiment,
    )
    return str(found.experiment_id)
