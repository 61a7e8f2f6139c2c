"""A recording in a page: what it holds, in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from avrec.drive.drive import CameraSensor, Drive, Frame
from avrec.drive.finding import Finding

__all__ = ["DriveInfo", "summarise"]


@dataclass(frozen=True)
class DriveInfo:
    """Summary of a drive and the audit's findings.

    Attributes:
        summary: from `summarise`.
        findings: worst first.
    """

    summary: Mapping[str, Any]
    findings: tuple[Finding, ...]

    def to_dict(self) -> dict[str, Any]:
        """Values that JSON can hold."""
        return {**self.summary, "findings": [finding.to_dict() for finding in self.findings]}

    def __str__(self) -> str:
        return "\n".join([*_lines(self.summary), *(str(finding) for finding in self.findings)])


def summarise(drive: Drive) -> dict[str, Any]:
    """Figures about a drive as plain values that JSON can hold; nothing is read from disk.

    Path and speeds are those of the rig between the first and the last frame.
    """
    times = [frame.timestamp_us for frames in drive.frames.values() for frame in frames]
    start_us, end_us = (min(times), max(times)) if times else drive.ego.span_us
    knots = np.unique(np.clip(drive.ego.timestamps_us, start_us, end_us))
    positions = drive.ego.at(knots, outside="hold")[:, :3, 3]
    moved = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    seconds = np.diff(knots) / 1e6
    speeds = moved / seconds
    moving = [track for track in drive.tracks if track.moving]
    return {
        "name": drive.name,
        "source": str(drive.source),
        "layout": drive.layout,
        "start_us": start_us,
        "end_us": end_us,
        "duration_s": (end_us - start_us) / 1e6,
        "frames": len(times),
        "path_m": float(moved.sum()),
        "mean_speed_mps": float(moved.sum() / seconds.sum()) if len(seconds) else None,
        "max_speed_mps": float(speeds.max()) if len(speeds) else None,
        "cameras": {name: _camera(camera, drive.frames[name]) for name, camera in drive.cameras.items()},
        "lidar_sweeps": dict(Counter(sweep.lidar for sweep in drive.sweeps)),
        "tracks": {
            "moving": len(moving),
            "parked": len(drive.tracks) - len(moving),
            "classes": dict(Counter(track.label for track in drive.tracks)),
        },
        "map": None if drive.map_path is None else str(drive.map_path),
        "anchor": None if drive.anchor is None else asdict(drive.anchor),
        "notes": list(drive.notes),
    }


def _camera(camera: CameraSensor, frames: tuple[Frame, ...]) -> dict[str, Any]:
    steps = np.diff([frame.timestamp_us for frame in frames])
    values = camera.model.to_dict()
    return {
        "width": camera.model.width,
        "height": camera.model.height,
        "model": values["model"],
        "frames": len(frames),
        "rate_hz": float(1e6 / np.median(steps)) if len(steps) and np.median(steps) > 0 else None,
        "shutter": str(camera.shutter.direction.value),
        "shutter_known": camera.shutter_known,
        "readout_us": float(camera.shutter.readout_us),
        "exposure_us": float(camera.shutter.exposure_us),
        "position_in_rig_m": [round(float(value), 4) for value in camera.rig_from_camera[:3, 3]],
    }


def _lines(summary: Mapping[str, Any]) -> list[str]:
    """The summary as text."""
    lines = [f"{summary['name']} ({summary['layout']})"]
    pace = ""
    if summary["mean_speed_mps"] is not None:
        pace = f", {summary['mean_speed_mps']:.1f} m/s on average, at most {summary['max_speed_mps']:.1f} m/s"
    lines.append(f"  {summary['duration_s']:.1f} s, {summary['path_m']:.1f} m{pace}")
    for name, camera in summary["cameras"].items():
        rate = "" if camera["rate_hz"] is None else f" at {camera['rate_hz']:.1f} Hz"
        readout = f", {camera['readout_us'] / 1000:g} ms" if camera["readout_us"] else ""
        shutter = f"{camera['shutter']} shutter{readout}" if camera["shutter_known"] else "shutter unknown"
        size = f"{camera['width']}x{camera['height']} {camera['model']}"
        lines.append(f"  camera {name}: {camera['frames']} frames{rate}, {size}, {shutter}")
    for name, sweeps in summary["lidar_sweeps"].items():
        lines.append(f"  lidar {name}: {sweeps} sweeps")
    tracks = summary["tracks"]
    if tracks["moving"] + tracks["parked"]:
        classes = ", ".join(f"{count} {label}" for label, count in tracks["classes"].items())
        lines.append(f"  tracks: {tracks['moving']} moving, {tracks['parked']} parked ({classes})")
    if summary["map"]:
        lines.append(f"  map: {summary['map']}")
    if summary["anchor"]:
        anchor = summary["anchor"]
        lines.append(
            f"  origin: latitude {anchor['latitude_deg']:.6f}, longitude {anchor['longitude_deg']:.6f}, "
            f"altitude {anchor['altitude_m']:.1f} m"
        )
    return [*lines, *(f"  {note}" for note in summary["notes"])]
