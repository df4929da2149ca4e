"""Ingestion: files of many formats become rows of the lake, or dead letters with a reason."""

from components.ingestion.demo import ingest_demo
from components.ingestion.ingest import IngestSummary, ingest_file
from components.ingestion.source import ReadOptions, SourceRow

__all__ = ["IngestSummary", "ReadOptions", "SourceRow", "ingest_demo", "ingest_file"]
