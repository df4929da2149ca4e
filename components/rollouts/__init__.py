"""The command ``rollout``: what serving offers, with the versions of the model registry."""
