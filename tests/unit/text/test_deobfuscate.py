import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediareview.text import OBFUSCATIONS, Normaliser, NormaliserSettings, obfuscate

read = Normaliser(NormaliserSettings(deobfuscate=True))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("you 1d10t", "you idiot"),
        ("what a l0ser", "what a loser"),
        ("sh!t and $hit and 5h1t", "shit and shit and shit"),
        ("dumb@ss", "dumbass"),
        ("id.iot, st*upid, mo|ron", "idiot, stupid, moron"),
        ("you i d i o t", "you idiot"),
        ("i.d.i.o.t i-d-i-o-t i_d_i_o_t", "idiot idiot idiot"),
        ("іdіоt", "idiot"),
        ("ѕсаm", "scam"),
        ("i\u200bd\u200bi\u200bo\u200bt", "idiot"),
        ("ｉｄｉｏｔ", "idiot"),
    ],
)
def test_hidden_words_are_found(written: str, meant: str) -> None:
    assert read(written) == meant


@pytest.mark.parametrize(
    "text",
    [
        "3 stars, 10/10, 4.5 of 5, 100%",
        "a b test",
        "U.S.A. and P.O.W. and e.g. this, i.e. that, at 6 p.m.",
        "the 1st, 2nd, 3rd and 4th, the 1990s, 4k and 3d, 5yrs",
        "mp3s, m4a, c3po, Se7en, B2B, h264, 4ever",
        "the end.It was ok.so what",
        "example.com, bit.ly/x1y2, setup.py, release.os.gz",
        "well-known, and/or, snake_case_name, C:\\dir",
        "$5 bill, $100 million, 50c",
        "f*ck it",
        "оса и ухо сухо, но это по-русски",
        "1 2 3 4 5",
        "H.A.L. 9000, R.I.P.",
        "great 😀👍🏽",
        "Computers4Sure, root@localhost",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert read(text) == text


@pytest.mark.parametrize("kind", [*OBFUSCATIONS, "mixed"])
def test_tricks_are_undone_in_most_words(kind: str) -> None:
    text = "The stupid director should never make another terrible picture because nobody wants garbage"
    words = set(text.lower().split())
    hidden = [obfuscate(text, kind, seed, share=0.3) for seed in range(50)]
    found = [len(words & set(read(one).lower().split())) / len(words) for one in hidden]
    seen = [len(words & set(Normaliser()(one).lower().split())) / len(words) for one in hidden]
    assert sum(found) / len(found) > 0.85
    assert kind in ("zero-width", "mixed") or sum(found) > sum(seen)


@given(st.text(alphabet=st.sampled_from("ab1034 .*|@$!-'іоαA"), max_size=40))
def test_reading_neither_fails_nor_grows_the_text(text: str) -> None:
    assert len(read(text)) <= len(text) + 10 * text.count("@")
