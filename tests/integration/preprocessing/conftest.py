import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.preprocessing import FeatureSummary, prepare_features
from mediareview.contracts import Interaction, Media, ModerationLabel, Rating, Review, to_arrow
from mediareview.lake import Lake
from mediareview.settings import Settings

START = datetime(2020, 1, 1, tzinfo=UTC)


def fill(lake: Lake) -> None:
    """A small network: 30 people rate 40 titles over a year; some write, one is moderated, one hides a title."""
    random_ = random.Random(3)
    titles = [
        Media(
            media_id=f"{n}", title=f"Title {n}", year=2000 + n % 9, genres=["Drama", "War"][: 1 + n % 2], source="net"
        )
        for n in range(40)
    ]
    heroes = ["detective", "robot", "pirate", "teacher", "dragon", "nurse", "farmer", "wizard", "lawyer", "ghost"]
    films = [
        Media(
            media_id=f"tt{n}", title=f"Title {n}", year=2000 + n % 9, directors=[f"Director {n % 5}"],
            plot=f"One {heroes[n % 10]} crosses the city.", imdb_id=f"tt{n}", source="films",
        )
        for n in range(30, 50)
    ]  # fmt: skip
    ratings = [
        Rating(
            user_id=f"u{user}", media_id=f"{media}", rating=random_.choice([1.0, 3.0, 4.0, 5.0]),
            rated_at=START + timedelta(days=random_.randrange(365), seconds=random_.randrange(3)),
        )
        for user in range(30)
        for media in random_.sample(range(40), 12)
    ]  # fmt: skip
    lake.append("media", to_arrow(Media, [*titles, *films]))
    lake.append("ratings", to_arrow(Rating, ratings))
    lake.append(
        "reviews",
        to_arrow(Review, [Review(review_id="r1", text="Bad robots!", user_id="u1", created_at=START, media_id="31")]),
    )
    lake.append(
        "moderation",
        to_arrow(
            ModerationLabel, [ModerationLabel(item_id="i", text="x", abusive=True, author_id="u1", labelled_at=START)]
        ),
    )
    hidden = Interaction(interaction_id="h", user_id="u2", media_id="39", type="hide", occurred_at=START)
    lake.append("interactions", to_arrow(Interaction, [hidden]))


@pytest.fixture(scope="session")
def fill_lake() -> Callable[[Lake], None]:
    """The function that makes this world in another lake."""
    return fill


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("repository") / ".mediareview")


@pytest.fixture(scope="session")
def lake(settings: Settings) -> Lake:
    lake = Lake.from_settings(settings)
    fill(lake)
    return lake


@pytest.fixture(scope="session")
def summary(lake: Lake, settings: Settings) -> FeatureSummary:
    return prepare_features(lake, settings, progress=lambda message: None)


@pytest.fixture(scope="session")
def home(settings: Settings, summary: FeatureSummary) -> Path:
    """A home whose features are prepared."""
    return settings.root
