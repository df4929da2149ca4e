import numpy as np
import pandas as pd

from components.moderation.config import Config
from components.moderation.evaluate import score
from serving.scorers.text import Thresholds

THRESHOLDS = {category: Thresholds(review=0.5, block=0.9) for category in ("spam", "abusive", "inappropriate")}


def test_of_a_category_without_a_case_only_what_is_defined_is_told():
    texts = pd.DataFrame({"spam": [0.0] * 4, "abusive": [1.0, 1.0, 0.0, 0.0], "inappropriate": [np.nan] * 4})
    probabilities = np.array([[0.1, 0.95, 0.0], [0.1, 0.6, 0.0], [0.1, 0.2, 0.0], [0.1, 0.7, 0.0]])
    found = {m.name: m.value for m in score(texts, probabilities, THRESHOLDS, ["spam", "abusive"], Config())}
    assert not any("spam" in name for name in found)
    assert found["f1_abusive"] == 0.8
    assert found["review_precision_abusive"] == 2 / 3
    assert found["block_recall_abusive"] == 0.5
    assert found["auc_abusive"] == found["macro_auc"] == 0.75
