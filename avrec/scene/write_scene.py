"""A scene becomes a package: every member in its order, and a manifest over all of them."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.drive import CameraSensor
from avrec.errors import DataError, OutputError
from avrec.gaussians import Gaussians
from avrec.mesh.ply import ply_bytes
from avrec.scene.arrays import write_array
from avrec.scene.ftheta_fit import FThetaFit, fit_ftheta
from avrec.scene.json_text import dump_json
from avrec.scene.manifest import FORMAT, FORMAT_VERSION, avrec_version, manifest_of
from avrec.scene.mesh_layer import build_mesh_layer
from avrec.scene.nre_checkpoint import write_nre_checkpoint
from avrec.scene.nurec import volume_center, write_nurec
from avrec.scene.package_writer import PackageWriter
from avrec.scene.particlefield import build_particlefield
from avrec.scene.records import data_info, datasource_summary, metadata_yaml, pose_record
from avrec.scene.rig_json import PLACEHOLDER_ANCHOR, rig_trajectories
from avrec.scene.scene import Scene
from avrec.scene.scene_json import ArrayNames, array_names, encode_scene
from avrec.scene.stacked import Stacked
from avrec.scene.tracks_json import sequence_tracks
from avrec.scene.usd_layers import PARTICLE_FIELD_LAYER, ROOT_LAYER, VOLUME_LAYER, root_layer, volume_layer

__all__ = ["FORMAT", "FORMAT_VERSION", "MANIFEST", "MAX_MAP_BYTES", "NUREC_VOLUME", "RECORD", "write_scene"]

Float64 = NDArray[np.float64]

MANIFEST = "manifest.json"
RECORD = "avrec/scene.json"
NUREC_VOLUME = "volume.nurec"
CHECKPOINT = "checkpoint.ckpt"
MAX_MAP_BYTES = 64 << 20

_MESH_MEMBERS = {"mesh": "mesh", "ground": "mesh_ground"}
_LOG = logging.getLogger(__name__)
_CHECK_ROWS = 1 << 15


def write_scene(scene: Scene, path: Path, *, overwrite: bool = False, checkpoint: bool = True) -> None:
    """Write the package; see :meth:`Scene.save`.

    Raises:
        OutputError: the file exists, cannot be written, or would exceed 4 GiB.
        DataError: values that are not finite, or provenance that JSON cannot hold.
    """
    if path.suffix != ".usdz" or not path.stem:
        raise OutputError(f"A scene is saved as a .usdz file, found {path.name!r}; choose a name ending in .usdz.")
    _check(scene)
    sequence_id = path.stem
    names = array_names(scene)
    record = dump_json(encode_scene(scene, names), what="scene")
    world = Stacked(scene.world_layers)
    center = volume_center(world)
    fits = {name: _fitted(name, sensor) for name, sensor in scene.cameras.items()}
    copies = {name: fit.camera for name, fit in fits.items() if fit is not None}
    rig = rig_trajectories(scene, sequence_id, copies, center)
    with PackageWriter(path, overwrite=overwrite) as package:
        _add_usd(package, scene, world, center)
        _add_simulator_records(package, scene, sequence_id, rig, record)
        package.add(RECORD, record)
        _add_tensors(package, scene, names)
        if checkpoint:
            write_nre_checkpoint(package, CHECKPOINT, scene, center)
        manifest = manifest_of(scene, sequence_id, fits, center)
        manifest["members"] = {
            name: {"sha256": digest.sha256, "bytes": digest.bytes} for name, digest in package.digests.items()
        }
        package.add(MANIFEST, dump_json(manifest, what="manifest", indent=1))


def _check(scene: Scene) -> None:
    clouds = {"layer static": scene.static, **{f"layer {key}": cloud for key, cloud in scene.actors.items()}}
    if scene.road is not None:
        clouds["layer road"] = scene.road
    for layer, cloud in clouds.items():
        _check_finite(layer, cloud)
    if scene.sky is not None and not np.isfinite(scene.sky).all():
        raise DataError("The scene's sky holds values that are not finite; mend it before saving.")
    if scene.map_xodr is not None and len(scene.map_xodr) > MAX_MAP_BYTES:
        raise OutputError(
            f"The scene's map takes {len(scene.map_xodr) >> 20} MiB, more than the {MAX_MAP_BYTES >> 20} a scene file "
            "may hold; cut it to the surroundings of the drive."
        )


def _add_usd(package: PackageWriter, scene: Scene, world: Stacked, center: Float64) -> None:
    """The stage: its root first, as OpenUSD opens the first member."""
    surfaces = {"mesh": scene.mesh, "ground": scene.ground}
    given = {name: mesh for name, mesh in surfaces.items() if mesh is not None}
    layers = {name: f"{_MESH_MEMBERS[name]}.usd" for name in given}
    package.add(ROOT_LAYER, root_layer(mesh=layers.get("mesh"), ground=layers.get("ground")).encode("ascii"))
    low, high = write_nurec(package, NUREC_VOLUME, world, center)
    package.add(VOLUME_LAYER, volume_layer(NUREC_VOLUME, low, high).encode("ascii"))
    package.add_built(PARTICLE_FIELD_LAYER, lambda file: build_particlefield(file, world, center=center, half=True))
    for name, mesh in given.items():
        collision = name == "mesh" or "mesh" not in given
        build = partial(build_mesh_layer, mesh=mesh, center=center, name=name, collision=collision)
        package.add_built(layers[name], build)
        package.add(f"{_MESH_MEMBERS[name]}.ply", ply_bytes(mesh))


def _add_simulator_records(
    package: PackageWriter, scene: Scene, sequence_id: str, rig: dict[str, Any], record: bytes
) -> None:
    if scene.map_xodr is not None:
        package.add("map.xodr", scene.map_xodr)
    tracks = sequence_tracks(scene.tracks)
    package.add("rig_trajectories.json", dump_json(rig, what="rig"))
    package.add("sequence_tracks.json", dump_json(tracks, what="tracks"))
    package.add("data_info.json", dump_json(data_info(sequence_id, rig), what="data info"))
    package.add("datasource_summary.json", dump_json(datasource_summary(rig, tracks), what="summary"))
    poses = pose_record(scene, scene.anchor or PLACEHOLDER_ANCHOR)
    package.add("pose_record.json", dump_json(poses, what="pose record"))
    metadata = metadata_yaml(scene, sequence_id, record, rig, avrec_version())
    package.add("metadata.yaml", metadata.encode("ascii"))


def _add_tensors(package: PackageWriter, scene: Scene, names: ArrayNames) -> None:
    """Avrec's own members, exact."""
    write_array(package, names.static, scene.static.packed)
    if scene.road is not None and names.road is not None:
        write_array(package, names.road, scene.road.packed)
    for key, name in names.actors.items():
        write_array(package, name, scene.actors[key].packed)
    if scene.sky is not None and names.sky is not None:
        write_array(package, names.sky, scene.sky)
    for mesh, members in ((scene.mesh, names.mesh), (scene.ground, names.ground)):
        for array, name in (members or {}).items():
            write_array(package, name, getattr(mesh, array))


def _fitted(name: str, sensor: CameraSensor) -> FThetaFit | None:
    """F-theta copy of a camera; an odd lens must not keep hours of work from being saved, so it goes without."""
    try:
        return fit_ftheta(sensor.model)
    except (DataError, np.linalg.LinAlgError) as error:
        _LOG.warning("camera %s is left out of rig_trajectories.json: %s", name, error)
        return None


def _check_finite(what: str, cloud: Gaussians) -> None:
    for start in range(0, len(cloud), _CHECK_ROWS):
        if not np.isfinite(cloud.packed[start : start + _CHECK_ROWS]).all():
            bad = np.count_nonzero(~np.isfinite(cloud.packed).all(axis=1))
            raise DataError(f"The {what} has {bad} Gaussians with values that are not finite; drop them before saving.")
