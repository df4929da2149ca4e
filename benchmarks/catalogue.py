"""A recommender for a catalogue of any size: the real artifact and scorer with random weights, to measure latency."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file

from mediareview.artifact import Manifest, save_manifest
from serving.scorers.recommender import ITEMS, WEIGHTS

HEAD, NEIGHBOURS, FACTORS, HIDDEN, CONTENT = 12_000, 200, 64, 512, 64
"""Sizes of the full profile, see ``components/recommender/config.py``."""
WEIGHTED = {"item_item": 0.3, "factors": 0.3, "autoencoder": 0.2, "content": 0.1, "trend": 0.1}


def write_artifact(titles: int, directory: Path, seed: int = 0) -> None:
    """Write the artifact of a hybrid recommender with every part, for so many titles ``m0``, ``m1``, ..."""
    random = np.random.default_rng(seed)
    head = min(titles, HEAD)

    def weights(*shape: int) -> np.ndarray:
        return random.normal(0, 0.1, shape).astype(np.float32)

    tensors = {
        "popularity.items": random.random(titles, np.float32),
        "trend.items": random.random(titles, np.float32),
        "factors.items": weights(titles, FACTORS),
        "content.vectors": weights(titles, CONTENT),
        "autoencoder.hidden": weights(head, HIDDEN),
        "autoencoder.hidden_bias": weights(HIDDEN),
        "autoencoder.output": weights(HIDDEN, head),
        "autoencoder.output_bias": weights(head),
        "item_item.values": weights(head * NEIGHBOURS),
        "item_item.columns": np.sort(random.integers(0, head, (head, NEIGHBOURS)), axis=1).astype(np.int32).ravel(),
        "item_item.rows": np.arange(head + 1, dtype=np.int64) * NEIGHBOURS,
    }
    save_file(tensors, directory / WEIGHTS)
    people = [[f"p{number}" for number in row] for row in random.integers(0, titles, (titles, 5)).tolist()]
    table = {
        "media_id": [f"m{number}" for number in range(titles)],
        "title": [f"Title {number}" for number in range(titles)],
        "kind": ["film"] * titles,
        "year": [1990] * titles,
        "imdb_id": [f"tt{number}" for number in range(titles)],
        "directors": [names[:1] for names in people],
        "writers": [names[:2] for names in people],
        "cast": people,
        "trending": [False] * titles,
    }
    pq.write_table(pa.table(table), directory / ITEMS)
    settings = {
        "n_head": head,
        "n_rated": titles,
        "rating_slope": 0.2,
        "unrated_penalty": 0.3,
        "blend": [{"min_history": 0, "weights": {"popularity": 1.0}}, {"min_history": 1, "weights": WEIGHTED}],
        "factors": {"unobserved_weight": 0.1, "regularization": 0.03},
    }
    save_manifest(directory, Manifest(name="recommender", variety="hybrid", settings=settings))
