"""Deployment: the champion's InferenceService."""
