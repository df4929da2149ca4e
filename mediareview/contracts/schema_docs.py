"""Write the contracts' JSON Schemas to ``docs/schemas``, or check that they are current.

Usage: ``python -m mediareview.contracts.schema_docs [--check]``
"""

import json
import sys
from pathlib import Path

from mediareview.contracts import CONTRACTS, json_schemas

DIRECTORY = Path(__file__).resolve().parents[2] / "docs" / "schemas"


def schema_files() -> dict[Path, str]:
    """Return path and content of every schema file."""
    return {
        DIRECTORY / f"{table}.schema.json": json.dumps(schema, indent=2) + "\n"
        for table, schema in json_schemas(CONTRACTS).items()
    }


def stale_files() -> list[Path]:
    """Return the schema files that are missing, differ from the contracts, or belong to no contract."""
    wanted = schema_files()
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text() != text]
    return stale + [path for path in DIRECTORY.glob("*.schema.json") if path not in wanted]


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        stale = stale_files()
        if stale:
            sys.exit(f"{', '.join(path.name for path in stale)} differ from the contracts. Run: make schemas")
    else:
        DIRECTORY.mkdir(parents=True, exist_ok=True)
        for path, text in schema_files().items():
            path.write_text(text)
