"""Statistics shared by the evaluations."""

from components.statistics.bootstrap import bootstrap_interval, mean_interval
from components.statistics.calibration import expected_calibration_error

__all__ = ["bootstrap_interval", "expected_calibration_error", "mean_interval"]
