"""How often a recommender would have been clicked, had it answered: estimated from the answers of another.

Dudik, Langford, Li: Doubly robust policy evaluation and learning, ICML 2011. Swaminathan, Joachims: The self-normalized
estimator for counterfactual learning, NeurIPS 2015. Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay, Wen: Offline
evaluation of ranking policies with click models, KDD 2018, for the item-position model: whether a title is clicked
depends on who sees it, the title and its place, and not on what stands at the other places.
"""

from serving.off_policy.diagnostics import Diagnostics, diagnose, refuse_if_uninformative, refuse_if_unreliable
from serving.off_policy.estimates import Estimate, estimates, logged_clicks
from serving.off_policy.logs import LoggedAnswer, read_log
from serving.off_policy.positions import Positions, positions

__all__ = [
    "Diagnostics",
    "Estimate",
    "LoggedAnswer",
    "Positions",
    "diagnose",
    "estimates",
    "logged_clicks",
    "positions",
    "read_log",
    "refuse_if_uninformative",
    "refuse_if_unreliable",
]
