"""Preprocessing: the catalogue of titles, text and behaviour features, and their way into Feast."""

from components.preprocessing.encoder import encoder_directory
from components.preprocessing.prepare import FeatureSummary, check_prepared, prepare_features

__all__ = ["FeatureSummary", "check_prepared", "encoder_directory", "prepare_features"]
