"""Patches to train on: a cord voxel of a case, seen through a random smooth deformation.

Arrays are (z, y, x) as nnU-Net keeps them, spacings in mm in the same order. A `TrainingCase` holds
the image (z-scored) and the target, the fraction of each voxel that is cord.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as nnf

__all__ = ["Patch", "SpatialRange", "TrainingCase", "draw_patch"]

Float = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TrainingCase:
    """One training image: `image` and `target` (z, y, x) float32, target in [0, 1].

    `trust` is the weight of its dataset in sampling; `shapes_only` marks a case whose image is
    the fraction of each voxel that lies in the canal, which only synthesis can use.
    """

    name: str
    dataset: str
    image: Float
    target: Float
    centres: NDArray[np.int32]
    trust: float = 1.0
    shapes_only: bool = False


@dataclass(frozen=True, eq=False)
class Patch:
    """What the network sees: `image`, `target`, `inside` (1 where the case has voxels).

    Where only shapes are known, `image` is the canal (0 to 1) and `surroundings` an image of
    something else to set it into.
    """

    image: Tensor
    target: Tensor
    inside: Tensor
    surroundings: Tensor | None = None


@dataclass(frozen=True)
class SpatialRange:
    """How far patches may be turned (degrees), scaled, bent (mm) and moved off the cord (mm)."""

    rotation: float = 20.0
    scale: tuple[float, float] = (0.7, 1.4)
    bend: float = 4.0
    shift: float = 14.0
    anywhere: float = 0.12
    flip: tuple[float, float, float] = (0.1, 0.05, 0.5)

    @classmethod
    def from_dict(cls, values: Mapping[str, float]) -> SpatialRange:
        """The default ranges, with the single numbers (degrees, mm, probabilities) that `values`
        names.
        """
        named: dict[str, Any] = {name: float(value) for name, value in values.items()}
        return replace(cls(), **named)


def draw_patch(
    case: TrainingCase,
    shape: Sequence[int],
    spacing: Sequence[float],
    space: SpatialRange,
    rng: np.random.Generator,
) -> Patch:
    """Draw a deformed patch around a random voxel of the cord, or sometimes around any voxel.

    Parameters
    ----------
    case : TrainingCase
        The image and its target, as tensors of shape (z, y, x).
    shape : sequence of int
        The size of the patch in voxels, (z, y, x).
    spacing : sequence of float
        The voxel size in mm, (z, y, x).
    space : SpatialRange
        How far the patch may be shifted, turned, scaled and bent.
    rng : numpy.random.Generator
        Where the random numbers come from.

    Returns
    -------
    Patch
        Image, target (0 to 1) and what lies inside the field of view, each of `shape`.
    """
    centre = _draw_centre(case, spacing, space, rng)
    points = _deformed_points(shape, spacing, space, rng) + centre
    image, target, inside = _sample_at(case, points)
    for axis in (axis for axis in range(3) if rng.random() < space.flip[axis]):
        image, target, inside = (t.flip(axis) for t in (image, target, inside))
    return Patch(image, target, inside)


def _draw_centre(
    case: TrainingCase, spacing: Sequence[float], space: SpatialRange, rng: np.random.Generator
) -> NDArray[np.float64]:
    if len(case.centres) == 0 or rng.random() < space.anywhere:
        return rng.uniform(0, np.array(case.image.shape) - 1)
    centre = case.centres[rng.integers(len(case.centres))].astype(float)
    moved = centre + rng.uniform(-1, 1, 3) * space.shift / np.array(spacing)
    return np.asarray(np.clip(moved, 0, np.array(case.image.shape) - 1))


def _deformed_points(
    shape: Sequence[int], spacing: Sequence[float], space: SpatialRange, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Voxel offsets (z, y, x, 3) from the centre for every voxel of the patch."""
    steps = [np.arange(n) - (n - 1) / 2 for n in shape]
    millimetres = np.stack(np.meshgrid(*steps, indexing="ij"), -1) * np.array(spacing)
    angles = np.deg2rad(rng.uniform(-space.rotation, space.rotation, 3))
    low, high = np.log(space.scale)
    common, own = np.exp(rng.uniform(low, high)), np.exp(rng.uniform(-0.1, 0.1, 3))
    millimetres = millimetres * (common * own) @ _rotation(angles).T
    if rng.random() < 0.5:
        millimetres = millimetres + _bend(shape, rng.uniform(0, space.bend), rng)
    return np.asarray(millimetres / np.array(spacing))


def _rotation(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    (cz, cy, cx), (sz, sy, sx) = np.cos(angles), np.sin(angles)
    about_z = np.array([[1, 0, 0], [0, cz, -sz], [0, sz, cz]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[cx, -sx, 0], [sx, cx, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


def _bend(shape: Sequence[int], amount: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A smooth random displacement in mm, at most about `amount`, (z, y, x, 3)."""
    coarse = torch.from_numpy(rng.uniform(-amount, amount, (1, 3, 4, 4, 4)))
    fine = nnf.interpolate(coarse, tuple(shape), mode="trilinear", align_corners=True)
    return np.asarray(fine[0].permute(1, 2, 3, 0).numpy())


def _sample_at(case: TrainingCase, points: NDArray[np.float64]) -> tuple[Tensor, Tensor, Tensor]:
    """Image, target and inside linearly interpolated at voxel positions (z, y, x, 3)."""
    size = np.array(case.image.shape)
    low = np.clip(np.floor(points.min((0, 1, 2))).astype(int) - 1, 0, size - 1)
    high = np.clip(np.ceil(points.max((0, 1, 2))).astype(int) + 2, low + 1, size)
    block = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    stack = torch.from_numpy(
        np.stack([case.image[block], case.target[block], np.ones(high - low, np.float32)])
    )
    relative = (2 * (points - low) + 1) / (high - low) - 1
    grid = torch.from_numpy(relative[..., ::-1].astype(np.float32).copy())
    sampled = nnf.grid_sample(stack[None], grid[None], padding_mode="zeros", align_corners=False)
    image, target, inside = sampled[0]
    share = inside.clamp(min=0.5)  # at the border, part of each sample lies outside
    return image / share, target / share, (inside > 0.5).float()
