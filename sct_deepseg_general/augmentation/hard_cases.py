"""Hard cases made of easy ones: cords and images as they are where segmentation often fails.

Each function takes a patch `image` (z, y, x, float32 tensor, about z-scored), the fraction of
each voxel that is cord, `target` in [0, 1], and a numpy random generator, and returns both as
they would be in the hard case. Voxels whose target becomes `UNKNOWN` are left out of the loss.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as nnf

from sct_deepseg_general.augmentation.filters import smooth, smooth_field

__all__ = ["UNKNOWN", "blank_slices", "faded", "lesions", "metal_void", "reshaped"]

UNKNOWN = -1.0

Pair = tuple[Tensor, Tensor]


def blank_slices(image: Tensor, target: Tensor, rng: np.random.Generator) -> Pair:
    """One or two runs of 2 to 10 slices without signal, and without cord in the target.

    The runs hold noise at the dark end of the image, as slices of echo-planar images do where
    the field is too uneven. Without signal, no mask.
    """
    image, target = image.clone(), target.clone()
    low, spread = float(torch.quantile(image[::2, ::2, ::2], 0.02)), float(image.std())
    for _ in range(int(rng.integers(1, 3))):
        length = int(rng.integers(2, 11))
        start = int(rng.integers(-length + 2, image.shape[0] - 1))
        run = slice(max(start, 0), min(start + length, image.shape[0]))
        shape = tuple(image[run].shape)
        noise = torch.from_numpy(rng.normal(size=shape).astype(np.float32))
        image[run] = low + float(rng.uniform(0.0, 0.12)) * spread * noise.abs()
        target[run] = 0
    return image, target


def faded(image: Tensor, target: Tensor, rng: np.random.Generator) -> Pair:
    """Contrast around the cord lowered to 0.25 to 0.7 of itself in a part of its length."""
    cord = _mean_inside(image, target)
    along = smooth_field((image.shape[0], 1, 1), (4, 1, 1), rng).sigmoid()
    near = (smooth((target > 0.3).float(), 4.0) * 6).clamp(0, 1)
    kept = 1 - float(rng.uniform(0.3, 0.75)) * along * near
    return cord + (image - cord) * kept, target


def lesions(image: Tensor, target: Tensor, rng: np.random.Generator) -> Pair:
    """One to three lesions inside the cord, brighter or darker than it; the target stays."""
    inside = torch.nonzero(target > 0.7)
    if not len(inside):
        return image, target
    spread = float(image.std())
    for _ in range(int(rng.integers(1, 4))):
        centre = inside[int(rng.integers(len(inside)))].float()
        radius = (float(rng.uniform(1.0, 7.0)), *(float(r) for r in rng.uniform(1.0, 4.0, 2)))
        blob = _ball(image.shape, centre.tolist(), radius) * target.clamp(0, 1)
        sign = 1 if rng.random() < 0.75 else -1
        image = image + sign * float(rng.uniform(0.2, 1.2)) * spread * blob
    return image, target


def metal_void(image: Tensor, target: Tensor, rng: np.random.Generator) -> Pair:
    """A black void with a bright rim beside or over the cord; the target there is unknown."""
    shape = image.shape
    centre = [n / 2 + float(rng.uniform(-0.5, 0.5)) * n for n in shape]
    radius = [float(rng.uniform(2.0, 0.28 * n)) for n in shape]
    field = _ball(shape, centre, radius) + 0.08 * smooth_field(shape, (5, 5, 5), rng)
    void, rim = field > 0.6, (field > 0.45) & (field <= 0.6)
    low, spread = float(image.min()), float(image.std())
    image = torch.where(rim, image + float(rng.uniform(0, 2.0)) * spread, image)
    image = torch.where(void, torch.full_like(image, low), image)
    return image, torch.where(void & (target > 0), torch.full_like(target, UNKNOWN), target)


def reshaped(image: Tensor, target: Tensor, rng: np.random.Generator) -> Pair:
    """The cord flattened to as little as half its depth, atrophied or swollen, inside its canal.

    Scales run from 0.5 to 1.2 in depth and from 0.75 to 1.25 in width and change along the
    cord; the displacement fades out with the distance from the cord's centre.
    """
    centres, present = _centres(target)
    if not bool(present.any()):
        return image, target
    count = image.shape[0]
    flat = (2 * smooth_field((count, 1, 1), (4, 1, 1), rng) + 1).sigmoid()
    depth = _between(rng.uniform(0.5, 1.2), flat)
    width = _between(rng.uniform(0.75, 1.25), flat)
    return _rescaled(image, target, centres, depth, width)


def _between(scale: float, share: Tensor) -> Tensor:
    return 1 + (float(scale) - 1) * share


def _rescaled(image: Tensor, target: Tensor, centres: Tensor, depth: Tensor, width: Tensor) -> Pair:
    """Image and target with the surroundings of `centres` (z, 2) scaled by slice in y and x."""
    nz, ny, nx = image.shape
    y = torch.arange(ny)[None, :, None] - centres[:, 0, None, None]
    x = torch.arange(nx)[None, None, :] - centres[:, 1, None, None]
    fading = torch.exp(-(((y**2 + x**2) / 10.0**2) ** 2))
    from_y = y * (1 + (1 / depth - 1) * fading) + centres[:, 0, None, None]
    from_x = x * (1 + (1 / width - 1) * fading) + centres[:, 1, None, None]
    z = torch.arange(nz)[:, None, None].expand(nz, ny, nx)
    grid = torch.stack([(2 * v + 1) / n - 1 for v, n in ((from_x, nx), (from_y, ny), (z, nz))], -1)
    both = torch.stack([image, target])[None]
    moved = nnf.grid_sample(both, grid[None].float(), padding_mode="border", align_corners=False)
    return moved[0, 0], moved[0, 1]


def _centres(target: Tensor) -> tuple[Tensor, Tensor]:
    """The cord's centre (y, x) in each slice, that of the nearest slice where there is none."""
    mass = target.clamp(min=0).sum((1, 2))
    present = mass > 2
    if not bool(present.any()):
        return torch.zeros(len(mass), 2), present
    y = (target.clamp(min=0).sum(2) * torch.arange(target.shape[1])).sum(1) / mass.clamp(min=1e-6)
    x = (target.clamp(min=0).sum(1) * torch.arange(target.shape[2])).sum(1) / mass.clamp(min=1e-6)
    known = torch.nonzero(present)[:, 0]
    nearest = (torch.arange(len(mass))[:, None] - known[None]).abs().argmin(1)
    return torch.stack([y, x], 1)[known[nearest]], present


def _mean_inside(image: Tensor, target: Tensor) -> float:
    inside = image[target > 0.7]
    return float(inside.mean()) if len(inside) else float(image.mean())


def _ball(
    shape: torch.Size, centre: list[float], radius: tuple[float, ...] | list[float]
) -> Tensor:
    """1 at the centre, falling off as a Gaussian of these radii."""
    axes = [((torch.arange(n) - c) / r) ** 2 for n, c, r in zip(shape, centre, radius, strict=True)]
    return torch.exp(-(axes[0][:, None, None] + axes[1][None, :, None] + axes[2][None, None, :]))
