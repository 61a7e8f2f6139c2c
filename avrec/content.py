"""Where the content that travels with the package lies."""

from __future__ import annotations

from pathlib import Path

from avrec.errors import DataError

__all__ = ["datasets_folder"]


def datasets_folder() -> Path:
    """Folder with one folder per dataset (``recipe.toml``, ``README.md``).

    In a wheel it is ``avrec/datasets``; in a checkout it lies beside the package.

    Raises:
        DataError: the installation is incomplete.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "datasets", package.parent / "datasets"):
        if folder.is_dir():
            return folder
    raise DataError(f"This installation of avrec has no datasets folder in {package}. Install avrec again.")
