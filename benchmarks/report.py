"""Rows of a benchmark: printed as a table, written as JSON. Each row compares two things measured in the same run."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from mediareview.console import output, table


@dataclass
class Row:
    """One comparison."""

    metric: str
    value: float
    unit: str
    baseline: str
    baseline_value: float
    note: str = ""
    """For example the confidence interval and the seed."""

    @property
    def ratio(self) -> float:
        """Value over baseline."""
        return self.value / self.baseline_value if self.baseline_value else float("nan")


def report(name: str, rows: list[Row]) -> None:
    """Print the rows and write ``benchmarks/out/NAME.json`` and, for the docs, ``NAME.md``."""
    directory = Path(__file__).parent / "out"
    directory.mkdir(exist_ok=True)
    documents = [{**asdict(row), "ratio": row.ratio} for row in rows]
    (directory / f"{name}.json").write_text(json.dumps(documents, indent=2) + "\n")
    columns = ["metric", "value", "unit", "baseline", "baseline value", "ratio", "note"]
    cells = [
        [
            row.metric,
            f"{row.value:.4g}",
            row.unit,
            row.baseline,
            f"{row.baseline_value:.4g}",
            f"{row.ratio:.3g}",
            row.note,
        ]
        for row in rows
    ]
    lines = ["| " + " | ".join(line) + " |" for line in [columns, ["---"] * len(columns), *cells]]
    (directory / f"{name}.md").write_text("\n".join(lines) + "\n")
    table(f"benchmark {name}", columns, cells)
    output.print(f"written to {directory / name}.json and .md")
