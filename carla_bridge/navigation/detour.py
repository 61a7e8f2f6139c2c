"""The mesh as the file that clients load: one tile of a Detour navigation mesh.

Layout of Detour's tiles, version 7 (32-bit references), as its public headers describe them; the axes are CARLA's x,
height, CARLA's y. Links between polygons are made by the reader; the file only leaves room for them.
"""

from __future__ import annotations

from struct import pack

import numpy as np

from carla_bridge.frames import flip_points
from carla_bridge.navigation.mesh import Area, WalkMesh

__all__ = ["navigation_file"]

SET_MAGIC = int.from_bytes(b"MSET", "big")
SET_VERSION = 1
TILE_MAGIC = int.from_bytes(b"DNAV", "big")
TILE_VERSION = 7
CORNERS = 6
LINK_BYTES = 12
AGENT_HEIGHT_M, AGENT_RADIUS_M, CLIMB_M = 1.8, 0.3, 0.5
FLAGS = {Area.SIDEWALK: 0x02, Area.CROSSWALK: 0x04}
CELL_M = 0.3
"""Unit of the boxes in the search tree."""

POLYGON = np.dtype(
    [
        ("link", "<u4"),
        ("corners", "<u2", CORNERS),
        ("beside", "<u2", CORNERS),
        ("flags", "<u2"),
        ("n", "u1"),
        ("area", "u1"),
    ]
)
DETAIL = np.dtype([("points", "<u4"), ("triangles", "<u4"), ("n_points", "u1"), ("n_triangles", "u1"), ("pad", "<u2")])
NODE = np.dtype([("low", "<u2", 3), ("high", "<u2", 3), ("index", "<i4")])


def navigation_file(mesh: WalkMesh) -> bytes:
    """The file's bytes; none for a mesh without polygons."""
    if not mesh.polygons:
        return b""
    points = flip_points(mesh.points)[:, [0, 2, 1]].astype("<f4")
    low, high = points.min(axis=0) - 1.0, points.max(axis=0) + 2.0
    count = len(mesh.polygons)
    bits = max((count - 1).bit_length(), 1)
    size = high - low
    tile = _tile(mesh, points, low, high)
    head = pack("<3i", SET_MAGIC, SET_VERSION, 1)
    parameters = pack("<5f2i", *low, size[0], size[2], 1, 1 << bits)
    reference = 1 << bits  # the first tile, with the first salt
    return head + parameters + pack("<Ii", reference, len(tile)) + tile


def _tile(mesh: WalkMesh, points: np.ndarray, low: np.ndarray, high: np.ndarray) -> bytes:
    polygons = np.zeros(len(mesh.polygons), dtype=POLYGON)
    details = np.zeros(len(mesh.polygons), dtype=DETAIL)
    triangles: list[tuple[int, int, int, int]] = []
    links = 0
    for number, (corners, beside, area) in enumerate(zip(mesh.polygons, mesh.neighbours, mesh.areas, strict=True)):
        n = len(corners)
        polygons[number]["link"] = 0xFFFFFFFF
        polygons[number]["corners"][:n] = corners
        polygons[number]["beside"][:n] = [other + 1 for other in beside]
        polygons[number]["flags"], polygons[number]["n"], polygons[number]["area"] = FLAGS[area], n, int(area)
        links += sum(other >= 0 for other in beside)
        details[number]["triangles"], details[number]["n_triangles"] = len(triangles), n - 2
        for corner in range(2, n):  # a fan; two bits per edge say whether it is the polygon's border
            border = 0b0100 | (corner == 2) | ((corner == n - 1) << 4)
            triangles.append((0, corner - 1, corner, border))
    nodes = _search_tree(mesh, points, low)
    head = pack(
        "<15i10f",
        *(TILE_MAGIC, TILE_VERSION, 0, 0, 0, 0),
        *(len(polygons), len(points), links + 1, len(details), 0, len(triangles), len(nodes), 0, len(polygons)),
        *(AGENT_HEIGHT_M, AGENT_RADIUS_M, CLIMB_M),
        *low,
        *high,
        1.0 / CELL_M,
    )
    return b"".join(
        (
            head,
            points.tobytes(),
            polygons.tobytes(),
            bytes(LINK_BYTES * (links + 1)),
            details.tobytes(),
            np.array(triangles, dtype="u1").tobytes(),
            nodes.tobytes(),
        )
    )


def _search_tree(mesh: WalkMesh, points: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Boxes of the polygons as a binary tree in depth-first order; inner nodes say how far to jump to skip them."""
    boxes = np.empty((len(mesh.polygons), 2, 3))
    for number, corners in enumerate(mesh.polygons):
        own = (points[list(corners)] - low) / CELL_M
        boxes[number] = np.floor(own.min(axis=0)), np.ceil(own.max(axis=0)) + 1
    boxes = np.clip(boxes, 0, 0xFFFF)
    nodes = np.zeros(2 * len(boxes) - 1, dtype=NODE)
    filled = 0
    stack = [np.arange(len(boxes))]
    while stack:
        members = stack.pop()
        box = boxes[members]
        lowest, highest = box[:, 0].min(axis=0), box[:, 1].max(axis=0)
        node = nodes[filled]
        node["low"], node["high"] = lowest, highest
        if len(members) == 1:
            node["index"] = members[0]
        else:
            node["index"] = -(2 * len(members) - 1)  # nodes of this part of the tree
            axis = int(np.argmax(highest - lowest))
            order = members[np.argsort(box[:, 0, axis], kind="stable")]
            stack += [order[len(order) // 2 :], order[: len(order) // 2]]
        filled += 1
    return nodes
