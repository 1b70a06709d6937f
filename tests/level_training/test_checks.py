"""Before a disc network is trained, all that can be wrong is said at once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from necks import FOLDER, cord

from sct_deepseg_general.errors import DatasetError, MissingContentError, OutputError
from sct_deepseg_general.level_training.centrelines import write_curves
from sct_deepseg_general.level_training.checks import check_empty, check_levels
from sct_deepseg_general.levels.course import curve_of

IMAGE = "levels/neck_T2w.nii.gz"
RECIPE: dict[str, Any] = {
    "kind": "levels",
    "id": "tiny",
    "version": "0.0.1",
    "title": "Tiny",
    "table": "levels/neck_discs.tsv",
    "sources": [{"images": "levels/*.nii.gz"}],
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "data" / "levels")).parent


def recipe(folder: Path, **changes: Any) -> Path:
    path = folder / "recipe.json"
    path.write_text(json.dumps({**RECIPE, **changes}), encoding="utf-8")
    return path


def test_a_sound_recipe_passes(data: Path, tmp_path: Path) -> None:
    assert check_levels(recipe(tmp_path), [data]).id == "tiny"
    write_curves(tmp_path / "curves.tsv", {IMAGE: curve_of(cord())})
    assert check_levels(recipe(tmp_path, centrelines="curves.tsv"), [data])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"iterations": 0}, "iterations must be above 0"),
        ({"mix": {"paint": 2}}, "mix.paint must be 0 to 1"),
        ({"sources": [{"images": "levels/*", "share": 0}]}, "share must be above 0"),
        ({"limits": {"sure": 1}}, "no limit 'sure'"),
        ({"certainty": {"mood": 1}}, "no weight 'mood'"),
        ({"sources": [{"images": "other/*"}]}, "leaves no image"),
        ({"table": "none.tsv"}, "none of the data folders"),
        ({"centrelines": "none.tsv"}, "no table of centrelines"),
    ],
)
def test_each_fault_is_named(
    data: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(DatasetError, match=said):
        check_levels(recipe(tmp_path, **changes), [data])


def test_a_missing_image_or_centreline_is_named(data: Path, tmp_path: Path) -> None:
    write_curves(tmp_path / "curves.tsv", {"other.nii.gz": curve_of(cord())})
    with pytest.raises(DatasetError, match="no centreline of levels/neck_T2w"):
        check_levels(recipe(tmp_path, centrelines="curves.tsv"), [data])
    (data / IMAGE).write_bytes(b"")
    with pytest.raises(MissingContentError):
        check_levels(recipe(tmp_path), [data])
    (data / IMAGE).unlink()
    with pytest.raises(DatasetError, match="none of the data folders"):
        check_levels(recipe(tmp_path), [data])


@pytest.mark.parametrize(
    ("rows", "said"),
    [(["0", "4"], "two or more discs"), (["4"], "two or more discs"), (["4", "4"], "twice")],
)
def test_discs_that_teach_nothing_are_named(
    data: Path, tmp_path: Path, rows: list[str], said: str
) -> None:
    lines = [f"{IMAGE}\t{number}\t0\t0\t{z}" for z, number in enumerate(rows)]
    text = "\n".join(["image\tdisc\tx_mm\ty_mm\tz_mm", *lines]) + "\n"
    (data / "levels/neck_discs.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=said):
        check_levels(recipe(tmp_path), [data])


def test_only_a_network_is_replaced(tmp_path: Path) -> None:
    check_empty(tmp_path / "new")
    check_empty(tmp_path)
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="not empty"):
        check_empty(tmp_path)
    (tmp_path / "discs.json").write_text("{}", encoding="utf-8")
    check_empty(tmp_path)
