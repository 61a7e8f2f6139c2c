"""Packages as a stranger would have them: one of ours without anything that is private to avrec."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from avrec.scene import Scene
from avrec.scene.package_reader import PackageReader
from avrec.scene.package_writer import PackageWriter

Change = Callable[[bytes], bytes] | bytes | None
"""What becomes of a member: None leaves it out."""


def stripped(scene: Scene, path: Path, changes: Mapping[str, Change] | None = None) -> Path:
    """Save ``scene`` and write its members that are not avrec's own to ``path``, some of them changed or added."""
    scene.save(path.with_name("whole.usdz"), overwrite=True, checkpoint=False)
    changes = dict(changes or {})
    with PackageReader(path.with_name("whole.usdz")) as whole, PackageWriter(path, overwrite=True) as package:
        for name in whole.members:
            if name.startswith("avrec/") or name == "manifest.json":
                continue
            data = whole.read(name, limit=1 << 30)
            change = changes.pop(name, data)
            if callable(change):
                change = change(data)
            if change is not None:
                package.add(name, change)
        for name, content in changes.items():
            if isinstance(content, bytes):
                package.add(name, content)
    return path


def edited(change: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    """A change of a JSON member; what it returns, or the document it changed in place."""

    def apply(data: bytes) -> bytes:
        document = json.loads(data)
        result = change(document)
        return json.dumps(document if result is None else result).encode()

    return apply
