"""The public API: the only thing the backend sees of the models."""

from serving.api.app import create_app
from serving.api.server import run

__all__ = ["create_app", "run"]
