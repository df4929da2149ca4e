from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from components.recommender.config import Config
from components.recommender.content import content_features
from components.recommender.load import prepare
from mediareview.errors import MediaReviewError

CONFIG = Config(content_dimensions=4)
START = datetime(2024, 1, 1, tzinfo=UTC)


def ratings(rows):
    return pd.DataFrame(
        [(user, title, stars, START + timedelta(minutes=minute)) for user, title, stars, minute in rows],
        columns=["user_id", "media_id", "rating", "rated_at"],
    )


def some(users=6, titles=8):
    return [(f"u{u}", f"t{t}", 1.0 + (u + t) % 5, 10 * u + t) for u in range(users) for t in range(titles)]


def no_catalogue():
    return pd.DataFrame({"media_id": pd.Series(dtype=str), "title": pd.Series(dtype=str)})


def test_of_a_title_rated_twice_the_newest_rating_counts():
    prepared = prepare(ratings([*some(), ("u0", "t0", 5.0, 9999)]), no_catalogue(), CONFIG)
    rows = prepared.ratings.query("user == 0 and item == 0")
    assert rows["rating"].tolist() == [5.0]


def test_a_user_with_one_rating_trains_and_is_never_tested():
    prepared = prepare(ratings([*some(), ("z", "t0", 5.0, 3)]), no_catalogue(), CONFIG)
    assert set(prepared.ratings.query("user == 6")["random"]) == {"train"}


def test_rated_titles_missing_from_the_catalogue_are_named_by_their_id():
    described = {"year": [1979, 1927], "genres": [["Horror"], ["Drama"]], "plot": ["A cat survives.", None]}
    catalogue = pd.DataFrame({"media_id": ["t0", "unrated"], "title": ["Alien", "Metropolis"], **described})
    prepared = prepare(ratings(some()), catalogue, CONFIG)
    titles = dict(zip(prepared.catalogue["media_id"], prepared.catalogue["title"], strict=True))
    assert titles["t0"] == "Alien"
    assert titles["t1"] == "t1"
    assert titles["unrated"] == "Metropolis"


def test_the_order_of_the_rows_does_not_matter():
    frame = ratings(some())
    left = prepare(frame, no_catalogue(), CONFIG)
    right = prepare(frame.sample(frac=1, random_state=1), no_catalogue(), CONFIG)
    pd.testing.assert_frame_equal(left.ratings, right.ratings)


def test_too_few_ratings_are_refused_with_advice():
    with pytest.raises(MediaReviewError, match="too few"):
        prepare(ratings(some(users=1, titles=3)), no_catalogue(), CONFIG)


def test_titles_with_the_same_genre_and_director_are_similar_and_those_without_metadata_are_zero():
    catalogue = pd.DataFrame(
        {
            "media_id": list("abcdef"),
            "title": ["", "", "", "", "", ""],
            "genres": [["Sci-Fi"], ["Sci-Fi"], ["Romance"], ["Romance"], None, None],
            "directors": [["Scott"], ["Scott"], ["Ephron"], ["Ephron"], [], None],
            "year": [1979, 1982, 1993, None, None, None],
        }
    )
    features = content_features(catalogue, CONFIG)
    vectors = features[:, :4]
    assert vectors[0] @ vectors[1] > 0.9 > vectors[0] @ vectors[2]
    assert not np.any(features[4:])
