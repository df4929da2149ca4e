"""Preprocessing: the catalogue of titles, text and behaviour features, and their way into Feast."""

from components.preprocessing.encoder import encoder_directory
from components.preprocessing.prepare import FeatureSummary, prepare_features

__all__ = ["FeatureSummary", "encoder_directory", "prepare_features"]
