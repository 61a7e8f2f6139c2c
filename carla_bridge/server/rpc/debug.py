"""Debug shapes: pictures of colour cameras show them."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from carla_bridge.server.rpc.registry import RpcError, RpcGroup
from carla_bridge.server.wire.values import Value, numbers_in, pose_in, vector_in
from carla_bridge.world.drawings import Label, Shape, Stroke, arrow, box, label, line, point

if TYPE_CHECKING:
    from carla_bridge.server.host import Host

__all__ = ["rpc"]

rpc = RpcGroup()

FIRST_OF_HUD, LAST_OF_HUD = 5, 8


@rpc.nothing("draw_debug_shape")
def draw_debug_shape(host: Host, shape: Value) -> None:
    """Draw for one step (a negative life time), for ever (0), or for some seconds."""
    (kind, payload), colour, life_s = shape[0], shape[1], numbers_in([shape[2]], 1)[0]
    if FIRST_OF_HUD <= kind <= LAST_OF_HUD:
        text = "Shapes on the head-up display cannot be shown: there is no window. Use the shapes in the world instead."
        host.warn_once(text, text)
        raise RpcError(text)
    red, green, blue = (min(max(int(part), 0), 255) for part in colour[:3])
    host.world.drawings.add(
        Shape(
            _parts(int(kind), payload),
            (blue, green, red),
            host.world.time_s + life_s if life_s > 0.0 else inf,
            host.world.frame + 1 if life_s < 0.0 else inf,
        )
    )


def _parts(kind: int, payload: Value) -> tuple[Stroke | Label, ...]:
    """The shape, by its place in the protocol's variant."""
    if kind == 0:
        return point(vector_in(payload[0]), numbers_in(payload[1:], 1)[0])
    if kind == 1:
        return line(vector_in(payload[0]), vector_in(payload[1]), numbers_in(payload[2:], 1)[0])
    if kind == 2:
        start, end, width = payload[0]
        return arrow(vector_in(start), vector_in(end), numbers_in([width], 1)[0], numbers_in(payload[1:], 1)[0])
    if kind == 3:
        middle, half = payload[0][:2]
        x, y, z = numbers_in(half, 3)
        return box(pose_in([middle, payload[1]]), (x, y, z), numbers_in(payload[2:], 1)[0])
    if kind == 4:
        return label(vector_in(payload[0]), str(payload[1]), bool(payload[2]))
    raise RpcError(f"there is no debug shape {kind}")


@rpc.nothing("clear_debug_shape")
def clear_debug_shape(host: Host) -> None:
    """Wipe all shapes."""
    host.world.drawings.clear(Stroke)


@rpc.nothing("clear_debug_string")
def clear_debug_string(host: Host) -> None:
    """Wipe all words."""
    host.world.drawings.clear(Label)
