"""Kubeflow pipelines that compose the components, and the commands that run them."""
