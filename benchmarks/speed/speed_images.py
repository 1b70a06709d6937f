"""The images that the speed is measured on, written to a folder.

python benchmarks/speed/speed_images.py FOLDER

The sample of the tests; and from a full neck (`labelled.shared_images`), where there is one:
the neck, parts of it along the cord, and the neck in a larger field of view.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.support.labelled import ROOT, shared_images
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Box, Grid, Volume

SMALL = ROOT / "tests" / "data" / "sub-sct" / "anat" / "sub-sct_T2w.nii.gz"
NECK = "train/montreal/sub-errsm22/anat/sub-errsm22_T2w.nii.gz"
LENGTHS = (0.25, 0.5, 0.75)
WIDTHS = (1.5, 2.0)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    nifti.save(nifti.load(SMALL), folder / "small.nii.gz")
    for path in shared_images(NECK):
        neck = nifti.load(path)
        nifti.save(neck, folder / "neck.nii.gz", neck.data.dtype.type)
        for share in LENGTHS:
            write(shortened(neck, share), folder / f"length-{share}.nii.gz")
        for factor in WIDTHS:
            write(widened(neck, factor), folder / f"width-{factor}.nii.gz")


def write(volume: Volume, path: Path) -> None:
    nifti.save(volume, path, volume.data.dtype.type)


def shortened(volume: Volume, share: float) -> Volume:
    """The middle part along the body's axis."""
    axis = along(volume)
    size = volume.grid.shape[axis]
    first = round(size * (1 - share) / 2)
    start, stop = [0, 0, 0], list(volume.grid.shape)
    start[axis], stop[axis] = first, first + round(size * share)
    return volume.cropped(Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2])))


def widened(volume: Volume, factor: float) -> Volume:
    """The same image with air before and behind the body, in the plane of a sagittal image.

    Air is drawn from the darkest twentieth of the image's own voxels.
    """
    axis = next(i for i, code in enumerate(volume.grid.axcodes) if code in "AP")
    nx, ny, nz = volume.data.shape
    x, y, z = (round(n * (factor - 1) / 2) * (a == axis) for a, n in enumerate((nx, ny, nz)))
    shape = (nx + 2 * x, ny + 2 * y, nz + 2 * z)
    dark = np.sort(volume.data.ravel())[: volume.data.size // 20]
    data = np.random.default_rng(0).choice(dark, shape).astype(volume.data.dtype)
    data[x : x + nx, y : y + ny, z : z + nz] = volume.data
    affine = volume.grid.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ np.array([x, y, z])
    return replace(volume, data=data, grid=Grid(shape, affine), header=None)


def along(volume: Volume) -> int:
    """The axis that runs along the body."""
    return next(i for i, code in enumerate(volume.grid.axcodes) if code in "SI")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
