"""How likely a title is clicked at a place: what doubly robust estimates start from and correct."""

import numpy as np

from serving.off_policy.positions import NOTHING, Floats, Integers, Positions

FOLDS = 5
APPEAL_STRENGTH = 2.0
"""Expected clicks that a title needs before its own count outweighs the average's."""
CELL_STRENGTH = 50.0
"""Showings of a title at a place before their count outweighs the product of title and place."""


def click_rates(logged: Positions, folds: int = FOLDS) -> tuple[Floats, Floats]:
    """Return the click rates of the titles shown and of the titles wanted, each at its place.

    A rate is that of the place times how much more the title is clicked than its places explain (the position-based
    model), corrected by the pair's own count, as far as there is one. Rates are cross-fitted: those of a unit come from
    the others, so that nobody's clicks are predicted from themselves (Chernozhukov et al., 2018).

    Args:
        logged: what was shown and clicked.
        folds: number of parts that the units are divided into.

    Returns:
        Two arrays [n_positions] of values in [0, 1]; 0 where nothing is wanted.
    """
    n_places = int(logged.place.max()) + 1
    n_titles = int(max(logged.shown.max(), logged.wanted.max())) + 1
    fold = np.random.default_rng(0).integers(0, folds, logged.n_units)[logged.unit]
    of_shown, of_wanted = np.zeros(len(logged.shown)), np.zeros(len(logged.shown))
    cell = logged.shown * n_places + logged.place
    for held_out in range(folds):
        train, rest = fold != held_out, fold == held_out
        model = _fit(cell[train], logged.place[train], logged.clicked[train], n_titles, n_places)
        of_shown[rest] = model[logged.shown[rest], logged.place[rest]]
        of_wanted[rest] = model[logged.wanted[rest], logged.place[rest]]
    of_wanted[logged.wanted == NOTHING] = 0.0
    return of_shown, of_wanted


def _fit(cell: Integers, place: Integers, clicked: Floats, n_titles: int, n_places: int) -> Floats:
    """Return click rates [n_titles, n_places]."""
    shown = np.bincount(cell, minlength=n_titles * n_places).reshape(n_titles, n_places)
    clicks = np.bincount(cell, clicked, minlength=n_titles * n_places).reshape(n_titles, n_places)
    overall = clicked.mean() if len(clicked) else 0.0
    of_place = (clicks.sum(0) + CELL_STRENGTH * overall) / (shown.sum(0) + CELL_STRENGTH)
    appeal = (clicks.sum(1) + APPEAL_STRENGTH) / (shown @ of_place + APPEAL_STRENGTH)
    prior = np.clip(appeal[:, None] * of_place, 0.0, 1.0)
    rates: Floats = (clicks + CELL_STRENGTH * prior) / (shown + CELL_STRENGTH)
    return rates
