"""Labels of imported models get SCT's names, and their volumes are right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.image.volume import Grid, Probability, Segmentation, Volume
from sct_deepseg_general.inference.locate import Location
from sct_deepseg_general.inference.pipeline import InferenceResult
from sct_deepseg_general.job.labels import (
    label_files,
    label_paths,
    labels_record,
    labels_shown,
    main_suffix,
    of_all_labels,
    volumes,
    write_volumes,
)
from sct_deepseg_general.job.outputs import outputs_for
from sct_deepseg_general.zoo.labels import Label, label_scheme
from sct_deepseg_general.zoo.record import Preprocessing


def model(labels: dict[str, Any], order: tuple[int, ...] | None = None) -> Any:
    """What the functions need of an imported model."""
    scheme = label_scheme(labels, order, "test")
    cord = scheme.cord.name if scheme.cord else None
    return SimpleNamespace(
        scheme=scheme, cord_label=cord, preprocessing=Preprocessing(), key="test@1"
    )


CORD = model({"background": 0, "sc": 1})
REGIONS = model({"background": 0, "lesion": 2, "sc": (1, 2)}, (2, 1))
ROOTLETS = model({"background": 0, "lvl1": 1, "lvl2": 2})
GM_WM = model({"background": 0, "GM": 1, "WM": 2})
CANAL = model({"background": 0, "canal_seg": 1})
MP2RAGE = model({"background": 0, "label-lesion_seg": 1})


@pytest.mark.parametrize(
    ("chosen", "suffixes"),
    [
        (CORD, ["_seg"]),
        (REGIONS, ["_sc_seg", "_lesion_seg"]),  # the cord first
        (ROOTLETS, ["_rootlets"]),
        (GM_WM, ["_GM_seg", "_WM_seg"]),
        (CANAL, ["_canal_seg_seg"]),
        (MP2RAGE, ["_label-lesion_seg_seg"]),
        (model({"background": 0, "a/../b": 1}), ["_a-..-b_seg"]),
    ],
)
def test_files_are_named_as_in_sct(chosen: Any, suffixes: list[str]) -> None:
    assert [file.suffix for file in label_files(chosen)] == suffixes
    assert main_suffix(chosen) == suffixes[0]


def test_one_label_alone() -> None:
    (file,) = label_files(REGIONS, "lesion")
    assert (file.suffix, file.label) == ("_lesion_seg", Label("lesion", (2,)))
    with pytest.raises(ModelError, match="no label 'gm'"):
        label_files(REGIONS, "gm")


@pytest.mark.parametrize("name", ["t2.nii.gz", "t2.nii"])
def test_further_files_lie_beside_the_main_one(name: str) -> None:
    ending = name.removeprefix("t2")
    outputs = outputs_for(Path(name), suffix="_sc_seg")
    assert label_paths(REGIONS, None, outputs) == (
        Path(f"t2_lesion_seg{ending}"),
        Path("t2_sc_seg_volumes.csv"),
    )
    chosen = outputs_for(Path(name), Path(f"other{ending}"), "_sc_seg")
    assert label_paths(REGIONS, None, chosen)[0] == Path(f"other_lesion_seg{ending}")


def result() -> InferenceResult:
    """8 voxels of 2 mm³ of cord, of which 3 are lesion in two objects, on six slices."""
    grid = Grid((4, 4, 6), np.diag([1.0, 1.0, 2.0, 1.0]))
    labels = np.zeros(grid.shape, np.uint8)
    labels[1, 1, :4] = labels[2, 1, :4] = 1
    labels[1, 1, 0] = labels[1, 1, 1] = labels[2, 1, 3] = 2
    probability = Probability((labels > 0).astype(np.float32), grid)
    mask = Segmentation((labels > 0).astype(np.uint8), grid)
    return InferenceResult(
        Volume(np.zeros(grid.shape, np.float32), grid),
        probability,
        mask,
        Location(grid.box, None, found=True, confidence=1.0),
        grid,
        labels=Segmentation(labels, grid),
        label="sc",
    )


def test_the_page_shows_every_label_with_the_cord_first() -> None:
    found = result()
    cord, lesion = labels_shown(found, REGIONS, None)
    assert (cord.name, lesion.name) == ("sc", "lesion")
    assert found.labels is not None
    assert (cord.mask.data == (found.labels.data > 0)).all()
    assert (lesion.mask.data == (found.labels.data == 2)).all()
    assert labels_shown(found, REGIONS, "lesion") == ()
    assert labels_shown(found, CORD, None) == ()


def test_without_a_main_label_the_mask_is_that_of_all() -> None:
    found = result()
    assert found.labels is not None
    first = replace(found.labels, data=(found.labels.data == 1).astype(np.uint8))
    every = of_all_labels(replace(found, segmentation=first)).segmentation
    assert (every.data == (found.labels.data > 0)).all()


def test_volumes_are_in_cubic_millimetres() -> None:
    lesion, cord = volumes(result(), REGIONS.scheme.labels)
    assert (lesion.label.name, lesion.voxels, lesion.volume, lesion.objects) == (
        *("lesion", 3, 6.0, 2),
    )
    assert (cord.label.name, cord.voxels, cord.volume, cord.objects) == ("sc", 8, 16.0, 1)


def test_volumes_of_levels_add_up_to_the_whole() -> None:
    levels = np.array([4, 4, 3, 3, 0, 0])
    whole, *parts = volumes(result(), REGIONS.scheme.labels[1:], levels)
    assert [part.level for part in parts] == ["C3", "C4"]
    assert sum(part.volume for part in parts) == whole.volume


def test_the_table_can_be_read_back(tmp_path: Path) -> None:
    write_volumes(tmp_path / "v.csv", volumes(result(), REGIONS.scheme.labels))
    lines = (tmp_path / "v.csv").read_text().splitlines()
    assert lines[0] == "label,values,level,voxels,volume_mm3,objects"
    assert lines[1:] == ["lesion,2,,3,6.000,2", "sc,1+2,,8,16.000,1"]


def test_a_label_is_no_formula(tmp_path: Path) -> None:
    (row,) = volumes(result(), (Label("=1+1", (1,)),))
    write_volumes(tmp_path / "v.csv", (row,))
    assert (tmp_path / "v.csv").read_text().splitlines()[1].startswith("'")


def test_the_sidecar_names_labels_files_and_the_part_looked_at() -> None:
    outputs = outputs_for(Path("t2.nii.gz"), suffix="_sc_seg")
    found = labels_record(result(), REGIONS, None, outputs)
    assert found["labels"]["lesion"] == {
        "Values": [2],
        "Volume": 6.0,
        "Objects": 2,
        "File": "t2_lesion_seg.nii.gz",
    }
    assert found["labels"]["sc"]["File"] == "t2_sc_seg.nii.gz"
    assert found["region"]["Seen"] == "whole image"
    lost = result()
    lost = replace(lost, location=replace(lost.location, found=False))
    shown = labels_record(lost, REGIONS, None, outputs)["region"]["Seen"]
    assert shown == "whole image, as no cord was found"
