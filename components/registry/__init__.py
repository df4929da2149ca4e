"""The model registry, and the gate that decides what becomes champion."""

from components.registry.gate import Decision, decide
from components.registry.registry import ModelVersion, Registry
from components.registry.settlement import settle

__all__ = ["Decision", "ModelVersion", "Registry", "decide", "settle"]
