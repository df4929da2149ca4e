"""Contracts as Arrow schemas for the lake and as JSON Schemas for the docs.

PyArrow is imported when it is used: who only validates, as the public API does, saves its 40 MB.
"""

import types
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from mediareview.contracts.record import Record

if TYPE_CHECKING:
    import pyarrow as pa


@cache
def _scalars() -> dict[type, "pa.DataType"]:
    import pyarrow as pa

    return {
        str: pa.string(),
        float: pa.float64(),
        int: pa.int64(),
        bool: pa.bool_(),
        # Microseconds: DuckDB 2.0 fails on nanosecond timestamps in Parquet.
        datetime: pa.timestamp("us", tz="UTC"),
    }


def _arrow_type(annotation: Any) -> "pa.DataType":
    import pyarrow as pa

    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        (inner,) = (argument for argument in get_args(annotation) if argument is not type(None))
        return _arrow_type(inner)
    if origin is Literal:
        return pa.string()
    if origin is list:
        return pa.list_(_arrow_type(get_args(annotation)[0]))
    if hasattr(annotation, "__metadata__"):
        return _arrow_type(annotation.__origin__)
    return _scalars()[annotation]


@cache
def arrow_schema(contract: type[Record]) -> "pa.Schema":
    """Return the Arrow schema of a contract's table, columns in field order."""
    import pyarrow as pa

    return pa.schema([(name, _arrow_type(field.annotation)) for name, field in contract.model_fields.items()])


def to_arrow(contract: type[Record], records: Iterable[Record]) -> "pa.Table":
    """Return validated records as an Arrow table with the contract's schema."""
    import pyarrow as pa

    return pa.Table.from_pylist([dict(record) for record in records], schema=arrow_schema(contract))


def json_schemas(contracts: dict[str, type[Record]]) -> dict[str, dict[str, Any]]:
    """Return the JSON Schema (draft 2020-12) of each contract by table name."""
    return {
        table: {"$schema": "https://json-schema.org/draft/2020-12/schema", **contract.model_json_schema()}
        for table, contract in contracts.items()
    }
