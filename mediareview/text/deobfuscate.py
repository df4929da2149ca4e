"""Undo what people do to hide words from a filter, and leave ordinary text as it is.

Rules, not a dictionary: each one reads a pattern that ordinary writing hardly has. On 36,000 film, product and news
snippets and tweets they change fewer than one text in a thousand.
"""

import re

import regex

from mediareview.text.confusables import HOMOGLYPHS, LEET

_FOREIGN = r"[\p{Cyrillic}\p{Greek}\p{Block=IPA_Extensions}]"
_MIXED_WORD = regex.compile(rf"\b(?=\w*[a-zA-Z])(?=\w*{_FOREIGN})\w+\b")
_FOREIGN_WORD = regex.compile(rf"\b{_FOREIGN}{{3,}}\b")

# One separator throughout, at least four letters: "i d i o t", "s.h.i.t", but not "U.S.A." nor "a b test".
_SPELLED = re.compile(r"(?<![\w'’.@/-])[^\W_](?:([ .*_~|-])[^\W_](?:\1[^\W_]){2,60})(?![\w'’@/]|[.-]\w)")
_SPELLED_HINT = re.compile(r"\b\w[ .*_~|-]\w[ .*_~|-]\w[ .*_~|-]\w")

# A word cut once or twice: "id.iot", "stu*pid".
_CUT = re.compile(
    r"(?<![\w.@/:#'’*])(?:[a-z]{1,8}(?:[.*~|][a-z]{1,8}){1,2}|[A-Z]{1,8}(?:[.*~|][A-Z]{1,8}){1,2})(?![\w@/:*'’]|\.\w)"
)
_CUT_HINT = re.compile(r"[a-zA-Z][.*~|][a-zA-Z]")
_SHORT_WORDS = frozenset(
    {
        "a", "i", "o", "u", "am", "an", "as", "at", "be", "by", "do", "eh", "go", "ha", "he", "hi", "if", "im",
        "in", "is", "it", "me", "my", "no", "of", "oh", "ok", "on", "or", "ps", "so", "to", "tv", "uh", "um",
        "up", "us", "vs", "we",
    }
)  # fmt: skip
"""Before or after a full stop these are words of two sentences and not pieces of one word."""
_ENDINGS = frozenset(
    {
        "ac", "at", "au", "be", "br", "ca", "cc", "cf", "ch", "co", "com", "cz", "de", "dk", "edu", "es", "eu",
        "exe", "fi", "fm", "fr", "gov", "gr", "gz", "hk", "hu", "id", "ie", "il", "in", "info", "io", "it",
        "jp", "js", "kr", "me", "mil", "mx", "net", "nl", "no", "nz", "org", "pdf", "php", "pl", "pm", "pt",
        "py", "ru", "se", "sg", "sh", "sk", "so", "tk", "to", "tv", "tw", "ua", "uk", "us", "ws", "zip",
    }
)  # fmt: skip
"""Of domain and file names."""

# Signs and digits for letters, inside a word or before three letters of one.
_LEET = re.compile(r"(?<![\w@$!#&/=?.-])[a-zA-Z013457@$!]{3,24}(?![\w@$#=])")
_LEET_HINT = re.compile(r"[a-zA-Z][013457@$!]+[a-zA-Z]|(?<![\w.,])[0135@$][a-zA-Z]{3}|[013457@$!][a-zA-Z][013457@$!]")
_LEET_SIGNS = re.compile(r"[013457@$!]+")
_NAMES_WITH_DIGITS = re.compile(
    r"mp[34]s?|m[34][auv]|c3po|se7en|thir13en|r[&n]?b|[bpc][24][bcp]|i?os\d+|win\d+\w*|perl5\w*|e?ipv[46]",
    re.IGNORECASE,
)
_NUMBER_WITH_UNIT = re.compile(
    r"\d+(?:st|nd|rd|th|ths|s|x|k|d|m|b|sec|min|mins|hrs?|yrs?|days?|mos?|stars?|star|mm|cm|km|in|ft|lbs?|oz|mph|fps|kbps?"
    r"|bits?|gb|mb|kb|tb|hz|khz|mhz|ghz|pm|am|ish|ever|year\w*|hour\w*|minute\w*|week\w*|month\w*|way\w*)",
    re.IGNORECASE,
)


def deobfuscate(text: str) -> str:
    """Undo look-alike letters, words spelled out or cut by signs, and signs or digits for letters.

    Ordinary text stays: ``3 stars``, ``10/10``, ``U.S.A.``, ``4k``, ``1st``, ``mp3s``, words of other alphabets. A
    letter that was masked (``f*ck``) is not guessed. Takes time linear in the length of the text.
    """
    if not text.isascii():
        text = fold_homoglyphs(text)
    if _SPELLED_HINT.search(text):
        text = _SPELLED.sub(_join_letters, text)
    if _CUT_HINT.search(text):
        text = _CUT.sub(_join_pieces, text)
    if _LEET_HINT.search(text):
        text = _LEET.sub(_read_leet, text)
    return text


def fold_homoglyphs(text: str) -> str:
    """Replace look-alike letters in words that mix alphabets; in whole words only if nothing else is foreign."""
    text = _MIXED_WORD.sub(lambda match: match[0].translate(HOMOGLYPHS), text)
    words = _FOREIGN_WORD.findall(text)
    if words and all(word.translate(HOMOGLYPHS).isascii() for word in words):
        text = _FOREIGN_WORD.sub(lambda match: match[0].translate(HOMOGLYPHS), text)
    return text


def _join_letters(match: re.Match[str]) -> str:
    letters = match[0][::2]
    # "1 2 3 4" and "a 1 b 2" are lists.
    return letters if sum(map(str.isalpha, letters)) > len(letters) / 2 and letters[:2].isalpha() else match[0]


def _join_pieces(match: re.Match[str]) -> str:
    pieces = re.split(r"[.*~|]", match[0])
    masked = "*" in match[0] and min(map(len, pieces)) == 1
    ordinary = min(map(len, pieces)) > 2 or not _SHORT_WORDS.isdisjoint(map(str.lower, pieces))
    if masked or len(pieces) == sum(map(len, pieces)) or ("." in match[0] and ordinary):
        return match[0]
    return match[0] if pieces[-1].lower() in _ENDINGS else "".join(pieces)


def _read_leet(match: re.Match[str]) -> str:
    word = match[0]
    body = word.rstrip("!")
    signs = _LEET_SIGNS.findall(body)
    letters = len(body) - sum(map(len, signs))
    if not signs or letters < 2 or max(map(len, signs)) > 2 or _is_ordinary(body):
        return word
    return body.translate(_LEET_TABLE) + word[len(body) :]


_LEET_TABLE = str.maketrans(LEET)


def _is_ordinary(word: str) -> bool:
    if word[0] == "$" and not word.islower():  # $PREFIX
        return True
    if _NUMBER_WITH_UNIT.fullmatch(word) or _NAMES_WITH_DIGITS.fullmatch(word) or word[-1].isdigit():
        return True
    if not word[0].isalpha() and not (word[1:4].isalpha() and len(word) > 3 and word[0] != "4") and word.count("@") < 2:
        # A sign in front counts before three letters, or with more signs behind it: "5hit", "1d10t".
        return len(_LEET_SIGNS.findall(word)) < 2
    for sign in re.finditer(r"[4@!$]", word):
        before, after = word[: sign.start()], word[sign.end() :]
        if not before or not after:
            continue
        # Talk4Writing, root@localhost, yes!Now: two words and what joins them.
        if len(before) > 2 and len(after) > 2 and sign[0] in "4@":
            return sign[0] == "4" or len(after) > 5
        if sign[0] in "!@" and (len(after) > 5 or (after[0].isupper() and before[-1].islower())):
            return True
    return False
