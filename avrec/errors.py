"""Errors a user can act on. The CLI prints their text and exits 2; anything else is a bug in avrec."""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["AvrecError", "DataError", "MissingExtraError", "OutputError", "require"]


class AvrecError(Exception):
    """A mistake the user can fix: says what was wrong, what was found and how to fix it."""


class DataError(AvrecError):
    """A file or recording from outside cannot be used as it is."""


class OutputError(AvrecError):
    """A result cannot be written where it was asked for."""


class MissingExtraError(AvrecError):
    """An optional package is not installed; the text carries the install line."""


def require(module: str, extra: str) -> ModuleType:
    """Import an optional ``module`` or raise the line that installs it.

    Args:
        module: import name, e.g. ``"gsplat"``.
        extra: the avrec extra that brings it, e.g. ``"gpu"``.

    Raises:
        MissingExtraError: the module cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except Exception as error:  # an optional package may fail at import in many ways
        raise MissingExtraError(
            f"This needs the package '{module.split('.')[0]}', which could not be imported ({error}). "
            f"Install it with: pip install 'avrec[{extra}]'"
        ) from error
