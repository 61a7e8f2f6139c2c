"""Facts about a dataset that its files do not carry, from ``datasets/<name>/recipe.toml``."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from avrec.errors import DataError

__all__ = ["load_recipe"]


@cache
def load_recipe(name: str) -> dict[str, Any]:
    """The recipe of one dataset as nested tables.

    Raises:
        DataError: this installation has no such recipe, or the file is not TOML.
    """
    package = Path(__file__).resolve().parents[1]
    # In a wheel the folder travels inside the package; in a source tree it lies beside it.
    for folder in (package / "datasets", package.parent / "datasets"):
        path = folder / name / "recipe.toml"
        if path.is_file():
            try:
                return tomllib.loads(path.read_text(encoding="utf-8"))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise DataError(f"The recipe {path} is not valid TOML: {error}. Correct that line.") from error
    raise DataError(f"No recipe for the dataset {name!r} is installed. Reinstall avrec to restore its datasets folder.")
