"""Problems of a recording, found before hours are spent on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from avrec.drive.audit_motion import check_coverage, check_ego
from avrec.drive.audit_sensors import check_images, check_lidar
from avrec.drive.drive import Drive
from avrec.drive.finding import Finding
from avrec.drive.info import DriveInfo, summarise

__all__ = ["AuditReport", "Finding", "audit", "drive_info"]

_FASTEST_ACTOR_MPS = 90.0


@dataclass(frozen=True)
class AuditReport:
    """What was found, worst first.

    Attributes:
        findings: all of them; empty for a recording without a blemish.
    """

    findings: tuple[Finding, ...]

    def of(self, severity: Literal["error", "warning", "note"]) -> tuple[Finding, ...]:
        """The findings of one severity."""
        return tuple(finding for finding in self.findings if finding.severity == severity)

    @property
    def usable(self) -> bool:
        """Whether nothing stands in the way of a reconstruction."""
        return not self.of("error")

    def to_dict(self) -> dict[str, Any]:
        """Values that JSON can hold."""
        return {"usable": self.usable, "findings": [finding.to_dict() for finding in self.findings]}

    def __str__(self) -> str:
        if not self.findings:
            return "No problem found."
        return "\n".join(str(finding) for finding in self.findings)


def audit(drive: Drive) -> AuditReport:
    """Check times, the ego's path, mountings, pictures, lidar and tracks.

    Pictures and sweeps are sampled: a few per sensor are read, so that it takes seconds whatever the drive's length.
    """
    checks: tuple[Callable[[Drive], Iterator[Finding]], ...] = (
        _check_frames,
        _check_shutters,
        _check_mountings,
        check_ego,
        check_coverage,
        check_images,
        check_lidar,
        _check_tracks,
    )
    findings = _merged([finding for check in checks for finding in check(drive)])
    order = ("error", "warning", "note")
    return AuditReport(tuple(sorted(findings, key=lambda finding: order.index(finding.severity))))


def _merged(findings: list[Finding]) -> list[Finding]:
    """The same finding at several places as one."""
    places: dict[Finding, list[str]] = {}
    for finding in findings:
        places.setdefault(replace(finding, where=""), []).append(finding.where)
    merged = []
    for finding, where in places.items():
        kind = where[0].split(" ")[0]
        if len(where) > 1 and all(place.startswith(f"{kind} ") for place in where):
            names = ", ".join(place.removeprefix(f"{kind} ") for place in where)
            merged.append(replace(finding, where=f"{kind}s {names}"))
        else:
            merged.append(replace(finding, where=", ".join(where)))
    return merged


def drive_info(drive: Drive) -> DriveInfo:
    """What a recording holds, together with what is wrong with it."""
    report = audit(drive)
    return DriveInfo(summarise(drive), report.findings)


def _check_frames(drive: Drive) -> Iterator[Finding]:
    """Number and times of the frames."""
    for name, frames in drive.frames.items():
        where = f"camera {name}"
        if not frames:
            yield Finding("error", "The camera has no frames", where, "Leave it out with --cameras.")
            continue
        steps = np.diff([frame.timestamp_us for frame in frames])
        if (steps <= 0).any():
            at = int(np.flatnonzero(steps <= 0)[0]) + 1
            yield Finding("error", f"Timestamps do not increase at frame {at}", where, "Correct the recording's clock.")
            continue
        if len(frames) < 5:
            yield Finding("warning", f"Only {len(frames)} frames", where, "A scene needs about 10 frames or more.")
            continue
        usual = float(np.median(steps))
        gaps = steps[steps > 2.5 * usual]
        if len(gaps):
            yield Finding(
                "warning",
                f"{len(gaps)} gap(s) of up to {gaps.max() / 1e6:.2f} s between frames that are usually "
                f"{usual / 1e6:.2f} s apart",
                where,
                "Frames are missing, or the shutter does not fire evenly; --frames chooses a range without gaps.",
            )
    if len(drive.frames) == 1:
        yield Finding(
            "warning",
            "Only one camera",
            "rig",
            "Expect little depth beside the path; add a camera or lidar if you can.",
        )


def _check_shutters(drive: Drive) -> Iterator[Finding]:
    unknown = [name for name, camera in drive.cameras.items() if not camera.shutter_known]
    if unknown:
        yield Finding(
            "note",
            "The recording does not say how the shutter works; it is treated as global",
            f"camera {', '.join(unknown)}",
            "If the sensor rolls, add shutter and readout_us to the recording.",
        )


def _check_mountings(drive: Drive) -> Iterator[Finding]:
    names = list(drive.cameras)
    for name in names:
        position = drive.cameras[name].rig_from_camera[:3, 3]
        where = f"camera {name}"
        if not np.isfinite(drive.cameras[name].rig_from_camera).all():
            yield Finding("error", "The mounting holds NaN", where, "Correct the calibration.")
        elif np.linalg.norm(position[:2]) > 6.0 or not 0.1 < position[2] < 4.5:
            place = ", ".join(f"{value:.2f}" for value in position)
            yield Finding(
                "warning",
                f"Mounted at ({place}) m in the rig frame, which is not on a car",
                where,
                "Check units (metres) and the direction of the extrinsic transform.",
            )
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            if np.allclose(drive.cameras[first].rig_from_camera, drive.cameras[second].rig_from_camera, atol=1e-6):
                yield Finding(
                    "warning", "Two cameras have the same mounting", f"cameras {first} and {second}", "Check the names."
                )


def _check_tracks(drive: Drive) -> Iterator[Finding]:
    if not drive.tracks:
        yield Finding(
            "note",
            "No actor tracks",
            "tracks",
            "Anything that moves will blur; add tracks if the drive has moving road users.",
        )
    first, last = drive.ego.span_us
    for track in drive.tracks:
        where = f"track {track.id} ({track.label})"
        if track.size_m.max() > 30 or track.size_m.min() < 0.05:
            size = " x ".join(f"{value:.2f}" for value in track.size_m)
            yield Finding("warning", f"Its box measures {size} m", where, "Check the unit and order of the size.")
        start, end = track.world_from_box.span_us
        if end < first or start > last:
            yield Finding("warning", "It is never there during the drive", where, "Check the track's timestamps.")
        seconds = np.diff(track.world_from_box.timestamps_us) / 1e6
        if len(seconds):
            moved = np.linalg.norm(np.diff(track.world_from_box.poses[:, :3, 3], axis=0), axis=1)
            speed = moved / np.maximum(seconds, 0.05)
            if speed.max() > _FASTEST_ACTOR_MPS:
                yield Finding(
                    "warning", f"It moves at {speed.max():.0f} m/s", where, "Check the track's poses and timestamps."
                )
