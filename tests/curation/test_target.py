"""Names and folders are checked before any work."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from avrec.cli import main
from avrec.curation import Target, check, target_beside
from avrec.curation.target import refuse_foreign_folder
from avrec.errors import MissingExtraError, OutputError


def test_the_folder_lies_beside_the_scene() -> None:
    assert target_beside(Path("/a/street.usdz"), "street").folder == Path("/a/street_fiftyone")
    assert target_beside(Path("/a/street.usdz"), "../up: 1").folder == Path("/a/up-1_fiftyone")
    assert target_beside(Path("/a/street.usdz"), "!").folder == Path("/a/dataset_fiftyone")


def test_only_a_folder_of_the_same_dataset_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    refuse_foreign_folder(Target("street", folder))
    folder.mkdir()
    refuse_foreign_folder(Target("street", folder))  # empty
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="not written by avrec"):
        refuse_foreign_folder(Target("street", folder, overwrite=True))
    (folder / "curation.json").write_text("[]")
    with pytest.raises(OutputError, match="does not say"):
        refuse_foreign_folder(Target("street", folder, overwrite=True))
    (folder / "curation.json").write_text(json.dumps({"dataset": "street"}))
    with pytest.raises(OutputError, match="--overwrite"):
        refuse_foreign_folder(Target("street", folder))
    refuse_foreign_folder(Target("street", folder, overwrite=True))
    with pytest.raises(OutputError, match="belongs to the dataset 'street'"):
        refuse_foreign_folder(Target("alley", folder, overwrite=True))
    with pytest.raises(OutputError, match="not written by avrec"):
        refuse_foreign_folder(Target("street", folder / "thesis.txt", overwrite=True))


def test_without_the_extra_the_install_line_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "fiftyone", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'avrec\[fiftyone\]'"):
        check(Target("street", tmp_path / "x"))
    assert main(["evaluate", str(tmp_path / "s.usdz"), str(tmp_path), "--fiftyone", "street"]) == 2
    assert "pip install 'avrec[fiftyone]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
