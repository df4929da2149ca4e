"""Titles: films, series, books and games, as each source describes them."""

from typing import ClassVar, Literal

from pydantic import Field

from mediareview.contracts.record import Identifier, Record


class Media(Record):
    """One source's description of a title. Preprocessing links the sources into one catalogue."""

    table: ClassVar[str] = "media"
    key: ClassVar[tuple[str, ...]] = ("media_id", "source")

    media_id: Identifier
    title: str = Field(min_length=1, max_length=1000)
    kind: Literal["film", "series", "book", "game"] = "film"
    year: int | None = Field(default=None, ge=1800, le=2100)
    genres: list[str] = Field(default_factory=list)
    directors: list[str] = Field(default_factory=list)
    cast: list[str] = Field(default_factory=list)
    writers: list[str] = Field(default_factory=list)
    languages: list[str] = Field(default_factory=list)
    countries: list[str] = Field(default_factory=list)
    plot: str | None = None
    runtime_min: float | None = Field(default=None, ge=0)
    imdb_id: str | None = None
    votes: int | None = Field(default=None, ge=0)
    """How many people rated the title at the source."""
    source: str = ""
