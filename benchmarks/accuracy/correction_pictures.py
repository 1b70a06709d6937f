"""Draws docs/correct.png, a mask before and after a correction, and docs/discs.png, where the
voxels of a disc file lie; prints the command that makes this disc file.

    python benchmarks/accuracy/correction_pictures.py [-o docs]

The fault in the mask is made for the picture: a part of the cord is missing, another is too wide.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy import ndimage

from sct_deepseg_general.image import nifti

ROOT = Path(__file__).resolve().parents[2]
NECK = ROOT / "tests" / "data" / "levels"
SAGITTAL, AXIAL = 10, 35  # the slices shown, in LAS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", dest="output", type=Path, default=ROOT / "docs")
    folder = parser.parse_args().output
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    image = nifti.load(NECK / "neck_T2w.nii.gz").data
    after = nifti.load_segmentation(NECK / "neck_T2w_seg.nii.gz").data > 0
    before = spoiled(after)
    figure, axes = plt.subplots(2, 2, figsize=(6, 8), height_ratios=(3, 1))
    for column, (name, mask) in enumerate((("before", before), ("after", after))):
        draw(axes[0, column], image[SAGITTAL].T, mask[SAGITTAL].T, (before ^ after)[SAGITTAL].T)
        draw(axes[1, column], image[:, :, AXIAL].T, mask[:, :, AXIAL].T, None)
        axes[0, column].set_title(name)
        axes[0, column].axhline(AXIAL, color="white", lw=0.6, ls=":")
    figure.tight_layout()
    figure.savefig(folder / "correct.png", dpi=80)
    figure, axis = plt.subplots(figsize=(4.5, 6))
    draw(axis, image[SAGITTAL].T, None, None)
    for number, (_, y, z) in disc_voxels().items():
        axis.plot(y, z, "+", color="red", ms=14, mew=2)
        axis.text(y + 3, z + 2, f"{number}   ({y}, {z})", color="yellow", fontsize=10)
    figure.tight_layout()
    figure.savefig(folder / "discs.png", dpi=80)
    print(command())


def disc_voxels() -> dict[int, tuple[int, int, int]]:
    """The voxel (x, y, z) of each disc of the neck, by its number."""
    inverse = np.linalg.inv(nifti.load(NECK / "neck_T2w.nii.gz").grid.affine)
    with (NECK / "neck_discs.tsv").open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    found = {}
    for row in rows:
        place = apply_affine(inverse, [float(row[f"{axis}_mm"]) for axis in "xyz"])
        x, y, z = (round(float(value)) for value in place)
        found[int(row["disc"])] = (x, y, z)
    return found


def command() -> str:
    """SCT's command that makes the file of these discs."""
    voxels = (f"{x},{y},{z},{disc}" for disc, (x, y, z) in disc_voxels().items())
    return f"sct_label_utils -i neck_T2w.nii.gz -create {':'.join(voxels)} -o neck_discs.nii.gz"


def spoiled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask with slices missing, and with slices that are too wide."""
    spoiled = mask.copy()
    spoiled[:, :, 60:66] = False
    wide = ndimage.binary_dilation(mask, iterations=2)
    spoiled[:, :, AXIAL - 4 : AXIAL + 4] = wide[:, :, AXIAL - 4 : AXIAL + 4]
    return spoiled


def draw(axis: Any, image: Any, mask: Any, changed: Any) -> None:
    """One slice with the outline of the mask (red), and what is changed (yellow)."""
    axis.imshow(image, cmap="gray", origin="lower", vmax=np.percentile(image, 99.5))
    if changed is not None:
        shown = np.ma.masked_equal(changed.astype(float), 0)
        axis.imshow(shown, cmap="autumn_r", origin="lower", alpha=0.5, vmin=0, vmax=1)
    if mask is not None and mask.any():
        axis.contour(mask, levels=[0.5], colors="red", linewidths=1.2)
    axis.set_axis_off()


if __name__ == "__main__":
    main()
