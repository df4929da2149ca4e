"""The KFP component of the deployment."""

from kfp import dsl

from components.training.component import BASE_IMAGE


@dsl.component(base_image=BASE_IMAGE, install_kfp_package=False)
def deploy(champion: dict, deployment: str) -> None:  # type: ignore[type-arg]
    """Serve the champion, or roll it out beside what is served."""
    from typing import cast

    from components.deployment.deploy import Strategy
    from components.deployment.deploy import deploy as deploy_version

    strategy = cast("Strategy", deployment)
    print(deploy_version(champion["name"], champion["version"], champion["uri"], strategy=strategy).told)
