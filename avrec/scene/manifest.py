"""`manifest.json`: what a package is, how it came about, and which of its values are copies or stand-ins."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.geometry import anchor_on_ellipsoid, ecef_from_world, geo_reference, geodetic_from_local
from avrec.scene.ftheta_fit import FThetaFit
from avrec.scene.nurec import active_sh_degree
from avrec.scene.rig_json import PLACEHOLDER_ANCHOR, RIG_BOX
from avrec.scene.scene import Scene
from avrec.scene.stacked import Stacked
from avrec.scene.tracks_json import CONSUMER_LABELS, consumer_label
from avrec.scene.usd_layers import (
    NUREC_READERS,
    NUREC_VARIANT,
    PARTICLE_FIELD_LAYER,
    PARTICLE_FIELD_READERS,
    PARTICLE_FIELD_VARIANT,
    VOLUME_LAYER,
)

__all__ = ["FORMAT", "FORMAT_VERSION", "avrec_version", "ego_deviation", "manifest_of"]

FORMAT = "avrec-scene"
FORMAT_VERSION = 1

_LICENCE = (
    "This package comes with no licence of its own. It is derived from a recording: the terms of that recording apply."
)


def manifest_of(
    scene: Scene, sequence_id: str, fits: Mapping[str, FThetaFit | None], center: NDArray[np.float64]
) -> dict[str, Any]:
    """The manifest without its list of members.

    Args:
        scene: the scene.
        sequence_id: base name of the package.
        fits: f-theta copies of the cameras; None for one that no f-theta camera comes near.
        center: float64 [3], what was subtracted from the volume's positions.
    """
    cameras = {
        name: None if fit is None else {"ftheta_rms_px": fit.rms_px, "ftheta_max_px": fit.max_px}
        for name, fit in fits.items()
    }
    actors = {key: len(cloud) for key, cloud in scene.actors.items()}
    world = Stacked(scene.world_layers)
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "sequence_id": sequence_id,
        "name": scene.name,
        "versions": {"avrec": avrec_version(), **_part(scene, "versions", {})},
        "seed": scene.source.get("seed", _part(scene, "config", {}).get("seed")),
        "config": _part(scene, "config", {}),
        "source": dict(scene.source),
        "licence": _part(scene, "licence", _LICENCE),
        "gaussians": {
            "static": len(scene.static),
            "road": None if scene.road is None else len(scene.road),
            "actors": actors,
            "sh_degree": scene.static.sh_degree,
        },
        "flavours": {
            NUREC_VARIANT: {"layer": VOLUME_LAYER, "readers": NUREC_READERS},
            PARTICLE_FIELD_VARIANT: {"layer": PARTICLE_FIELD_LAYER, "readers": PARTICLE_FIELD_READERS},
        },
        "nurec": {
            "layer": "static" if scene.road is None else "static and road",
            "precision": "float16",
            "active_sh_degree": active_sh_degree(world),
            "world_to_nre_translation": (-center + 0.0).tolist(),
        },
        "cameras": cameras,
        "georeference": _georeference(scene),
        "map": None if scene.map_xodr is None else {"bytes": len(scene.map_xodr)},
        "meshes": {
            name: None if mesh is None else {"vertices": len(mesh.vertices), "faces": len(mesh.faces)}
            for name, mesh in (("mesh", scene.mesh), ("ground", scene.ground))
        },
        "assumed": _assumed(scene),
    }


def ego_deviation(scene: Scene) -> dict[str, float] | None:
    """How far the refined path of the rig is from the recorded one, at the recorded times within both paths.

    Returns:
        Median and largest distance and median and largest height difference in metres; None where the paths never
        overlap in time.
    """
    (first, last), times = scene.ego.span_us, scene.ego_recorded.timestamps_us
    common = (times >= first) & (times <= last)
    if not common.any():
        return None
    moved = scene.ego.at(times[common])[:, :3, 3] - scene.ego_recorded.poses[common, :3, 3]
    distance, height = np.linalg.norm(moved, axis=1), np.abs(moved[:, 2])
    return {
        "median_m": float(np.median(distance)),
        "max_m": float(distance.max()),
        "height_median_m": float(np.median(height)),
        "height_max_m": float(height.max()),
    }


def avrec_version() -> str:
    """The installed version."""
    try:
        return metadata.version("avrec")
    except metadata.PackageNotFoundError:  # run from a source tree
        return "0+source"


def _georeference(scene: Scene) -> dict[str, Any]:
    """Where the world is on Earth, and how well that holds."""
    anchor = scene.anchor or PLACEHOLDER_ANCHOR
    return {
        "placeholder": scene.anchor is None,
        "latitude_deg": anchor.latitude_deg,
        "longitude_deg": anchor.longitude_deg,
        "altitude_m": anchor.altitude_m,
        "geoReference": geo_reference(anchor),
        "T_world_base_altitude_m": 0.0,
        "T_world_base_flatness_m": _flatness_m(scene),
        "refined_from_recorded": ego_deviation(scene),
    }


def _flatness_m(scene: Scene) -> float | None:
    """Largest distance along the path between the world's true place and what the rigid `T_world_base` makes of it.

    The world's x and y are a map projection and its z is a height, as OpenDRIVE wants them; a matrix is flat.
    """
    from pyproj import Transformer

    anchor = anchor_on_ellipsoid(scene.anchor or PLACEHOLDER_ANCHOR)
    points = scene.ego.poses[:: max(1, len(scene.ego.poses) // 200), :3, 3]
    with np.errstate(all="ignore"):
        latitude, longitude, altitude = geodetic_from_local(anchor, points).T
        cart = Transformer.from_pipeline(
            "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=cart +ellps=WGS84"
        )
        truth = np.stack(cart.transform(longitude, latitude, altitude), axis=-1)
        matrix = ecef_from_world(anchor)
        miss = float(np.linalg.norm(points @ matrix[:3, :3].T + matrix[:3, 3] - truth, axis=1).max())
    return miss if np.isfinite(miss) else None


def _assumed(scene: Scene) -> dict[str, str]:
    assumed = {}
    if scene.rig_box is None:
        assumed["rig_bbox"] = f"an ordinary car of {list(RIG_BOX.size_m)} m: the recording knows no vehicle size"
    if scene.anchor is None:
        assumed["T_world_base"] = "latitude 0, longitude 0: the recording knows no position on Earth"
    unknown = [name for name, sensor in scene.cameras.items() if not sensor.shutter_known]
    if unknown:
        assumed["shutter"] = f"global for {', '.join(unknown)}: the recording says nothing"
    assumed |= {key: str(text) for key, text in _part(scene, "assumed", {}).items()}
    odd = sorted({track.label for track in scene.tracks} - set(CONSUMER_LABELS))
    renamed = [f"{label!r} as {consumer_label(label)!r}" for label in odd if consumer_label(label) != label]
    if renamed:
        assumed["tracks_label_class"] = f"{', '.join(renamed)}: the names that CARLA knows"
    return assumed


def _part(scene: Scene, key: str, default: Any) -> Any:
    value = scene.source.get(key, default)
    return value if default is None or isinstance(value, type(default)) else default
