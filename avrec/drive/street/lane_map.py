"""The street's HD map: lanes with centre lines and boundaries, and the crossings."""

from __future__ import annotations

from typing import Any

import numpy as np

from avrec.drive.street.road import CROSS_SECTION, Road
from avrec.drive.street.world import Street

__all__ = ["describe_map"]

_STEP_M = 1.0


def describe_map(street: Street) -> dict[str, Any]:
    """Content of ``map.json``: polylines in world metres [N][3], in driving direction; traffic keeps right.

    A lane's ``left`` and ``right`` boundaries are seen in its own direction. Neighbours and successors are lane ids.
    """
    section = CROSS_SECTION
    lanes = [
        _lane(street, "lane_right", -section.lane_center, 0.0, -section.lane_width, forward=True, kind="driving"),
        _lane(street, "lane_left", section.lane_center, 0.0, section.lane_width, forward=False, kind="driving"),
        _lane(
            street,
            "parking_right",
            -(section.lane_width + section.kerb) / 2,
            -section.lane_width,
            -section.kerb,
            True,
            "parking",
        ),
        _lane(
            street,
            "parking_left",
            (section.lane_width + section.kerb) / 2,
            section.lane_width,
            section.kerb,
            False,
            "parking",
        ),
    ]
    crossings = [
        {
            "id": f"crossing_{index}",
            "polygon": [
                _point(street.road, station + ahead, offset)
                for ahead, offset in (
                    (0.0, -section.kerb),
                    (3.2, -section.kerb),
                    (3.2, section.kerb),
                    (0.0, section.kerb),
                )
            ],
        }
        for index, station in enumerate(street.ground.crossings)
    ]
    return {"format": "avrec-lane-graph", "version": 1, "traffic": "right", "lanes": lanes, "crossings": crossings}


def _lane(
    street: Street, name: str, center: float, left: float, right: float, forward: bool, kind: str
) -> dict[str, Any]:
    stations = np.arange(street.extent_s[0], street.extent_s[1] + _STEP_M, _STEP_M)
    ordered = stations if forward else stations[::-1]
    middle = abs(center) < CROSS_SECTION.lane_width
    return {
        "id": name,
        "type": kind,
        "speed_limit_mps": 30 / 3.6,
        "center": [_point(street.road, s, center) for s in ordered],
        "left": [_point(street.road, s, left) for s in ordered],
        "right": [_point(street.road, s, right) for s in ordered],
        "left_marking": "broken" if middle else "solid",
        "right_marking": "solid" if middle else "kerb",
        "left_neighbor": None,
        "right_neighbor": name.replace("lane", "parking") if middle else None,
        "successors": [],
        "predecessors": [],
    }


def _point(road: Road, s: float, d: float) -> list[float]:
    x, y, _ = road.place(s, d)
    return [round(float(x), 4), round(float(y), 4), 0.0]
