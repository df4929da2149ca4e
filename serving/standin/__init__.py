"""The local stand-in for the cluster: runs the predictors of the InferenceService objects as processes on loopback."""

from serving.standin.standin import StandIn

__all__ = ["StandIn"]
