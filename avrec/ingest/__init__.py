"""Recordings in the layouts people have, read into a Drive."""

from avrec.ingest.open_drive import open_drive

__all__ = ["open_drive"]
