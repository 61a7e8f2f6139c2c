"""A FiftyOne dataset that appears whole or not at all, and its 3D scenes. FiftyOne is imported at call time."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

from avrec.curation.database import connected, plainly, refuse_taken_name
from avrec.curation.plan import FIELDS, SCENE_SLICE, StepPlan
from avrec.curation.solid import Box, Node, Triple
from avrec.curation.target import Target
from avrec.errors import OutputError, require

__all__ = ["Draft", "fresh_dataset", "write_scene_file"]

logger = logging.getLogger(__name__)

_BOXES = "actors"
_WORST = "held out, worst first"


class Draft:
    """A dataset under a name of its own until :meth:`take_name`; FiftyOne drops it should this process be killed."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._fiftyone = connected()
        self._replaced: Any = None
        with plainly("make a dataset"):
            self._dataset = self._fiftyone.Dataset(f"avrec-draft-{uuid4().hex[:12]}", persistent=False)

    def fill(
        self,
        folder: Path,
        steps: Sequence[StepPlan],
        slices: Sequence[str],
        sizes: Mapping[str, tuple[int, int, int]],
        boxes: Mapping[int, Sequence[Box]],
        info: Mapping[str, Any],
    ) -> None:
        """Write all samples.

        Args:
            folder: where their files will be, absolute.
            steps: the groups.
            slices: names of the pictures' slices; the first is the one the App opens with.
            sizes: width, height and bytes of each picture by its path.
            boxes: actors' boxes by position of the step.
            info: what to know about the dataset as a whole.

        Raises:
            OutputError: the database refuses.
        """
        fo, dataset = self._fiftyone, self._dataset
        types = {str: fo.StringField, int: fo.IntField, float: fo.FloatField, bool: fo.BooleanField}
        with plainly("write the samples"):
            dataset.add_group_field("group", default=slices[0])
            for name, (kind, meaning) in FIELDS.items():
                dataset.add_sample_field(name, types[kind], description=meaning)
            instances: dict[str, Any] = {}
            samples = []
            for step in steps:
                group = fo.Group()
                for plan in step.samples:
                    sample = fo.Sample(str(folder / plan.path), group=group.element(plan.slice), **plan.fields)
                    if plan.slice == SCENE_SLICE:
                        sample[_BOXES] = _detections(fo, boxes[step.index], instances)
                    else:
                        sample["metadata"] = _png(fo, *sizes[plan.path])
                    samples.append(sample)
            dataset.add_samples(samples, dynamic=True, progress=False)
            dataset.info = {"avrec": dict(info)}
            dataset.save()
            rendered = [name for name in slices if name.endswith("/rendered")]
            held_out = dataset.select_group_slices(rendered).match(fo.ViewField("held_out") == True)  # noqa: E712
            dataset.save_view(_WORST, held_out.sort_by("psnr"))

    def take_name(self) -> None:
        """Let the dataset appear under its name; the one it replaces is kept aside until all is well.

        Raises:
            OutputError: the database refuses, or someone took the name meanwhile.
        """
        name = self._target.name
        with plainly(f"name the dataset '{name}'"):
            if self._target.overwrite and self._fiftyone.dataset_exists(name):
                self._replaced = self._fiftyone.load_dataset(name)
                self._replaced.name = f"avrec-replaced-{uuid4().hex[:12]}"
            self._dataset.persistent = True
            try:
                self._dataset.name = name
            except ValueError as error:
                raise OutputError(f"FiftyOne refuses the name '{name}' ({error}). Choose another one.") from error

    def undo(self) -> None:
        """Leave the database as it was found; says in the log what could not be undone."""
        try:
            with plainly("remove the unfinished dataset"):
                self._dataset.delete()
                if self._replaced is not None:
                    self._replaced.name = self._target.name
        except Exception as error:  # whatever it is, the first error is the one to show
            logger.warning("%s", error)

    def settle(self) -> None:
        """Remove what was replaced."""
        if self._replaced is not None:
            try:
                with plainly("remove the replaced dataset"):
                    self._replaced.delete()
            except OutputError as error:
                logger.warning("%s", error)


@contextlib.contextmanager
def fresh_dataset(target: Target) -> Iterator[Draft]:
    """A dataset to fill and name within the block; if that ends with an error, the database is as before.

    Raises:
        OutputError: the name cannot be had, or the database refuses.
        AvrecError: as :func:`connected`.
    """
    refuse_taken_name(target)
    draft = Draft(target)
    try:
        yield draft
    except BaseException:
        draft.undo()
        raise
    draft.settle()


def write_scene_file(path: Path, nodes: Sequence[Node], look_from: Triple, look_at: Triple) -> None:
    """Write a ``.fo3d``: the clouds as Gaussian splats, not centred, z up.

    Args:
        path: the file to write, in the folder of the clouds.
        nodes: the clouds.
        look_from: where the App's camera stands, world, metres.
        look_at: what it looks at.

    Raises:
        OutputError: the disk refuses.
    """
    fo = require("fiftyone", "fiftyone")
    scene = fo.Scene(camera=fo.PerspectiveCamera(position=look_from, look_at=look_at, up="Z"))
    for node in nodes:
        splat = fo.GaussianSplat(node.name, node.file, center_geometry=False)
        splat.position, splat.quaternion = node.position, list(node.quaternion_xyzw)
        scene.add(splat)
    try:
        scene.write(str(path))
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error}. Check the free space and the permissions.") from error


def _png(fo: ModuleType, width: int, height: int, size_bytes: int) -> Any:
    return fo.ImageMetadata(size_bytes=size_bytes, mime_type="image/png", width=width, height=height, num_channels=3)


def _detections(fo: ModuleType, boxes: Sequence[Box], instances: dict[str, Any]) -> Any:
    """3D boxes; ``instances`` holds one mark for each track, by which the App links its boxes through time."""
    detections = []
    for box in boxes:
        instances.setdefault(box.track, fo.Instance())
        detection = fo.Detection(
            label=box.label,
            location=list(box.center_world),
            dimensions=list(box.size_m),
            rotation=list(box.rotation_xyz),
            instance=instances[box.track],
            track=box.track,
        )
        detections.append(detection)
    return fo.Detections(detections=detections)
