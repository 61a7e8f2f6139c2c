"""A scene becomes a package: every member in its order, and a manifest over all of them."""

from __future__ import annotations

import logging
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from avrec.drive import CameraSensor
from avrec.errors import DataError, OutputError
from avrec.gaussians import Gaussians
from avrec.scene.arrays import write_array
from avrec.scene.ftheta_fit import FThetaFit, fit_ftheta
from avrec.scene.nurec import active_sh_degree, volume_center, write_nurec
from avrec.scene.package_writer import PackageWriter
from avrec.scene.rig_json import RIG_BOX, rig_trajectories
from avrec.scene.scene import Scene
from avrec.scene.scene_json import array_names, dump_json, encode_scene
from avrec.scene.usd_layers import ROOT_LAYER, VOLUME_LAYER, root_layer, volume_layer

__all__ = ["FORMAT", "FORMAT_VERSION", "MANIFEST", "NUREC_VOLUME", "RECORD", "write_scene"]

FORMAT = "avrec-scene"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
RECORD = "avrec/scene.json"
NUREC_VOLUME = "volume.nurec"

_LOG = logging.getLogger(__name__)
_CHECK_ROWS = 1 << 15


def write_scene(scene: Scene, path: Path, *, overwrite: bool = False) -> None:
    """Write the package; see :meth:`Scene.save`.

    Raises:
        OutputError: the file exists, cannot be written, or would exceed 4 GiB.
        DataError: values that are not finite, or provenance that JSON cannot hold.
    """
    if path.suffix != ".usdz" or not path.stem:
        raise OutputError(f"A scene is saved as a .usdz file, found {path.name!r}; choose a name ending in .usdz.")
    for layer, cloud in {"static": scene.static, **scene.actors}.items():
        _check_finite(f"layer {layer}", cloud)
    if scene.sky is not None and not np.isfinite(scene.sky).all():
        raise DataError("The scene's sky holds values that are not finite; mend it before saving.")
    sequence_id = path.stem
    names = array_names(scene)
    record = dump_json(encode_scene(scene, names), what="scene")
    center = volume_center(scene.static)
    fits = {name: _fitted(name, sensor) for name, sensor in scene.cameras.items()}
    copies = {name: fit.camera for name, fit in fits.items() if fit is not None}
    rig = rig_trajectories(scene, sequence_id, copies, center)
    with PackageWriter(path, overwrite=overwrite) as package:
        package.add(ROOT_LAYER, root_layer().encode("ascii"))
        low, high = write_nurec(package, NUREC_VOLUME, scene.static, center)
        package.add(VOLUME_LAYER, volume_layer(NUREC_VOLUME, low, high).encode("ascii"))
        package.add("rig_trajectories.json", dump_json(rig, what="rig"))
        package.add(RECORD, record)
        write_array(package, names.static, scene.static.packed)
        for key, name in names.actors.items():
            write_array(package, name, scene.actors[key].packed)
        if scene.sky is not None and names.sky is not None:
            write_array(package, names.sky, scene.sky)
        manifest = _manifest(scene, sequence_id, fits, (-center + 0.0).tolist())
        manifest["members"] = {
            name: {"sha256": digest.sha256, "bytes": digest.bytes} for name, digest in package.digests.items()
        }
        package.add(MANIFEST, dump_json(manifest, what="manifest", indent=1))


def _fitted(name: str, sensor: CameraSensor) -> FThetaFit | None:
    """F-theta copy of a camera; an odd lens must not keep hours of work from being saved, so it goes without."""
    try:
        return fit_ftheta(sensor.model)
    except (DataError, np.linalg.LinAlgError) as error:
        _LOG.warning("camera %s is left out of rig_trajectories.json: %s", name, error)
        return None


def _manifest(
    scene: Scene, sequence_id: str, fits: dict[str, FThetaFit | None], world_to_nre_translation: list[float]
) -> dict[str, Any]:
    """What the package is, how it came about, and which of its values are copies or stand-ins."""
    assumed = {"rig_bbox": f"an ordinary car of {RIG_BOX['dim']} m: the recording knows no vehicle size"}
    if scene.anchor is None:
        assumed["T_world_base"] = "latitude 0, longitude 0: the recording knows no position on Earth"
    unknown = [name for name, sensor in scene.cameras.items() if not sensor.shutter_known]
    if unknown:
        assumed["shutter"] = f"global for {', '.join(unknown)}: the recording says nothing"
    cameras = {
        name: None if fit is None else {"ftheta_rms_px": fit.rms_px, "ftheta_max_px": fit.max_px}
        for name, fit in fits.items()
    }
    actors = {key: len(cloud) for key, cloud in scene.actors.items()}
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "sequence_id": sequence_id,
        "name": scene.name,
        "versions": {"avrec": _avrec_version(), **_part(scene, "versions", {})},
        "seed": _part(scene, "seed", None),
        "config": _part(scene, "config", {}),
        "source": dict(scene.source),
        "gaussians": {"static": len(scene.static), "actors": actors, "sh_degree": scene.static.sh_degree},
        "nurec": {
            "layer": "static",
            "precision": "float16",
            "active_sh_degree": active_sh_degree(scene.static),
            "world_to_nre_translation": world_to_nre_translation,
        },
        "cameras": cameras,
        "assumed": assumed,
    }


def _part(scene: Scene, key: str, default: Any) -> Any:
    value = scene.source.get(key, default)
    return value if default is None or isinstance(value, type(default)) else default


def _avrec_version() -> str:
    try:
        return metadata.version("avrec")
    except metadata.PackageNotFoundError:  # run from a source tree
        return "0+source"


def _check_finite(what: str, cloud: Gaussians) -> None:
    for start in range(0, len(cloud), _CHECK_ROWS):
        if not np.isfinite(cloud.packed[start : start + _CHECK_ROWS]).all():
            bad = np.count_nonzero(~np.isfinite(cloud.packed).all(axis=1))
            raise DataError(f"The {what} has {bad} Gaussians with values that are not finite; drop them before saving.")
