"""Finding the cord: a coarse pass over the whole image gives the box worth a closer look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.prepare import margin_box, prepared
from sct_deepseg_general.volume import Box, Grid, Probability, Volume

__all__ = ["Location", "locate"]

Coarse = Callable[[Volume], Probability]
MINOR = 0.2  # a second object counts as cord from this share of the largest one's mass


@dataclass(frozen=True, eq=False)
class Location:
    """Where the cord is: `box` on the oriented image's grid, found by the `coarse` mask."""

    box: Box
    coarse: Volume | None
    found: bool
    confidence: float
    """Mean coarse probability inside the object found, 0 to 1; 1 where nobody looked."""


def locate(
    oriented: Volume,
    coarse_probability: Coarse,
    spacing: tuple[float, float, float],
    threshold: float,
    margin: float,
) -> Location:
    """The box around the cord with `margin` mm, on the grid of `oriented` (model axes).

    The image is looked at as a whole at `spacing` mm. If nothing reaches `threshold`, the
    location is the whole image and `found` is false.
    """
    whole = oriented.grid.box
    coarse = coarse_probability(prepared(oriented, whole, spacing))
    mask = _objects(coarse.data, threshold)
    if not mask.any():
        return Location(whole, None, found=False, confidence=float(coarse.data.max()))
    box = _on_grid(margin_box(mask, coarse.grid.spacing, margin), coarse.grid, oriented.grid)
    found = Volume(mask.astype(np.float32), coarse.grid)
    return Location(box, found, found=True, confidence=float(coarse.data[mask].mean()))


def _objects(probability: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """The object with the most probability, and those nearly as large."""
    from scipy import ndimage  # 0.2 s, not for -h

    labels, count = ndimage.label(probability >= threshold, np.ones((3, 3, 3)))
    if count == 0:
        return np.zeros(probability.shape, bool)
    masses = ndimage.sum_labels(probability, labels, np.arange(1, count + 1))
    kept = 1 + np.flatnonzero(masses >= MINOR * masses.max())
    return np.isin(labels, kept)


def _on_grid(box: Box, source: Grid, target: Grid) -> Box:
    """A box of one grid on another grid of the same axes, cut at that grid's border."""
    ratio = np.array(target.shape) / np.array(source.shape)
    low = np.floor(np.array(box.start) * ratio).astype(int)
    high = np.ceil(np.array(box.stop) * ratio).astype(int)
    x0, y0, z0 = (int(v) for v in low)
    x1, y1, z1 = (int(v) for v in np.minimum(high, target.shape))
    return Box((x0, y0, z0), (x1, y1, z1))
