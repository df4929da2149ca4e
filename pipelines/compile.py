"""Compile pipelines to Kubeflow's intermediate representation (IR YAML)."""

from pathlib import Path

from pipelines.catalogue import check_name


def compile_pipeline(name: str, directory: Path) -> Path:
    """Write ``NAME.yaml`` and return its path.

    Raises:
        MediaReviewError: there is no such pipeline.
    """
    check_name(name)
    from kfp.compiler import Compiler

    from pipelines.training import PIPELINES

    directory.mkdir(parents=True, exist_ok=True)
    target = directory / f"{name}.yaml"
    Compiler().compile(PIPELINES[name], str(target))
    return target
