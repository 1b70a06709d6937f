"""The probability of cord as the mean over several placements of the network's grid.

The network's voxels are larger than those of the half-way grid, and where they fall moves the
area by some tenths of a per cent. The image is shown from several first voxels, half a network
voxel apart, and mirrored; the mean is steadier than any of them. The whole grid is shown each
time: the box around the cord that is cut out otherwise differs by some voxels from image to image,
and with it the normalisation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sct_deepseg_general.image.volume import Array, Box, Probability, Volume
from sct_deepseg_general.inference.pipeline import Options, segment
from sct_deepseg_general.inference.predictor import Predictor

__all__ = ["PLACEMENTS", "steady_probability"]

PLACEMENTS = ((0, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, 1))
"""Voxels left out at the start of each axis."""


def steady_probability(
    image: Volume, predictor: Predictor, progress: Callable[[], None] | None = None
) -> Probability:
    """The mean probability over `PLACEMENTS`, as it is and mirrored from left to right.

    Parameters
    ----------
    image
        An image whose first axis runs from left to right.
    predictor
        The model.
    progress
        Called after each of the eight runs.
    """
    total = np.zeros(image.grid.shape, np.float64)
    count = np.zeros(image.grid.shape, np.float64)
    for start in PLACEMENTS:
        part = image.cropped(Box(start, image.grid.shape))
        where = tuple(slice(a, None) for a in start)
        for turned in (False, True):
            total[where] += _seen(part, predictor, mirrored=turned)
            count[where] += 1
            if progress is not None:
                progress()
    return Probability((total / np.maximum(count, 1)).astype(np.float32), image.grid)


def _seen(part: Volume, predictor: Predictor, *, mirrored: bool) -> Array:
    shown = replace(part, data=np.ascontiguousarray(part.data[::-1])) if mirrored else part
    data = segment(shown, predictor, Options(exact=True)).probability.data
    return data[::-1] if mirrored else data
