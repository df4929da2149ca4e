"""What serving would have known of the users of the temporal split, from the feature store as of that time."""

import pandas as pd

from components.recommender.prepared import Prepared
from feature_repo.store import training_set
from mediareview.settings import Settings


def served_histories(prepared: Prepared, settings: Settings) -> pd.DataFrame:
    """Return each test user's history as the feature store had it when they came back.

    Args:
        prepared: its temporal split says who is tested, and when they first rate something that is held out.
        settings: where the feature store is.

    Returns:
        ``user`` (number), ``history_media_ids`` and ``history_ratings`` (oldest first, empty for new users), one row
        per user with ratings in the test part.

    Raises:
        MediaReviewError: the feature store returned other rows than it was asked for.
    """
    first = prepared.part("temporal", "test").drop_duplicates("user")
    entities = pd.DataFrame(
        {
            "user_id": first["user_id"],
            "media_id": prepared.catalogue["media_id"].to_numpy()[first["item"]],
            "event_timestamp": pd.to_datetime(first["time"], unit="s", utc=True),
            "user": first["user"],
        }
    )
    found = training_set(entities, "recommender", settings)
    columns = ["history_media_ids", "history_ratings"]
    histories = found[["user", *(f"user_profile__{name}" for name in columns)]].set_axis(["user", *columns], axis=1)
    for name in columns:
        histories[name] = [[] if value is None else list(value) for value in histories[name]]
    return histories.reset_index(drop=True)
