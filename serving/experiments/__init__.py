"""Who gets which variant: sticky, exact, and explainable. Shared by the public API and the rollouts."""

from serving.experiments.assignment import Assignment, assign
from serving.experiments.experiment import Experiment, experiment_of, unplanned_experiment
from serving.experiments.variant_tokens import variant_token

__all__ = ["Assignment", "Experiment", "assign", "experiment_of", "unplanned_experiment", "variant_token"]
