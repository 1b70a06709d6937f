"""Centrelines in a file: what is read is what was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from necks import cord

from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.level_training.centrelines import read_curves, rounded, write_curves
from sct_deepseg_general.levels.course import course_along, course_of, curve_of


def test_a_centreline_survives_its_file(tmp_path: Path) -> None:
    curve = rounded(curve_of(cord()))
    write_curves(tmp_path / "curves.tsv", {"a.nii.gz": curve, "b.nii.gz": curve})
    read = read_curves(tmp_path / "curves.tsv")
    assert list(read) == ["a.nii.gz", "b.nii.gz"]
    assert (read["b.nii.gz"].points == curve.points).all()
    assert read["b.nii.gz"].thickness == curve.thickness


def test_the_course_along_a_centreline_is_the_masks() -> None:
    kept, whole = course_along(rounded(curve_of(cord()))), course_of(cord())
    np.testing.assert_allclose(kept.points, whole.points, atol=0.02)
    np.testing.assert_allclose(kept.front, whole.front, atol=0.01)


@pytest.mark.parametrize(
    "text", [None, "image\tx_mm\na\t1\n", "image\tthickness_mm\tx_mm\ty_mm\tz_mm\na\tb\tc\td\te\n"]
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "curves.tsv"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match="no table of centrelines"):
        read_curves(path)
