"""What one member says that another one must agree with."""

from __future__ import annotations

from dataclasses import dataclass, field

from avrec.scene.validate.values import Float64, Int64

__all__ = ["Facts"]


@dataclass
class Facts:
    """Filled in as the members are read; None where a member does not say.

    Attributes:
        has_map: whether the package has a `map.xodr`.
        sequence_ids: every name of the scene, by member and key.
        camera_keys: of `camera_calibrations`.
        camera_ids: of `metadata.yaml`.
        span_us: first and last time of the rig's path.
        ego_times_us: int64 [N].
        ego_poses: float64 [N, 4, 4], rig to world.
        ecef_from_world: `T_world_base`.
        world_to_nre: float64 [4, 4].
        map_from_world: float64 [4, 4], as consumers compute it from the map's geoReference and `T_world_base`.
    """

    has_map: bool = False
    sequence_ids: dict[str, str] = field(default_factory=dict)
    camera_keys: set[str] | None = None
    camera_ids: list[str] | None = None
    span_us: tuple[int, int] | None = None
    ego_times_us: Int64 | None = None
    ego_poses: Float64 | None = None
    ecef_from_world: Float64 | None = None
    world_to_nre: Float64 | None = None
    map_from_world: Float64 | None = None
