from __future__ import annotations

from pathlib import Path

import pytest

from avrec.errors import DataError
from avrec.geometry import Shutter
from avrec.ingest.recipes import load_recipe

FOLDER = Path(__file__).parents[2] / "datasets"
NAMES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())


@pytest.mark.parametrize("name", NAMES)
def test_recipes_are_complete(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe["name"] == name
    assert recipe["layout"] in {"kitti_raw", "transforms"}
    assert recipe["licence"]
    for camera in recipe.get("cameras", {}).values():
        Shutter(camera["shutter"], camera["readout_us"], camera["exposure_us"])
    for protocol in recipe["evaluation"].values():
        assert protocol["holdout"] > 1
        assert set(protocol.get("cameras", [])) <= set(recipe.get("cameras", {}))
    assert (FOLDER / name / "README.md").read_text().startswith("# ")


def test_unknown_recipe() -> None:
    with pytest.raises(DataError, match="No recipe for the dataset 'nowhere'"):
        load_recipe("nowhere")
