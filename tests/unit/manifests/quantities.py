"""Quantities of Kubernetes: ``500m``, ``1.5Gi``, ``2e3``; and Spark's sizes: ``2g``, ``512m``."""

import re
from decimal import Decimal

_QUANTITY = re.compile(r"([+-]?[0-9]*\.?[0-9]+)(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?[0-9]+)?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_SPARK = re.compile(r"([0-9]+)(k|m|g|t)b?", re.IGNORECASE)


def parse_quantity(text: object) -> Decimal:
    """Return a quantity as a number.

    Raises:
        ValueError: it is none.
    """
    matched = _QUANTITY.fullmatch(str(text)) if isinstance(text, str | int | float) else None
    if matched is None:
        raise ValueError(f"{text!r} is no quantity")
    number, suffix = Decimal(matched[1]), matched[2] or ""
    if suffix in _BINARY:
        return number * Decimal(1024) ** _BINARY[suffix]
    if suffix in _DECIMAL:
        return number.scaleb(_DECIMAL[suffix])
    return number.scaleb(int(suffix[1:]))


def parse_spark_memory(text: object) -> Decimal:
    """Return a memory size as Spark writes it, in bytes.

    Raises:
        ValueError: it is none.
    """
    matched = _SPARK.fullmatch(str(text))
    if matched is None:
        raise ValueError(f"{text!r} is no memory size of Spark")
    return Decimal(matched[1]) * Decimal(1024) ** ("kmgt".index(matched[2].lower()) + 1)
