"""The normaliser: the same text in, the same text out, in training and in serving."""

import html
import unicodedata

import regex
from pydantic import BaseModel

from mediareview.text.confusables import HOMOGLYPHS, LEET


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


_INVISIBLE = regex.compile(r"[\p{Cf}\p{Cc}\p{Co}\p{Cs}\p{Cn}--\t\n\r\u200d]", flags=regex.VERSION1)
_LONE_JOINER = regex.compile(r"(?<!\p{Emoji_Presentation}\uFE0F?)\u200d|\u200d(?!\p{Emoji})")
_TAG = regex.compile(r"<(?:/?[a-zA-Z][^<>]{0,500}|!--[^<>]{0,500}--)>")
_URL = regex.compile(r"\b(?:https?://|www\.)[^\s<>\"']+", flags=regex.IGNORECASE)
_EMAIL = regex.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}\b")
_MENTION = regex.compile(r"(?<![\w@])@[A-Za-z_]\w{2,30}\b")
_SPACE = regex.compile(r"\s+")

_FOREIGN_IN_WORD = regex.compile(r"\b(?=\w*[a-zA-Z])(?=\w*[\p{Cyrillic}\p{Greek}ɡ])\w+\b")
_LOOKALIKE_WORD = regex.compile(r"\b[\p{Cyrillic}\p{Greek}ɡ]+\b")
# Letters, and signs that stand for letters; at least two true letters, and no plain number with a unit (3d, 4k, 1st).
_LEET_WORD = regex.compile(
    r"(?<![\w@$!])[a-zA-Z@$!0134570]*(?:[a-zA-Z][013457@$!]+[a-zA-Z])[a-zA-Z@$!013457]*(?![\w@$])"
)
_LEET_START = regex.compile(r"(?<![\w@$!.,])[013457@$](?=[a-zA-Z]{3,})[a-zA-Z@$!013457]*(?![\w@$])")
_ORDINAL_OR_UNIT = regex.compile(
    r"\d+(?:st|nd|rd|th|s|min|mins|hrs?|days?|stars?|mm|fps|kbps?|gb|mb|pm|am|ish|year\w*)", regex.IGNORECASE
)
_SPACED = regex.compile(r"(?<![\w'’])(?:[^\W_][ \t.*_\-~|]){3,60}[^\W_](?![\w'’])")
_DOTTED_WORD = regex.compile(r"(?<![\w.@/:])[a-zA-Z]{1,12}(?:[.*_~|][a-zA-Z]{1,12}){1,12}(?![\w@/])")
_DOMAIN = regex.compile(r"(?:com|org|net|edu|gov|co|io|uk|de|fr|tv|info)", regex.IGNORECASE)


class Normaliser:
    """Normalise texts as the settings say. Runs in time linear in the length of the text."""

    def __init__(self, settings: NormaliserSettings | None = None) -> None:
        self.settings = settings or NormaliserSettings()
        run = self.settings.longest_run
        self._run = regex.compile(rf"([^\W\d]|[!?.,*~])\1{{{run},}}") if run else None
        self._kept = rf"\1{{{run}}}"

    def __call__(self, text: str) -> str:
        """Return the normalised text; never longer than ``max_characters`` plus what Unicode composition adds."""
        settings = self.settings
        text = unicodedata.normalize("NFKC", text[: settings.max_characters])
        if settings.strip_html:
            text = _TAG.sub(" ", html.unescape(text))
        text = _LONE_JOINER.sub("", _INVISIBLE.sub("", text))
        if settings.placeholders:
            text = _URL.sub(" [url] ", text)
            text = _EMAIL.sub(" [email] ", text)
            text = _MENTION.sub(" [user] ", text)
        if settings.deobfuscate:
            text = deobfuscate(text)
        if self._run:
            run = settings.longest_run
            text = self._run.sub(lambda match: match[1] * run, text)
        if settings.lowercase:
            text = text.lower()
        return _SPACE.sub(" ", text).strip()


def deobfuscate(text: str) -> str:
    """Undo look-alike letters, letters spaced or dotted apart, and digits for letters, where a word is meant.

    Ordinary text stays: ``3 stars``, ``10/10``, ``U.S.A.``, ``4k``, ``1st``, words of other alphabets.
    """
    text = _FOREIGN_IN_WORD.sub(lambda match: match[0].translate(HOMOGLYPHS), text)
    text = _LOOKALIKE_WORD.sub(_fold_if_wholly_latin, text)
    text = _SPACED.sub(_join_letters, text)
    text = _DOTTED_WORD.sub(_join_parts, text)
    text = _LEET_WORD.sub(_read_leet, text)
    return _LEET_START.sub(_read_leet, text)


def _fold_if_wholly_latin(match: regex.Match[str]) -> str:
    folded = match[0].translate(HOMOGLYPHS)
    return folded if len(folded) > 2 and folded.isascii() and not match[0].isascii() else match[0]


def _join_letters(match: regex.Match[str]) -> str:
    letters = [letter for letter in match[0] if letter.isalnum()]
    return "".join(letters) if sum(letter.isalpha() for letter in letters) >= 3 else match[0]


def _join_parts(match: regex.Match[str]) -> str:
    word = match[0]
    parts = regex.split(r"[.*_~|]", word)
    # A full stop without a space after it, an address and an abbreviation are no tricks.
    if "." in word and (_DOMAIN.fullmatch(parts[-1]) or min(map(len, parts)) > 2):
        return word
    if len(parts) <= 3 and max(map(len, parts)) == 1:
        return word
    if len(parts) == 2 and "_" in word:
        return word
    return "".join(parts)


def _read_leet(match: regex.Match[str]) -> str:
    word = match[0]
    body = word.rstrip("!")
    code = body.upper() == body and len(body) <= 6  # C3PO, S1E01
    if code or body.isalpha() or _ORDINAL_OR_UNIT.fullmatch(body):
        return word
    return "".join(LEET.get(letter, letter) for letter in body) + word[len(body) :]
