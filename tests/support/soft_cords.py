"""Round cords with soft edges, and images of them in fluid."""

from __future__ import annotations

import numpy as np

from sct_deepseg_general.image.volume import Grid, Probability, Volume

SLICES = 12


def grid(across: float = 1.0, up: float = 2.0) -> Grid:
    size = round(36 / across)
    return Grid((size, size, SLICES), np.diag([-across, across, up, 1.0]))


def radii(on: Grid) -> np.ndarray:
    """The distance (mm) of every voxel's centre from a cord's axis, a third of a voxel off it."""
    x, y = ((np.arange(on.shape[a]) - on.shape[a] / 2 + 0.33) * on.spacing[a] for a in (0, 1))
    plane = np.hypot(x[:, None], y[None, :])
    return np.repeat(plane[:, :, None], on.shape[2], 2)


def disc(radius: float, across: float = 1.0) -> Probability:
    """A cord of this radius (mm), voxels at its edge filled in part."""
    on = grid(across)
    return Probability(np.clip((radius - radii(on)) / across + 0.5, 0, 1).astype(np.float32), on)


def blurred_canal(edge: float, bright: float = 3.0) -> Volume:
    """A cord of intensity 1 in fluid; the intensity is half-way at the radius `edge` (mm)."""
    share = 1 / (1 + np.exp(-(radii(grid()) - edge) / 0.25))
    return Volume((1 + (bright - 1) * share).astype(np.float32), grid())
