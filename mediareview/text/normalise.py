"""The normaliser: the same text in, the same text out, in training and in serving."""

import html
import re
import unicodedata

import regex
from pydantic import BaseModel

from mediareview.text.deobfuscate import deobfuscate


class NormaliserSettings(BaseModel):
    """What to normalise. The settings travel inside a model's artifact."""

    strip_html: bool = True
    placeholders: bool = True
    """Replace links, e-mail addresses and @mentions by ``[url]``, ``[email]`` and ``[user]``."""
    longest_run: int = 2
    """How often a letter or sign may repeat: ``soooo`` becomes ``soo``. 0 leaves repetitions."""
    deobfuscate: bool = False
    """Undo look-alike letters, digits for letters, and letters spaced or dotted apart."""
    lowercase: bool = False
    max_characters: int = 20_000
    """What lies beyond is cut off before anything else is done."""


# Controls, formats (zero-width, directions, soft hyphens), private and unassigned; the joiner holds emoji together.
_INVISIBLE = regex.compile(r"[\p{Cf}\p{Cc}\p{Co}\p{Cs}\p{Cn}--\t\n\r\u200d]", flags=regex.VERSION1)
_LONE_JOINER = regex.compile(
    r"(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F])\u200d+|\u200d+(?!\p{Extended_Pictographic})"
)
_TAG = re.compile(r"<(?:/?[a-zA-Z][^<>]{0,500}|!--[^<>]{0,500}--)>")
_URL = re.compile(r"\b(?:https?://|www\.)[^\s<>\"'\[\]]+", flags=re.IGNORECASE)
_EMAIL = re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}\b")
_MENTION = re.compile(r"(?<![\w@])@[A-Za-z_]\w{2,30}\b")


class Normaliser:
    """Normalise texts as the settings say. Runs in time linear in the length of the text.

    Without ``strip_html`` and ``deobfuscate``, normalising twice changes nothing more. HTML is decoded once, so that
    what was escaped twice stays escaped once.
    """

    def __init__(self, settings: NormaliserSettings | None = None) -> None:
        self.settings = settings or NormaliserSettings()
        run = self.settings.longest_run
        self._run = re.compile(rf"([^\W\d]|[!?.,*~])\1{{{run},}}") if run else None

    def __call__(self, text: str) -> str:
        """Return the normalised text: one line, no spaces around it, at most ``max_characters`` of the given text."""
        settings = self.settings
        text = text[: settings.max_characters]
        if settings.strip_html and "&" in text:
            text = html.unescape(text)
        if not text.isascii() or not text.isprintable():
            # Before composing letters, lest an invisible character stands between a letter and its accent.
            text = _LONE_JOINER.sub("", _INVISIBLE.sub("", text))
            text = unicodedata.normalize("NFKC", text)
        if settings.strip_html and "<" in text:
            text = _TAG.sub(" ", text)
        if settings.placeholders:
            text = _place_placeholders(text)
        if settings.deobfuscate:
            text = deobfuscate(text)
        if self._run:
            run = settings.longest_run
            text = self._run.sub(lambda match: match[1] * run, text)
        if settings.lowercase:
            text = text.lower()
        return " ".join(text.split())


def _place_placeholders(text: str) -> str:
    if "://" in text or "www." in text.lower():
        text = _URL.sub(" [url] ", text)
    if "@" in text:
        text = _MENTION.sub(" [user] ", _EMAIL.sub(" [email] ", text))
    return text
