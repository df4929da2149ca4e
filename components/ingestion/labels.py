"""What files call things: labels, ratings on other scales, ids made from content."""

import hashlib
import re
from typing import Any

from components.ingestion.movielens import split_title
from components.ingestion.source import ReadOptions
from mediareview.contracts.moderation import CATEGORIES

_SENTIMENT = {
    "pos": "positive", "positive": "positive", "+": "positive", "fresh": "positive", "good": "positive",
    "neg": "negative", "negative": "negative", "-": "negative", "rotten": "negative", "bad": "negative",
    "neu": "neutral", "neutral": "neutral", "mixed": "neutral",
}  # fmt: skip
_CLEAN = {"ok", "ham", "clean", "none", "normal", "allow", "not_spam", "non-spam", "neither"}
_LISTS = ("genres", "directors", "cast", "writers", "languages", "countries")


def sentiment_of_stars(stars: float) -> str:
    """Return the label people mean by a rating: up to 2.5 stars negative, above 3.5 positive, between neutral."""
    return "negative" if stars <= 2.5 else "positive" if stars > 3.5 else "neutral"


def complete(table: str, values: dict[str, Any], options: ReadOptions) -> dict[str, Any]:
    """Turn what the file says into what the contract asks for.

    Empty cells become absent, ratings are scaled to stars, labels are translated, missing ids are made from content.

    Raises:
        ValueError: a label or rating cannot be understood; the message says what to do.
    """
    values = {name: value for name, value in values.items() if value is not None and value != ""}
    if "rating" in values:
        values["rating"] = _stars(values["rating"], options)
    for name in ("user_id", "media_id", "author_id", "review_id", "item_id", "interaction_id"):
        if name in values and isinstance(values[name], int | float):
            values[name] = f"{values[name]:.0f}" if float(values[name]).is_integer() else str(values[name])
    if options.id_prefix:
        for name in ("user_id", "media_id"):
            if name in values:
                values[name] = f"{options.id_prefix}{values[name]}"
    if table == "reviews":
        _complete_review(values, options)
    elif table == "moderation":
        _complete_moderation(values, options)
    elif table == "media":
        _complete_media(values)
    if "source" not in values:
        values["source"] = options.source
    return values


def _stars(rating: Any, options: ReadOptions) -> float:
    try:
        number = float(rating)
    except (TypeError, ValueError):
        raise ValueError(f"rating {rating!r} is not a number") from None
    if options.rating_scale is None:
        return number
    low, high = options.rating_scale
    if not low <= number <= high:
        raise ValueError(f"rating {number:g} lies outside the scale {low:g} to {high:g}")
    return 0.5 + 4.5 * (number - low) / (high - low)


def _content_id(text: str, options: ReadOptions) -> str:
    return f"{options.source or 'text'}:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def _complete_review(values: dict[str, Any], options: ReadOptions) -> None:
    if "sentiment" in values:
        label = str(values["sentiment"]).strip()
        label = options.labels.get(label, _SENTIMENT.get(label.lower(), label))
        if label not in ("negative", "neutral", "positive"):
            raise ValueError(f"sentiment {label!r} is not understood; say what it means with --label {label}=positive")
        values["sentiment"] = label
    elif "rating" in values:
        values["sentiment"] = sentiment_of_stars(values["rating"])
    if "review_id" not in values and "text" in values:
        values["review_id"] = _content_id(str(values["text"]), options)


def _complete_moderation(values: dict[str, Any], options: ReadOptions) -> None:
    if "label" in values:
        label = str(values.pop("label")).strip()
        label = options.labels.get(label, label).lower()
        if label in _CLEAN:
            values.update(dict.fromkeys(CATEGORIES, False))
        elif label in CATEGORIES:
            values[label] = True
        else:
            raise ValueError(
                f"label {label!r} is not understood; say what it means with --label {label}=abusive or =ok"
            )
    for category in CATEGORIES:
        if isinstance(values.get(category), str):
            values[category] = options.labels.get(values[category], values[category])
    if "item_id" not in values and "text" in values:
        values["item_id"] = _content_id(str(values["text"]), options)


def _complete_media(values: dict[str, Any]) -> None:
    if "year" not in values and isinstance(values.get("title"), str):
        values["title"], year = split_title(values["title"])
        if year:
            values["year"] = year
    for name in _LISTS:
        if isinstance(values.get(name), str):
            separator = r"\|" if "|" in values[name] else ","
            values[name] = [part.strip() for part in re.split(separator, values[name]) if part.strip()]
