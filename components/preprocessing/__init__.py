"""Preprocessing: the catalogue of titles, text and behaviour features, and their way into Feast."""

from components.preprocessing.encoder import encoder_directory
from components.preprocessing.prepare import prepare_features
from components.preprocessing.record import FeatureStatus, FeatureSummary, check_prepared, feature_status

__all__ = [
    "FeatureStatus",
    "FeatureSummary",
    "check_prepared",
    "encoder_directory",
    "feature_status",
    "prepare_features",
]
