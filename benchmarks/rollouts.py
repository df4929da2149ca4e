"""Rollouts: how often decisions are wrong, how long they take, and what an experiment costs a request.

Usage: ``python -m benchmarks.rollouts [PART...]``
"""

import argparse

from benchmarks import (
    assignment_overhead,
    off_policy,
    rollout_judge_simulations,
    rollout_simulations,
    rollout_traffic,
)
from benchmarks.report import Row, report
from mediareview.console import step

PARTS = {
    "overhead": (assignment_overhead.rows, 20),
    "traffic": (rollout_traffic.rows, 400),
    "decisions": (rollout_simulations.rows, 180),
    "judge": (rollout_judge_simulations.rows, 60),
    "off-policy": (off_policy.rows, 10),
}
"""Name of a part to its rows, and how many seconds they take."""


def main() -> None:
    """Measure, simulate, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all if none is named")
    chosen = parser.parse_args().parts or list(PARTS)
    if unknown := [part for part in chosen if part not in PARTS]:
        parser.error(f"no such part: {', '.join(unknown)}")
    found: list[Row] = []
    for part in chosen:
        rows, expected_s = PARTS[part]
        with step(part, expected_s=expected_s):
            found += rows()
    report("rollouts", found)


if __name__ == "__main__":
    main()
