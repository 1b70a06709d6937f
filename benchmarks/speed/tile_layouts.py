"""What it costs that the tiles follow the cord: beside nnU-Net's lattice over the same crop.

For every labelled image the tiles run, the Dice to the label both ways, and of the two masks.

    python benchmarks/speed/tile_layouts.py [-m MODEL] [-processes N]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from benchmarks.support.labelled import Labelled, asking, each, labelled, predictor
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.metrics import overlap
from sct_deepseg_general.inference import sliding_window as tiles
from sct_deepseg_general.inference.pipeline import segment

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Both:
    """One image, with the tiles that follow the cord and with the lattice."""

    tiles: tuple[int, int]
    dice: tuple[float, float]
    """To the label."""
    agreement: float
    """Dice of the two masks."""


def main() -> None:
    options = asking(__doc__).parse_args()
    images = labelled()
    found = list(each(partial(compared, options.model), images, options.processes))
    print("| part | image | tiles | lattice | Dice to the label | lattice | of both |")
    print("|---|---|---|---|---|---|---|")
    for image, both in zip(images, found, strict=True):
        name = image.image.name.removesuffix(".nii.gz").removeprefix("sub-")
        print(
            f"| {image.part} | {name} | {both.tiles[0]} | {both.tiles[1]} | {both.dice[0]:.3f} "
            f"| {both.dice[1]:.3f} | {both.agreement:.3f} |"
        )
    for part in ("train", "dev"):
        own = [both for image, both in zip(images, found, strict=True) if image.part == part]
        if own:
            counts = [sum(both.tiles[i] for both in own) for i in (0, 1)]
            dice = [fmean(both.dice[i] for both in own) for i in (0, 1)]
            print(
                f"\n{part}: {counts[0]} tiles instead of {counts[1]}, mean Dice {dice[0]:.4f} "
                f"instead of {dice[1]:.4f}"
            )


def compared(model: str | None, image: Labelled) -> Both:
    label = nifti.load_segmentation(image.label).data > 0
    (following, count), (lattice, whole) = masked(model, image), masked(model, image, lattice=True)
    dice = (overlap(following, label).dice, overlap(lattice, label).dice)
    return Both((count, whole), dice, overlap(following, lattice).dice)


def masked(model: str | None, image: Labelled, *, lattice: bool = False) -> tuple[Mask, int]:
    """The mask, and the number of the network's tiles."""
    counts: list[int] = []
    plain = tiles.following

    def laid(wanted: Mask, tile: Sequence[int]) -> list[Any]:
        starts = tiles.positions(wanted.shape, tile) if lattice else plain(wanted, tile)
        counts.append(len(starts))
        return starts

    with mock.patch.object(tiles, "following", laid):
        result = segment(nifti.load(image.image), predictor(model))
    return result.segmentation.data > 0, counts[-1] if counts else 0


if __name__ == "__main__":
    main()
