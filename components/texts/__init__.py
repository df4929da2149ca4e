"""Labelled texts: splits that keep equal texts together, foreign files, calibration of classifiers."""
