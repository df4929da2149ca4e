"""Apply a step's configuration to its KFP task, so that the compiled pipeline carries it."""

from typing import Any

from kfp import kubernetes

from pipelines.cluster.step import StepConfig


def configure(task: Any, step: StepConfig) -> None:
    """Make the task run as configured. KFP itself forbids privilege escalation and drops all capabilities.

    Args:
        task: a ``kfp.dsl.PipelineTask`` of the pipeline that is being compiled.
        step: how it runs.
    """
    _container(task, step)
    _environment(task, step)
    _volumes(task, step)
    _resources(task, step)
    _scheduling(task, step)
    _failure(task, step)


def _container(task: Any, step: StepConfig) -> None:
    task.set_container_image(step.image)
    kubernetes.set_image_pull_policy(task, step.pull_policy)
    if step.pull_secrets:
        kubernetes.set_image_pull_secrets(task, step.pull_secrets)
    kubernetes.set_security_context(
        task, run_as_user=step.run_as.user, run_as_group=step.run_as.group, run_as_non_root=True
    )


def _environment(task: Any, step: StepConfig) -> None:
    for name, value in step.environment.items():
        task.set_env_variable(name, value)
    for config_map, keys in step.config_maps.items():
        for variables, optional in ((keys.required, False), (keys.optional, True)):
            if variables:
                kubernetes.use_config_map_as_env(
                    task, config_map, dict(zip(variables, variables, strict=True)), optional
                )
    for secret, keys_to_variables in step.secrets.items():
        kubernetes.use_secret_as_env(task, secret, keys_to_variables)


def _volumes(task: Any, step: StepConfig) -> None:
    for claim, path in step.volumes.items():
        kubernetes.mount_pvc(task, claim, path)
    for path, size in step.scratch.items():
        kubernetes.empty_dir_mount(task, path.strip("/").replace("/", "-").lower(), path, size_limit=size)


def _resources(task: Any, step: StepConfig) -> None:
    for resources, set_cpu, set_memory in (
        (step.requests, task.set_cpu_request, task.set_memory_request),
        (step.limits, task.set_cpu_limit, task.set_memory_limit),
    ):
        if resources.cpu:
            set_cpu(resources.cpu)
        if resources.memory:
            set_memory(resources.memory)
    if step.accelerator:
        task.set_accelerator_type(step.accelerator.type)
        task.set_accelerator_limit(step.accelerator.count)


def _scheduling(task: Any, step: StepConfig) -> None:
    for key, value in step.node_selector.items():
        kubernetes.add_node_selector(task, key, value)
    for toleration in step.tolerations:
        kubernetes.add_toleration(
            task,
            key=toleration.key or None,
            operator=toleration.operator,
            value=toleration.value or None,
            effect=toleration.effect or None,
            toleration_seconds=toleration.seconds,
        )
    for key, value in step.labels.items():
        kubernetes.add_pod_label(task, key, value)
    for key, value in step.annotations.items():
        kubernetes.add_pod_annotation(task, key, value)


def _failure(task: Any, step: StepConfig) -> None:
    kubernetes.set_timeout(task, step.timeout_s)
    if step.retries.count:
        task.set_retry(
            step.retries.count,
            backoff_duration=f"{step.retries.backoff_s}s",
            backoff_factor=step.retries.factor,
            backoff_max_duration=f"{step.retries.max_backoff_s}s",
        )
    if not step.caching:
        task.set_caching_options(False)
