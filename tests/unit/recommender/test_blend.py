import numpy as np

from components.recommender.blend import choose_weights


def test_a_part_that_ranks_the_held_out_titles_first_gains_weight():
    random = np.random.default_rng(0)
    relevant = [frozenset(random.choice(50, 5, replace=False).tolist()) for _ in range(80)]
    noise = random.normal(size=(80, 50)).astype(np.float32)
    good = random.normal(size=(80, 50)).astype(np.float32)
    for row, wanted in enumerate(relevant):
        good[row, list(wanted)] += 1.5
    weights = choose_weights(
        {"factors": noise, "item_item": good}, relevant, np.zeros((80, 50), dtype=bool), {"factors": 1, "item_item": 1}
    )
    assert weights["item_item"] > 0.7
    assert sum(weights.values()) == 1


def test_noise_moves_no_weight():
    random = np.random.default_rng(1)
    same = random.normal(size=(40, 30)).astype(np.float32)
    weights = choose_weights(
        {"factors": same, "item_item": same},
        [frozenset({0})] * 40,
        np.zeros((40, 30), dtype=bool),
        {"factors": 1, "item_item": 1},
    )
    assert weights == {"factors": 0.5, "item_item": 0.5}
