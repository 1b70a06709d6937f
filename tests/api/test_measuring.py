"""`measure`: any mask gives the areas of `csa`."""

from __future__ import annotations

import csv
import typing
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from samples import DATA, image_path, label_path

from sct_deepseg_general import cli, measure, segment
from sct_deepseg_general.errors import ArgumentError, DeepsegError, ImageError, OutputError

T2, MASK = image_path("T2w"), label_path("T2w")
NECK, NECK_MASK = (DATA / "levels" / f"neck_T2w{end}.nii.gz" for end in ("", "_seg"))


def test_the_mean_is_that_of_sct() -> None:
    assert measure(MASK).mean_area() == pytest.approx(75.7, abs=0.05)


def test_a_path_an_image_and_an_array_give_the_same_areas() -> None:
    read = nib.load(MASK)
    array = np.asarray(read.dataobj) > 0
    found = [measure(MASK), measure(read), measure(array, affine=read.affine)]
    assert len({one.mean_area() for one in found}) == 1
    assert found[0].interval is None
    assert found[0].probability is None


def test_the_table_that_is_saved_is_that_of_csa(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = measure(NECK_MASK, image=NECK, levels="auto").save(tmp_path / "a", by="level")
    words = ["x", "csa", "-i", NECK_MASK, "-o", tmp_path / "b.csv", "-anat", NECK, "-perlevel", "1"]
    monkeypatch.setattr("sys.argv", [str(word) for word in words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    assert areas(saved["table"]) == areas(tmp_path / "b.csv")


def areas(path: Path) -> list[tuple[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["VertLevel"], row["MEAN(area)"]) for row in csv.DictReader(file)]


def test_the_image_adds_quarters_and_the_probability_soft_areas() -> None:
    pytest.importorskip("pandas")
    read = nib.load(MASK)
    found = measure(MASK, image=T2, probability=np.asarray(read.dataobj, np.float32))
    columns = list(found.table())
    assert {"area_quadrant_anterior_left", "area_soft"} <= set(columns)


def test_the_mask_of_segment_gives_its_areas() -> None:
    result = segment(T2)
    assert measure(result.mask).mean_area() == pytest.approx(result.mean_area())


def test_a_label_of_several_is_chosen() -> None:
    read = nib.load(MASK)
    several = np.asarray(read.dataobj, np.uint8)
    several[0, 0, 0] = 7
    with pytest.raises(ImageError, match="choose the cord's label with label"):
        measure(several, affine=read.affine)
    one = measure(several, affine=read.affine, label=1)
    assert one.mean_area() == measure(MASK).mean_area()


def test_a_level_of_two_vertebrae_is_named_in_the_warnings() -> None:
    mask = nib.load(label_path("T2w"))
    points = np.argwhere(np.asarray(mask.dataobj) > 0)
    heights = nib.affines.apply_affine(mask.affine, points)[:, 2]
    voxels = [
        tuple(map(int, points[np.abs(heights - at).argmin()]))
        for at in (heights.max() - 6, heights.max() - 36)
    ]
    result = measure(label_path("T2w"), discs=dict(zip((3, 5), voxels, strict=True)))
    assert result.mean_area(level=3) > 0
    (told,) = result.warnings
    assert told == "level 3 holds the levels 3:4: disc 4 is not labelled."


def test_an_empty_mask_has_no_area() -> None:
    result = measure(np.zeros((20, 20, 20), np.uint8), affine=np.eye(4))
    assert np.isnan(result.mean_area())
    assert result.status == "fail"
    assert len(result.table()) == 0
    assert "no cord" in repr(result)
    assert "<img" in result._repr_html_()


WRONG: list[tuple[dict[str, typing.Any], type[DeepsegError], str]] = [
    ({"mask": "no.nii.gz"}, ImageError, "no.nii.gz does not exist"),
    ({"mask": [1, 2]}, ArgumentError, "mask is of the type list"),
    ({"levels": "auto"}, ArgumentError, "give image"),
    ({"label": 9}, ImageError, "does not hold the label 9"),
]


@pytest.mark.parametrize(("given", "kind", "words"), WRONG)
def test_a_wrong_argument_is_one_sentence_in_pythons_words(
    given: dict[str, typing.Any], kind: type[DeepsegError], words: str
) -> None:
    with pytest.raises(kind) as raised:
        measure(**{"mask": MASK, **given})
    assert words in str(raised.value)
    assert " -" not in str(raised.value)


def test_saving_keeps_existing_files(tmp_path: Path) -> None:
    result = measure(MASK)
    result.save(tmp_path)
    with pytest.raises(OutputError, match="overwrite=True"):
        result.save(tmp_path)
    result.save(tmp_path, overwrite=True)
    with pytest.raises(ArgumentError, match="soft=True"):
        result.save(tmp_path / "other", soft=True)
