"""What every floor of MediaReview ML shares: settings, contracts, the lake, artifacts, text normalisation."""

__version__ = "0.1.0"
