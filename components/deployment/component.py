"""The KFP component of the deployment."""

from kfp import dsl

from components.training.component import BASE_IMAGE


@dsl.component(base_image=BASE_IMAGE, install_kfp_package=False)
def deploy(champion: dict) -> None:  # type: ignore[type-arg]
    """Serve the champion."""
    from components.deployment.deploy import deploy as deploy_version

    changed = deploy_version(champion["name"], champion["version"], champion["uri"])
    print(f"{champion['name']} version {champion['version']} is {'now' if changed else 'already'} what is served")
