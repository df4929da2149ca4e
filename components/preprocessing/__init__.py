"""Preprocessing: the catalogue of titles, text and behaviour features, and their way into Feast."""

from components.preprocessing.encoder import encoder_directory

__all__ = ["encoder_directory"]
