"""Sentiment of reviews: negative, neutral or positive, with calibrated probabilities."""
