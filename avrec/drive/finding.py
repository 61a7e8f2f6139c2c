"""One thing that an audit found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

__all__ = ["Finding"]


@dataclass(frozen=True)
class Finding:
    """One problem of a recording.

    Attributes:
        severity: ``"error"`` stands in the way of a reconstruction, ``"warning"`` will show in it, ``"note"`` is good
            to know.
        what: what was found.
        where: the sensor, track or part of the drive.
        remedy: what to do about it.
    """

    severity: Literal["error", "warning", "note"]
    what: str
    where: str
    remedy: str

    def to_dict(self) -> dict[str, str]:
        """Values that JSON can hold."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.what}. {self.remedy}"
