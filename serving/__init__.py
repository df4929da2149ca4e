"""Predictors, the public API and the local stand-in for the cluster."""
