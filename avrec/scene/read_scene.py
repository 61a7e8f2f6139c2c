"""A package becomes a scene again. The file may come from anybody: whatever is wrong with it is one DataError."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError
from avrec.gaussians import Gaussians
from avrec.mesh.mesh import Mesh
from avrec.scene.arrays import read_array
from avrec.scene.json_text import MAX_JSON_BYTES, load_json
from avrec.scene.package_reader import PackageReader
from avrec.scene.scene import Scene
from avrec.scene.scene_from_json import decode_scene
from avrec.scene.scene_json import MESH_ARRAYS
from avrec.scene.write_scene import FORMAT, FORMAT_VERSION, MANIFEST, MAX_MAP_BYTES, RECORD

__all__ = ["read_manifest", "read_scene"]


def read_scene(path: Path) -> Scene:
    """Read avrec's own members of a package, each checked against the manifest's SHA-256; see :meth:`Scene.open`.

    Raises:
        DataError: no such file, not a scene saved by avrec, damaged, or with values that cannot be.
    """
    with PackageReader(path) as package:
        digests = _digests(package, _manifest(package))
        if package.sha256(RECORD) != _digest(package, digests, RECORD):
            raise package.problem(f"its member {RECORD} is damaged (its SHA-256 is not the one in the manifest)")
        try:
            with np.errstate(all="ignore"):  # absurd values overflow on the way to being refused
                parts, names = decode_scene(load_json(package.read(RECORD, limit=MAX_JSON_BYTES), what=RECORD))
        except DataError as error:
            raise DataError(f"{path}: {error}") from error

        members = _Members(package, digests)
        layers: dict[str, Any] = {
            "static": members.cloud(names.static),
            "road": None if names.road is None else members.cloud(names.road),
            "actors": {key: members.cloud(name) for key, name in names.actors.items()},
            "sky": None if names.sky is None else members.array(names.sky),
            "mesh": members.mesh(names.mesh),
            "ground": members.mesh(names.ground),
            "map_xodr": None if names.map_xodr is None else members.bytes(names.map_xodr),
        }
        try:
            return Scene(**layers, **parts)
        except DataError as error:
            raise package.problem(f"its parts do not fit each other ({error})") from error


class _Members:
    """The tensors of a package, each checked against the manifest on the way."""

    def __init__(self, package: PackageReader, digests: dict[str, Any]) -> None:
        self._package = package
        self._digests = digests

    def array(self, name: str, kind: str = "float32") -> NDArray[Any]:
        return read_array(self._package, name, _digest(self._package, self._digests, name), kind)

    def cloud(self, name: str) -> Gaussians:
        packed = self.array(name)
        try:
            return Gaussians(packed)
        except DataError as error:
            raise self._package.problem(f"its member {name} holds no Gaussians ({error})") from error

    def mesh(self, names: Mapping[str, str] | None) -> Mesh | None:
        if names is None:
            return None
        arrays = {key: self.array(name, MESH_ARRAYS[key]) for key, name in names.items()}
        try:
            return Mesh(**arrays)
        except DataError as error:
            raise self._package.problem(f"its member {names['vertices']} holds no mesh ({error})") from error

    def bytes(self, name: str) -> bytes:
        data = self._package.read(name, limit=MAX_MAP_BYTES)
        if hashlib.sha256(data).hexdigest() != _digest(self._package, self._digests, name):
            raise self._package.problem(f"its member {name} is damaged (its SHA-256 is not the one in the manifest)")
        return data


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a scene file: what it holds and how it came about, without reading the tensors.

    Raises:
        DataError: no such file, or not a scene saved by avrec.
    """
    with PackageReader(path) as package:
        return _manifest(package)


def _manifest(package: PackageReader) -> dict[str, Any]:
    if MANIFEST not in package.members:
        raise DataError(f"{package.path} is a package, but not a scene saved by avrec (it has no {MANIFEST}).")
    manifest = load_json(package.read(MANIFEST, limit=MAX_JSON_BYTES), what=f"{package.path}: {MANIFEST}")
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise package.problem(f"its {MANIFEST} is not that of a scene saved by avrec")
    if manifest.get("format_version") != FORMAT_VERSION:
        version = str(manifest.get("format_version"))[:20]
        raise DataError(f"{package.path} has format version {version}, not {FORMAT_VERSION}; update avrec.")
    return manifest


def _digests(package: PackageReader, manifest: dict[str, Any]) -> dict[str, Any]:
    members = manifest.get("members")
    if not isinstance(members, dict):
        raise package.problem(f"its {MANIFEST} does not list the members")
    return members


def _digest(package: PackageReader, digests: dict[str, Any], name: str) -> str:
    entry = digests.get(name)
    digest = entry.get("sha256") if isinstance(entry, dict) else None
    if not isinstance(digest, str):
        raise package.problem(f"its {MANIFEST} has no SHA-256 of {name}")
    return digest
