"""What a validation found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

__all__ = ["AVREC", "CONSUMERS", "DRIVING", "Finding", "Report", "error", "note", "warning"]

CONSUMERS = ("isaac", "carla", "alpasim")
"""Isaac Sim and other Kit applications, CARLA's NuRec client, AlpaSim."""

DRIVING = ("carla", "alpasim")
AVREC = ("avrec",)

_ORDER = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class Finding:
    """One problem of a scene file.

    Attributes:
        severity: ``"error"``: the consumers will fail; ``"warning"``: they will not do what was meant; ``"note"``: good
            to know.
        consumers: who is affected.
        where: member, and below it the key, e.g. ``"rig_trajectories.json: rig_trajectories[0].rig_bbox"``.
        what: what was found.
        why: why it matters.
        remedy: what to do about it.
    """

    severity: Literal["error", "warning", "note"]
    consumers: tuple[str, ...]
    where: str
    what: str
    why: str
    remedy: str

    def to_dict(self) -> dict[str, Any]:
        """Values that JSON can hold."""
        return {
            "severity": self.severity,
            "consumers": list(self.consumers),
            "where": self.where,
            "what": self.what,
            "why": self.why,
            "remedy": self.remedy,
        }

    def __str__(self) -> str:
        return f"{self.severity} [{', '.join(self.consumers)}] {self.where}: {self.what}. {self.why}. {self.remedy}."


@dataclass(frozen=True)
class Report:
    """All findings on one file, worst first.

    Attributes:
        path: the file.
        consumers: whom it was checked for.
        findings: empty for a file that nobody complains about.
    """

    path: Path
    consumers: tuple[str, ...]
    findings: tuple[Finding, ...]

    @classmethod
    def of_findings(cls, path: Path, consumers: Sequence[str], findings: Sequence[Finding]) -> Report:
        """Sorted, and without what concerns nobody that was asked for."""
        asked = {*consumers, *AVREC}
        kept = [finding for finding in findings if asked & set(finding.consumers)]
        return cls(path, tuple(consumers), tuple(sorted(kept, key=lambda finding: _ORDER[finding.severity])))

    def of(self, severity: Literal["error", "warning", "note"]) -> tuple[Finding, ...]:
        """The findings of one severity."""
        return tuple(finding for finding in self.findings if finding.severity == severity)

    def fails(self, consumer: str) -> bool:
        """Whether this consumer (or ``"avrec"`` itself) cannot use the file."""
        return any(consumer in finding.consumers for finding in self.of("error"))

    @property
    def failing(self) -> tuple[str, ...]:
        """Those of the consumers asked for that cannot use the file."""
        return tuple(consumer for consumer in self.consumers if self.fails(consumer))

    def to_dict(self) -> dict[str, Any]:
        """Values that JSON can hold."""
        return {
            "path": str(self.path),
            "consumers": {consumer: not self.fails(consumer) for consumer in self.consumers},
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def __str__(self) -> str:
        if not self.findings:
            return "No problem found."
        return "\n".join(str(finding) for finding in self.findings)


def error(consumers: tuple[str, ...], where: str, what: str, why: str, remedy: str) -> Finding:
    """A finding that stops its consumers."""
    return Finding("error", consumers, _line(where), _line(what), why, remedy)


def warning(consumers: tuple[str, ...], where: str, what: str, why: str, remedy: str) -> Finding:
    """A finding that shows in what its consumers do."""
    return Finding("warning", consumers, _line(where), _line(what), why, remedy)


def note(consumers: tuple[str, ...], where: str, what: str, why: str, remedy: str) -> Finding:
    """A finding that is good to know."""
    return Finding("note", consumers, _line(where), _line(what), why, remedy)


def _line(text: str) -> str:
    """One printable line of bounded length, whatever a hostile file put into it."""
    plain = "".join(char if char.isprintable() else "?" for char in text)
    return plain if len(plain) <= 300 else plain[:297] + "..."
