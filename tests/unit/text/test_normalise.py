import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mediareview.text import Normaliser, NormaliserSettings

normalise = Normaliser()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("  two\t words\n\nand more ", "two words and more"),
        ("ﬁne ｆｉｌｍ №1", "fine film No1"),
        ("in\u200bvis\u00adible\u202e text\ufeff", "invisible text"),
        ("<p>Great <b>film</b><br/>really</p>", "Great film really"),
        ("Tom &amp; Jerry &#39;92 &eacute;", "Tom & Jerry '92 é"),
        ("a < b and c > d, I <3 it", "a < b and c > d, I <3 it"),
        ("see https://x.org/a?b=1#c now, or www.y.com", "see [url] now, or [url]"),
        ("write to jo.e+x@mail.example.org!", "write to [email] !"),
        ("thanks @some_one, 5 @ 3", "thanks [user] , 5 @ 3"),
        ("sooooo goooood!!!!!!", "soo good!!"),
        ("the year 2000, 1000000 views", "the year 2000, 1000000 views"),
        ("😀😀 👍🏽 👨‍👩‍👧 ❤️", "😀😀 👍🏽 👨‍👩‍👧 ❤️"),
        ("stray\u200djoiner", "strayjoiner"),
        ("привет, мир; ελληνικά; 日本語", "привет, мир; ελληνικά; 日本語"),
        ("", ""),
    ],
)
def test_text_is_read_as_a_person_reads_it(written: str, read: str) -> None:
    assert normalise(written) == read


def test_every_step_can_be_left_out() -> None:
    bare = Normaliser(NormaliserSettings(strip_html=False, placeholders=False, longest_run=0))
    assert bare("<b>sooo</b> @me https://x.org &amp;") == "<b>sooo</b> @me https://x.org &amp;"
    assert Normaliser(NormaliserSettings(lowercase=True))("LOUD Film") == "loud film"
    assert Normaliser(NormaliserSettings(longest_run=1))("sooo!!!") == "so!"


def test_settings_survive_the_way_through_an_artifact() -> None:
    settings = NormaliserSettings(deobfuscate=True, lowercase=True, max_characters=100)
    assert NormaliserSettings.model_validate_json(settings.model_dump_json()) == settings


@given(st.text())
@example("e\u200b\u0301")
@example("\u200d\u200d😀\u200d")
@example("a@b.cc@d.ee @@x @yyy")
def test_normalising_twice_changes_nothing(text: str) -> None:
    plain = Normaliser(NormaliserSettings(strip_html=False))
    once = plain(text)
    assert plain(once) == once


@given(st.text())
def test_the_result_is_one_clean_line(text: str) -> None:
    result = normalise(text)
    assert result == result.strip()
    assert not any(character in result for character in "\n\t\r\x00\u200b\u202e\ufeff")
    assert "  " not in result


@pytest.mark.parametrize("unit", ["a", "<", "a.", "a@", "@a", "<a ", "&", "h t ", "и", "1a", "www.", "\u200d", "a*b|"])
@pytest.mark.parametrize("deobfuscate", [False, True])
def test_ten_megabytes_are_cut_and_read(unit: str, deobfuscate: bool) -> None:
    result = Normaliser(NormaliserSettings(deobfuscate=deobfuscate, max_characters=20_000))(unit * 5_000_000)
    assert len(result) <= 100_000
