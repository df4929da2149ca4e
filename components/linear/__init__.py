"""TF-IDF and logistic regression: the baseline, and a part of the blended text models."""

from components.linear.training import fit_linear

__all__ = ["fit_linear"]
