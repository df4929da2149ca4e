"""Text: the one normaliser of training and serving, the n-grams of the linear models, and obfuscation for tests."""

from mediareview.text.ngrams import char_ngrams, word_ngrams
from mediareview.text.normalise import Normaliser, NormaliserSettings
from mediareview.text.obfuscate import OBFUSCATIONS, obfuscate

__all__ = ["OBFUSCATIONS", "Normaliser", "NormaliserSettings", "char_ngrams", "obfuscate", "word_ngrams"]
