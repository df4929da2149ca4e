"""Which reader reads which format of which table, and how a format is recognised."""

from pathlib import Path

from components.ingestion import corpora, filmdb, journals, movielens, tabular
from components.ingestion.source import Reader
from mediareview.errors import MediaReviewError

READERS: dict[str, dict[str, Reader]] = {
    "movielens": {"ratings": movielens.read_ratings, "media": movielens.read_media},
    "filmdb": {"media": filmdb.read_filmdb},
    "vader": {"reviews": corpora.read_vader},
    "rotten-tomatoes": {
        "reviews": corpora.read_rotten_tomatoes_reviews,
        "media": corpora.read_rotten_tomatoes_plots,
    },
    "insults": {"moderation": corpora.read_insults},
    "spam-assassin": {"moderation": corpora.read_spam_assassin},
    "journal": journals.READERS,
}
"""Format to table to reader. The rows carry contract fields."""

TABULAR: dict[str, Reader] = {
    "csv": tabular.read_csv,
    "jsonl": tabular.read_jsonl,
    "parquet": tabular.read_parquet,
}
"""Format to reader of plain tables, whose columns are then matched to contract fields."""

FORMATS = ("auto", *READERS, *TABULAR)

_SUFFIXES = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".parquet": "parquet", ".db": "filmdb", ".sqlite": "filmdb",
}  # fmt: skip


def detect(path: Path, table: str) -> str:
    """Return the format of a file or directory, judged by its name and its first line.

    Raises:
        MediaReviewError: it cannot be told.
    """
    if table in ("ratings", "media") and movielens.looks_like(path):
        return "movielens"
    if table in journals.READERS and journals.looks_like(path):
        return "journal"
    if path.name.endswith("_GroundTruth.txt"):
        return "vader"
    if path.name.startswith("rotten_tomatoes") and path.suffix == ".bz2":
        return "rotten-tomatoes"
    if path.is_file() and path.suffix.lower() in _SUFFIXES:
        return _SUFFIXES[path.suffix.lower()]
    raise MediaReviewError(
        f"The format of {path} cannot be told from its name.", f"Say it with --format: {', '.join(FORMATS[1:])}."
    )
