"""Numbers that users give: a sentence where one cannot be."""

from __future__ import annotations

from math import inf
from numbers import Real

from avrec.errors import AvrecError

__all__ = ["number"]


def number(owner: str, name: str, value: object, low: float = -inf, high: float = inf, unit: str = "") -> float:
    """A parameter that can be, as a float.

    Args:
        owner: whose it is; empty for one that its name tells enough of.
        name: of the parameter.
        value: what was given.
        low, high: bounds, included. Infinities and NaN are refused whatever the bounds.
        unit: of the bounds.

    Raises:
        AvrecError: it is no finite number within the bounds.
    """
    of = f"{owner}: " if owner else ""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise AvrecError(f"{of}{name}={value!r} is not a number. Give one.")
    try:
        found = float(value)
    except OverflowError:
        found = inf
    if -inf < found < inf and low <= found <= high:
        return found
    unit = f" {unit}" if unit else ""
    if low == -inf and high == inf:
        bounds = "a finite number"
    elif high == inf:
        bounds = f"{low:g}{unit} or more"
    else:
        bounds = f"{low:g} to {high:g}{unit}"
    raise AvrecError(f"{of}{name}={found:g} is out of range. Choose {bounds}.")
