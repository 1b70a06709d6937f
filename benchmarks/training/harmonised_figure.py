"""Labels before and after they were harmonised: the picture in docs/training.md.

Slices of training images with the original label's edge (thin, orange) and the harmonised one
(red), from a folder that `harmonise_labels.py` wrote.

    python benchmarks/training/harmonised_figure.py FOLDER docs/harmonised.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.support.labelled import shared
from sct_deepseg_general.image import nifti
from sct_deepseg_general.morphometry.contours import AXES

SHOWN = (
    ("montreal", "sub-errsm18/anat/sub-errsm18_T2w", "_seg-manual", 0.55),
    ("montreal", "sub-errsm24/anat/sub-errsm24_T2w", "_seg-manual", 0.45),
    ("montreal", "sub-errsm21/anat/sub-errsm21_T2star", "_seg-manual", 0.5),
    ("gmchallenge", "sub-9584/ses-1/anat/sub-9584_ses-1_run-1_T2star", "_label-SC_seg", 0.5),
    ("tutorial", "sub-05/anat/sub-05_acq-MTon_MTS", "_label-SC_seg", 0.6),
    ("spinegeneric", "sub-unf01/anat/sub-unf01_T1w", "_seg-manual", 0.5),
)
"""Dataset, image, the label's suffix, and where along the label to look (0 to 1)."""
REACH = 11.0  # mm shown around the cord


def main() -> None:
    folder, output = Path(sys.argv[1]), Path(sys.argv[2])
    figure = Figure(figsize=(1.7 * len(SHOWN), 2.1), layout="constrained")
    for axes, shown in zip(figure.subplots(1, len(SHOWN)).ravel(), SHOWN, strict=True):
        draw(axes, folder, *shown)
    figure.savefig(output, dpi=90)


def draw(axes: Axes, folder: Path, dataset: str, name: str, suffix: str, along: float) -> None:
    root, below = shared() / "train" / dataset, f"derivatives/labels/{name}{suffix}.nii.gz"
    image = nifti.load(root / f"{name}.nii.gz").reoriented(AXES)
    before = nifti.load(root / below).reoriented(AXES)
    after = nifti.load(folder / dataset / below).reoriented(AXES)
    rows = np.flatnonzero((before.data > 0.5).any((0, 1)))
    z = int(rows[int(along * (rows.size - 1))])
    x, y = (int(v) for v in np.argwhere(before.data[:, :, z] > 0.5).mean(0))
    nx, ny = (round(REACH / mm) for mm in image.grid.spacing[:2])
    part = (slice(max(x - nx, 0), x + nx + 1), slice(max(y - ny, 0), y + ny + 1), z)
    across, up, _ = image.grid.spacing
    shape = image.data[part].shape
    extent = (0, shape[0] * across, 0, shape[1] * up)
    axes.imshow(image.data[part].T, cmap="gray", origin="lower", extent=extent)
    for label, colour, width in ((before, "tab:orange", 0.8), (after, "tab:red", 1.4)):
        plane = np.asarray(label.data[part].T, float)
        at = [(np.arange(n) + 0.5) * mm for n, mm in zip(shape, (across, up), strict=True)]
        axes.contour(*at, plane, [0.5], colors=colour, linewidths=width)
    axes.set_title(Path(name).name.replace("sub-", "").replace("_ses-1_run-1", ""), fontsize=7)
    axes.axis("off")


if __name__ == "__main__":
    main()
