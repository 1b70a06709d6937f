"""Draws docs/levels.png: discs that were found, numbers that were withheld, and those that would
have been wrong.

    python benchmarks/accuracy/level_pictures.py [-m MODEL] [-o docs/levels.png]
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support.degraded_necks import cut, inverted, slices
from benchmarks.support.labelled import ROOT, asking, predictor, shared
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.inference.pipeline import segment
from sct_deepseg_general.level_training.table import read_table
from sct_deepseg_general.levels.detect import find_levels
from sct_deepseg_general.levels.responses import embedded_network
from sct_deepseg_general.levels.strip import COLUMNS, strip_of

ERRSM20 = "dev/unlabelled/sub-errsm20/anat/sub-errsm20_T2w.nii.gz"
UNF02 = "dev/unlabelled/sub-unf02/anat/sub-unf02_T2star.nii.gz"
MT = "train/tutorial/sub-01/anat/sub-01_acq-MToff_MTS.nii.gz"


@dataclass(frozen=True, eq=False)
class Panel:
    title: str
    name: str
    image: Volume


def main() -> None:
    parser = asking(__doc__ or "")
    parser.add_argument("-o", dest="output", type=Path, default=ROOT / "docs" / "levels.png")
    options = parser.parse_args()
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    shown = panels(shared())
    figure, axes = plt.subplots(1, len(shown), figsize=(2.5 * len(shown), 9.5))
    for axis, panel in zip(axes, shown, strict=True):
        draw(axis, panel, shared(), options.model)
    figure.tight_layout(pad=0.4, rect=(0, 0, 1, 0.97))
    figure.savefig(options.output, dpi=80)


def panels(data: Path) -> list[Panel]:
    whole = nifti.load(data / ERRSM20).reoriented(("L", "A", "S"))
    rng = np.random.default_rng(0)
    return [
        Panel("T2w", ERRSM20, whole),
        Panel("T2w, slices of 5 mm", ERRSM20, slices(whole, 5, rng)),
        Panel("T2*w, slices of 5 mm", UNF02, nifti.load(data / UNF02)),
        Panel("C2/C3 out of view", ERRSM20, cut(whole, -1e4, 50)),
        Panel("C3 to C5 alone: would be wrong", ERRSM20, cut(whole, -2.2, 54)),
        Panel("T2w, inverted", ERRSM20, inverted(whole)),
        Panel("MT", MT, nifti.load(data / MT)),
    ]


def draw(ax: Any, panel: Panel, data: Path, model: str | None) -> None:
    """The strip, the discs found (yellow, grey where withheld), and the known ones (red)."""
    from matplotlib.patheffects import withStroke

    mask = segment(panel.image, predictor(model)).segmentation
    found = find_levels(panel.image, mask, embedded_network())
    if found.course is None:
        return
    strip = strip_of(panel.image, found.course).data
    rows = np.flatnonzero(np.isfinite(strip).any(axis=1))
    top = float(np.nanpercentile(strip[:, 22:40], 98))
    extent = (COLUMNS[0] - 0.5, COLUMNS[1] + 0.5, -0.5, len(strip) - 0.5)
    ax.imshow(strip, origin="lower", cmap="gray", vmin=0, vmax=top, extent=extent)
    colour = "#ffd34d" if found.status == "ok" else "#d8d8d8"
    outlined = {"path_effects": [withStroke(linewidth=2, foreground="black")]}
    for disc in found.discs:
        if disc.origin != "estimated":
            ax.plot([7, 24], [disc.row, disc.row], color=colour, lw=1, **outlined)
        if not rows[0] <= disc.row <= rows[-1]:
            continue
        ax.text(27, disc.row - 2, str(disc.number), color=colour, fontsize=9, **outlined)
    known = {k.image: k for k in read_table(data / "levels" / "discs.tsv")}.get(panel.name)
    if known is not None:
        for number, row in zip(known.numbers, found.course.rows_of(known.points), strict=True):
            if rows[0] <= row <= rows[-1]:
                ax.plot(6, row, "r+", ms=6)
                ax.text(36, row - 2, str(number), color="#ff6b5e", fontsize=9)
    ax.set_ylim(rows[0], rows[-1])
    ax.set_axis_off()
    words = "ok" if found.status == "ok" else "withheld: " + found.reasons[0].split(":")[0]
    title = f"{panel.title}\n{words}".replace(" in the field", "\nin the field")
    ax.set_title(title, fontsize=8)


if __name__ == "__main__":
    main()
