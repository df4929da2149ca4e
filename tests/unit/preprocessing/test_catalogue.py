from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.preprocessing.catalogue import build_catalogue, link_names, name_keys


def media(media_id: str, title: str, year: int | None, source: str, **fields: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(("plot", "imdb_id", "votes"))
    row |= {"kind": "film", "genres": [], "directors": [], "cast": [], "writers": []}
    return row | {"media_id": media_id, "title": title, "year": year, "source": source} | fields


def sources(catalogue: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    return {row["media_id"]: row["sources"] for row in catalogue}


def test_a_linked_title_keeps_its_rated_id_and_gains_what_it_lacked() -> None:
    rows = [
        media("tt1", "The Matrix", 1999, "films", genres=["Action", "Sci-Fi"], directors=["Lana Wachowski"]),
        media("7", "Matrix, The", 1999, "rated", genres=["Action", "Children's"], plot="A hacker."),
    ]
    (title,), summary = build_catalogue(rows, {"7": 3})
    assert title["media_id"] == "7"
    assert title["title"] == "Matrix, The"
    assert title["genres"] == ["Action", "Family", "Sci-Fi"]
    assert title["directors"] == ["Lana Wachowski"]
    assert title["plot"] == "A hacker."
    assert title["sources"] == ["rated", "films"]
    assert title["link_score"] == 1.0
    assert (summary.rows, summary.linked, summary.ambiguous, summary.new) == (2, 1, 0, 1)


@pytest.mark.parametrize(("year", "linked"), [(1998, True), (1999, True), (2000, True), (1997, False), (None, True)])
def test_a_year_of_difference_is_forgiven_and_two_are_not(year: int | None, linked: bool) -> None:
    rows = [media("7", "Rush", 1999, "rated"), media("tt1", "Rush", year, "films")]
    catalogue, _ = build_catalogue(rows, {"7": 1})
    assert len(catalogue) == (1 if linked else 2)


def test_the_same_year_wins_over_the_next_one() -> None:
    rows = [media("7", "Rush", 1999, "r"), media("tt1", "Rush", 1999, "f"), media("tt2", "Rush", 2000, "f")]
    catalogue, summary = build_catalogue(rows, {"7": 1})
    assert sources(catalogue) == {"7": ["r", "f"], "tt2": ["f"]}
    assert summary.ambiguous == 0


@pytest.mark.parametrize("twice_in", ["rated", "films"])
def test_what_is_ambiguous_is_not_linked_but_counted(twice_in: str) -> None:
    other = "films" if twice_in == "rated" else "rated"
    rows = [
        media("1", "Rush", 1999, twice_in),
        media("2", "Rush", 1999, twice_in),
        media("3", "Rush", 1999, other),
    ]
    catalogue, summary = build_catalogue(rows, {row["media_id"]: 1 for row in rows if row["source"] == "rated"})
    assert len(catalogue) == 3
    assert summary.ambiguous == (1 if twice_in == "rated" else 2)
    assert summary.linked == 0


def test_an_imdb_id_or_a_shared_id_decides_whatever_the_names() -> None:
    rows = [
        media("7", "Léon", 1994, "rated", imdb_id="tt1"),
        media("tt1", "The Professional", 1994, "films", imdb_id="tt1"),
        media("7", "Leon the Cleaner", 1996, "third"),
    ]
    (title,), summary = build_catalogue(rows, {"7": 1})
    assert set(title["sources"]) == {"rated", "films", "third"}
    assert summary.linked == 2


def test_a_film_and_a_book_of_one_name_stay_apart() -> None:
    rows = [media("1", "Dune", 1984, "a"), media("2", "Dune", 1984, "b", kind="book")]
    assert len(build_catalogue(rows, {"1": 1})[0]) == 2


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("The Good, the Bad & the Ugly", "Good, The Bad and The Ugly, The"),
        ("Amélie", "AMELIE"),
        ("What's Up, Doc?", "Whats up doc"),
        ("Seven (Se7en)", "Se7en"),
        ("Seven (Se7en)", "seven"),
        ("Queen Margot (Reine Margot, La)", "La Reine Margot"),
        ("Spider-Man", "Spider Man"),
    ],
)
def test_spellings_of_one_name_share_a_key(left: str, right: str) -> None:
    assert set(name_keys(left)) & set(name_keys(right))


def test_titles_that_are_articles_or_signs_have_keys_of_their_own() -> None:
    assert name_keys("The The") == ["the"]
    assert name_keys("A") == ["a"]
    assert name_keys("???") == []


def test_names_link_only_where_one_title_has_them() -> None:
    catalogue, _ = build_catalogue(
        [media("1", "Rush", 1999, "a"), media("2", "Rush", 2013, "a"), media("3", "The Ring", 2002, "a")], {}
    )
    assert link_names(["rush", "ring", "unheard of", ""], catalogue) == {"ring": "3"}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Rush", "Ring (Ringu)", "Ringu", "???"]),
            st.sampled_from([None, 1998, 1999, 2000]),
            st.sampled_from(["a", "b", "c"]),
            st.sampled_from([None, "tt1", "tt2"]),
        ),
        max_size=12,
    ),
    st.randoms(),
)
def test_every_description_ends_in_exactly_one_title_whatever_the_order(
    drawn: list[tuple[str, int | None, str, str | None]], random: Any
) -> None:
    rows = [media(f"{i}", title, year, source, imdb_id=imdb) for i, (title, year, source, imdb) in enumerate(drawn)]
    catalogue, summary = build_catalogue(rows, {"0": 5})
    assert summary.rows == len(rows) == summary.linked + summary.ambiguous + summary.new
    assert summary.titles == len(catalogue) == len({row["media_id"] for row in catalogue})
    random.shuffle(rows)
    assert build_catalogue(rows, {"0": 5}) == (catalogue, summary)
