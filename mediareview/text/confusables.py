"""Characters that look like Latin letters, and what people write instead of letters."""

HOMOGLYPHS = str.maketrans(
    "АВЕЅІЈКМНОРСТУХаеѕіјорсухһԁɡӏΑΒΕΖΗΙΚΜΝΟΡΤΥΧαονρυικτ",
    "ABESIJKMHOPCTYXaesijopcyxhdglABEZHIKMNOPTYXaovpuikt",
)
"""Cyrillic, Greek and IPA letters to the Latin letters they look like (a selection of Unicode TR39's confusables)."""

LOOKALIKES = {
    "a": "аα", "c": "с", "d": "ԁ", "e": "е", "g": "ɡ", "h": "һ", "i": "іι", "j": "ј", "k": "κ", "l": "ӏ", "o": "оο",
    "p": "рρ", "s": "ѕ", "t": "τ", "u": "υ", "x": "х", "y": "у",
}  # fmt: skip
"""Latin letter to letters of other alphabets that look like it: what obfuscators write."""

LEET = {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"}
"""Digit or sign to the letter it stands for inside a word."""

LEET_OF = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7"}
"""Letter to the signs that stand for it."""
