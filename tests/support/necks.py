"""A real neck (C1 to C6, T2w, 1 mm) with its mask and its discs as drawn by eye."""

from __future__ import annotations

from functools import cache

import numpy as np
from samples import DATA

from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Box, Segmentation, Volume
from sct_deepseg_general.level_training.table import read_table

FOLDER = DATA / "levels"
IMAGE, MASK, TABLE = (
    FOLDER / name for name in ("neck_T2w.nii.gz", "neck_T2w_seg.nii.gz", "neck_discs.tsv")
)


@cache
def neck() -> Volume:
    return nifti.load(IMAGE)


@cache
def cord() -> Segmentation:
    return nifti.load_segmentation(MASK)


@cache
def known_discs() -> dict[int, np.ndarray]:
    """The discs' posterior tips in mm (RAS), by number."""
    (known,) = read_table(TABLE)
    return dict(zip(known.numbers.tolist(), known.points, strict=True))


def below(mm: float) -> tuple[Volume, Segmentation]:
    """Image and mask without what lies higher than `mm` (RAS)."""
    grid = neck().grid
    top = int(np.floor((mm - grid.affine[2, 3]) / grid.affine[2, 2]))
    box = Box((0, 0, 0), (*grid.shape[:2], top))
    return neck().cropped(box), cord().cropped(box)


def labelled(at: dict[int, np.ndarray], volume: Volume | None = None) -> Volume:
    """Single voxels with the numbers at points in mm."""
    from nibabel.affines import apply_affine

    grid = (volume or neck()).grid
    data = np.zeros(grid.shape, np.uint8)
    for number, point in at.items():
        voxel = np.rint(apply_affine(np.linalg.inv(grid.affine), point)).astype(int)
        data[tuple(voxel)] = number
    return Volume(data, grid)
