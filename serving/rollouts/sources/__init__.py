"""Where evidence comes from: the API's metrics, its journals, and the lake."""

from serving.rollouts.sources.source import EvidenceSource, open_evidence

__all__ = ["EvidenceSource", "open_evidence"]
