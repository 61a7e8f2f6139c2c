"""Small roads and judges that several map tests share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.drive.lane_graph import LaneGraph
from bench.map_judges import distances

Float64 = NDArray[np.float64]

LINE = '<geometry s="0" x="0" y="0" hdg="0" length="100"><line/></geometry>'


def lane(number: int, body: str = '<width sOffset="0" a="3.5" b="0" c="0" d="0"/>', kind: str = "driving") -> str:
    return f'<lane id="{number}" type="{kind}" level="false">{body}</lane>'


def section(left: str = "", right: str = "", s: float = 0.0, center: str = "") -> str:
    sides = f"<left>{left}</left>" if left else ""
    sides += f'<center><lane id="0" type="none" level="false">{center}</lane></center>'
    sides += f"<right>{right}</right>" if right else ""
    return f'<laneSection s="{s}">{sides}</laneSection>'


def road(
    sections: str,
    *,
    number: str = "1",
    length: float = 100.0,
    geometry: str = LINE,
    link: str = "",
    junction: str = "-1",
    extra: str = "",
    after: str = "",
    rule: str = "RHT",
    offsets: str = "",
) -> str:
    return (
        f'<road name="r" length="{length}" id="{number}" junction="{junction}" rule="{rule}"><link>{link}</link>'
        f"<planView>{geometry}</planView>{extra}<lanes>{offsets}{sections}</lanes>{after}</road>"
    )


def xodr(*parts: str, header: str = "") -> bytes:
    head = f'<header revMajor="1" revMinor="8" name="test">{header}</header>'
    return f'<?xml version="1.0"?><OpenDRIVE>{head}{"".join(parts)}</OpenDRIVE>'.encode()


def farthest(points: Float64, line: Float64) -> float:
    """Largest distance of points [N, 3] from a polyline [M, 3]."""
    return float(distances(points, line).max())


def apart(first: LaneGraph, second: LaneGraph) -> float:
    """Largest distance between the centre lines of lanes with one id, both ways."""
    return max(
        max(farthest(a.center, second.lanes[name].center), farthest(second.lanes[name].center, a.center))
        for name, a in first.lanes.items()
    )
