"""The command line: one verb, one function, no logic of its own."""

from avrec.cli.ending import main

__all__ = ["main"]
