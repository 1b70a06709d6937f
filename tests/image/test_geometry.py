"""A header that says two things about its voxels is refused; an area would depend on the choice."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from phantoms import affine_of

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image import nifti
from sct_deepseg_general.morphometry.morphometrics import measure

SPACING, SHAPE = (0.5, 0.5, 2.0), (60, 60, 12)
AFFINE = affine_of("LAS", SPACING, SHAPE)
Affine = NDArray[np.float64]


def tube() -> NDArray[np.uint8]:
    """An elliptic tube of 12 x 8 mm, 75.4 mm²."""
    x, y, _ = np.indices(SHAPE)
    return (((x - 29.5) / 12) ** 2 + ((y - 29.5) / 8) ** 2 <= 1).astype(np.uint8)


def written(path: Path, sform: Affine, qform: Affine, codes: tuple[int, int]) -> Path:
    image = nib.Nifti1Image(tube(), None)
    image.header.set_qform(qform, codes[1])
    image.header.set_sform(sform, codes[0])
    nib.save(image, path)
    return path


def changed(**cells: tuple[int, int, float]) -> Affine:
    affine = AFFINE.copy()
    for row, column, value in cells.values():
        affine[row, column] = value
    return affine


GOOD = {
    "both": (AFFINE, AFFINE, (1, 1)),
    "sform": (AFFINE, AFFINE, (1, 0)),
    "qform": (AFFINE, AFFINE, (0, 1)),
    "none": (AFFINE, AFFINE, (0, 0)),
    "another origin": (changed(a=(2, 3, 50.0)), AFFINE, (4, 1)),
    "left and right exchanged": (AFFINE, AFFINE * [-1, 1, 1, 1], (1, 1)),
    "rounded": (AFFINE * [1.004, 1.004, 1, 1], AFFINE, (1, 1)),
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_consistent_header_gives_the_area(kind: str, tmp_path: Path) -> None:
    area = measure(nifti.load_map(written(tmp_path / "m.nii.gz", *GOOD[kind]))).area
    np.testing.assert_allclose(area, 75.4, rtol=0.02)


SWAPPED = AFFINE @ np.array([[1, 0, 0, 0], [0, 0, 4, 0], [0, 0.25, 0, 0], [0, 0, 0, 1]])
WRONG = {
    "voxels of 0.6 x 0.6 x 2 mm by its sform and of 0.5 x 0.5 x 2 mm by its pixdim": (
        AFFINE * [1.2, 1.2, 1, 1], AFFINE, (1, 1)
    ),
    "axes at 76 degrees": (changed(a=(0, 1, 0.125)), AFFINE, (1, 0)),
    "orientation RPI by its sform and RIP by its qform": (AFFINE, SWAPPED, (1, 1)),
}  # fmt: skip


@pytest.mark.parametrize("words", WRONG)
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_header_that_says_two_things_is_refused(words: str, ending: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"m{ending}", *WRONG[words])
    with pytest.raises(ImageError, match=words):
        nifti.load_map(path)
    with pytest.raises(ImageError, match=words):
        nifti.load(path)


@pytest.mark.parametrize("codes", [(0, 1), (0, 0), (1, 0)])
def test_voxel_sizes_of_0_are_not_taken_for_1(codes: tuple[int, int], tmp_path: Path) -> None:
    path = written(tmp_path / "m.nii", AFFINE, AFFINE, codes)
    content = bytearray(path.read_bytes())
    content[80:92] = bytes(12)
    path.write_bytes(bytes(content))
    with pytest.raises(ImageError, match=r"voxel sizes 0 x 0 x 0 mm \(pixdim\)"):
        nifti.load_map(path)
