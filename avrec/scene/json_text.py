"""JSON in and out of a package: finite numbers only, and bounded."""

from __future__ import annotations

import json
import math
from typing import Any

from avrec.errors import DataError, OutputError

__all__ = ["MAX_JSON_BYTES", "dump_json", "load_json"]

MAX_JSON_BYTES = 64 << 20
"""Longest JSON member written, and therefore the longest one read."""

_MAX_CONTAINERS = 1_000_000  # empty lists cost 30 times their text in memory; a scene has one a pose


def dump_json(value: Any, *, what: str, indent: int | None = None) -> bytes:
    """JSON in ASCII; numbers read back exactly.

    Raises:
        DataError: something in it that JSON cannot hold, NaN and infinity included.
        OutputError: longer than a scene file may hold.
    """
    separators = (",", ":") if indent is None else (",", ": ")
    try:
        data = json.dumps(value, allow_nan=False, indent=indent, separators=separators).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(
            f"The {what} holds something that cannot be saved ({error}); keep to finite numbers, texts, lists and "
            "dictionaries with text keys."
        ) from error
    if _too_large(data):
        raise OutputError(
            f"The {what} takes {len(data) >> 20} MiB as JSON, more than the {MAX_JSON_BYTES >> 20} a scene file may "
            "hold; cut the drive into shorter pieces."
        )
    return data


def load_json(data: bytes, *, what: str) -> Any:
    """Parse JSON that may come from anybody.

    Raises:
        DataError: not JSON, too large, nested too deeply, or with NaN or infinity in it.
    """
    if _too_large(data):
        raise DataError(f"{what} is larger than a scene file may hold. Save the scene again.")
    try:
        return json.loads(data, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError, MemoryError) as error:  # ValueError covers bad UTF-8 and over-long integers
        raise DataError(f"{what} is not valid JSON ({str(error)[:120]}). Save the scene again.") from error


def _too_large(data: bytes) -> bool:
    return len(data) > MAX_JSON_BYTES or data.count(b"[") + data.count(b"{") > _MAX_CONTAINERS


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a finite number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)
