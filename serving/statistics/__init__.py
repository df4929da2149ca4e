"""Sequential statistics: error rates that hold however often one looks. numpy only.

What each module is checked against is in ``tests/unit/sequential``, ``tests/unit/rollouts`` and
``benchmarks/rollout_simulations.py``.
"""

from serving.statistics.comparison import Boundary, Interval, compare, intervals, units_needed
from serving.statistics.confidence_sequence import ConfidenceSequence
from serving.statistics.difference import DifferencePath, difference_path, units_in_step
from serving.statistics.failure_rate import failure_log_evidence
from serving.statistics.group_sequential import GroupSequential, boundaries
from serving.statistics.sample_ratio import sample_ratio_p_value

__all__ = [
    "Boundary",
    "ConfidenceSequence",
    "DifferencePath",
    "GroupSequential",
    "Interval",
    "boundaries",
    "compare",
    "difference_path",
    "failure_log_evidence",
    "intervals",
    "sample_ratio_p_value",
    "units_in_step",
    "units_needed",
]
