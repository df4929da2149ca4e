"""Labelled text corpora, each in the form in which its authors publish it."""

import bz2
import csv
import email
import email.policy
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

from components.ingestion.source import ReadOptions, SourceRow
from components.ingestion.tabular import check_text

VADER_CUT = 1.0
"""Mean human sentiment (-4 to 4) above which a text is positive, and below whose negative it is negative."""

MAIL_CHARACTERS = 8_000
"""How much of an e-mail's text is kept: the models read far less, and a mail may hold whole attachments."""


def read_vader(path: Path, options: ReadOptions) -> Iterator[SourceRow]:
    """Read a ``*_GroundTruth.txt`` of Hutto and Gilbert (2014): id, mean sentiment of 20 raters, text."""
    with path.open(encoding=options.encoding, errors="surrogateescape", newline="\n") as file:
        for line, raw in enumerate(file, start=1):
            raw = raw.rstrip("\r\n")
            if bad := check_text(line, raw, options.encoding):
                yield bad
                continue
            try:
                number, mean, text = raw.split("\t", 2)
                polarity = float(mean)
            except ValueError:
                yield SourceRow(line, raw, error="is not: id, mean sentiment, text, with tabs between")
                continue
            label = "positive" if polarity > VADER_CUT else "negative" if polarity < -VADER_CUT else "neutral"
            yield SourceRow(line, raw, {"review_id": f"{options.source}:{number}", "text": text, "sentiment": label})


def _rotten_tomatoes(path: Path) -> Iterator[tuple[int, str, dict[str, str]]]:
    with bz2.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        for row in rows:
            yield rows.line_num, json.dumps(row, ensure_ascii=False), row


def read_rotten_tomatoes_reviews(path: Path, options: ReadOptions) -> Iterator[SourceRow]:
    """Read the snippets of Pang and Lee (2005): ``fresh`` is positive, ``rotten`` negative; titles by name."""
    labels = {"fresh": "positive", "rotten": "negative"}
    for line, raw, row in _rotten_tomatoes(path):
        if row["category"] in labels:
            values = {
                "review_id": f"{options.source}:{line}",
                "text": row["text"],
                "sentiment": labels[row["category"]],
                "title": row["movie_name"].replace("_", " "),
            }
            yield SourceRow(line, raw, values)


def read_rotten_tomatoes_plots(path: Path, options: ReadOptions) -> Iterator[SourceRow]:
    """Read the plot texts; the source gives neither ids nor years, so the name becomes the id."""
    for line, raw, row in _rotten_tomatoes(path):
        if row["category"] == "plot":
            title = row["movie_name"].replace("_", " ")
            values = {"media_id": f"{options.source}:{row['movie_name']}", "title": title, "plot": row["text"]}
            yield SourceRow(line, raw, values)


def read_insults(path: Path, options: ReadOptions) -> Iterator[SourceRow]:
    """Read the comments of Kaggle's Detecting Insults (2012); the file's name tells train from test."""
    split = "test" if "test" in path.name else "train"
    with path.open(encoding=options.encoding, errors="surrogateescape", newline="") as file:
        rows = csv.DictReader(file)
        for row in rows:
            line, raw = rows.line_num, json.dumps(row, ensure_ascii=False)
            if bad := check_text(line, raw, options.encoding):
                yield bad
                continue
            values = {
                "item_id": f"{options.source}-{split}:{line}",
                "text": _unescape(row["Comment"]),
                "abusive": row["Insult"] == "1",
                "split": split,
            }
            if row.get("Date"):
                values["labelled_at"] = datetime.strptime(row["Date"], "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
            yield SourceRow(line, raw, values)


def _unescape(comment: str) -> str:
    """Undo the quotes and the escapes (hexadecimal bytes, Unicode code points, line breaks) of the published file."""
    comment = comment.strip().removeprefix('"').removesuffix('"').replace("\\\\", "\\")
    comment = re.sub(
        r"(?:\\x[0-9a-fA-F]{2})+",
        lambda match: _decode(bytes.fromhex(match[0].replace("\\x", ""))),
        comment,
    )
    comment = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), comment)
    comment = re.sub(r"\\([ntr])", lambda match: {"n": "\n", "t": "\t", "r": "\n"}[match[1]], comment)
    return re.sub("[\ud800-\udfff\x00]", "", comment)


def _decode(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def read_spam_assassin(path: Path, options: ReadOptions) -> Iterator[SourceRow]:
    """Read a directory of the SpamAssassin corpus: e-mails in folders ``spam-*``, ``easy-ham-*`` and ``hard-ham-*``.

    Headers are dropped but for the subject, since they tell the mailing list and not the message.
    """
    for number, mail in enumerate(sorted(path.rglob("*.txt")), start=1):
        folder = mail.parent.name
        if not re.match(r"(spam|easy-ham|hard-ham)-\d", folder):
            continue
        message = email.message_from_bytes(mail.read_bytes(), policy=email.policy.compat32)
        text = _mail_text(message)
        name = f"{folder}/{mail.name}"
        if text:
            values = {"item_id": f"{options.source}:{name}", "text": text, "spam": folder.startswith("spam")}
            yield SourceRow(number, name, values)
        else:
            yield SourceRow(number, name, error="the e-mail has no text")


def _mail_text(message: email.message.Message) -> str:
    """Return subject and the first text part, HTML as plain text, at most ``MAIL_CHARACTERS``."""
    parts = [part for part in message.walk() if part.get_content_maintype() == "text"]
    parts.sort(key=lambda part: part.get_content_subtype() != "plain")
    body = ""
    if parts:
        octets = parts[0].get_payload(decode=True) or b""
        try:
            body = octets.decode(parts[0].get_content_charset("latin-1"), "replace")  # type: ignore[union-attr]
        except LookupError:
            body = octets.decode("latin-1")  # type: ignore[union-attr]
        if parts[0].get_content_subtype() == "html" or "<html" in body[:2000].lower():
            body = _html_to_text(body)
    subject = re.sub(r"^(re:|fwd?:|\[[^\]]*\]|\s)+", "", str(message.get("subject", "")), flags=re.IGNORECASE)
    text = re.sub(r"\s*\n\s*", "\n", f"{subject}\n{body}".replace("\x00", ""))
    return re.sub("[\ud800-\udfff]", "", text).strip()[:MAIL_CHARACTERS]


class _TextOfHtml(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text = io.StringIO()
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style") and self._hidden > 0

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text.write(data + " ")


def _html_to_text(html: str) -> str:
    parser = _TextOfHtml()
    parser.feed(html)
    return parser.text.getvalue()
