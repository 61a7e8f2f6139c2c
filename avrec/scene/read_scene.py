"""A package becomes a scene again. The file may come from anybody: whatever is wrong with it is one DataError."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from avrec.errors import DataError
from avrec.gaussians import Gaussians
from avrec.scene.arrays import read_array
from avrec.scene.package_reader import PackageReader
from avrec.scene.scene import Scene
from avrec.scene.scene_json import MAX_JSON_BYTES, decode_scene, load_json
from avrec.scene.write_scene import FORMAT, FORMAT_VERSION, MANIFEST, RECORD

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

        def cloud(name: str) -> Gaussians:
            packed = read_array(package, name, _digest(package, digests, name))
            try:
                return Gaussians(packed)
            except DataError as error:
                raise package.problem(f"its member {name} holds no Gaussians ({error})") from error

        static = cloud(names.static)
        actors = {key: cloud(name) for key, name in names.actors.items()}
        sky = None if names.sky is None else read_array(package, names.sky, _digest(package, digests, names.sky))
        try:
            return Scene(static=static, actors=actors, sky=sky, **parts)
        except DataError as error:
            raise package.problem(f"its parts do not fit each other ({error})") from error


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
