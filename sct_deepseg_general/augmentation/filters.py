"""Smoothing and scaling of patches, (z, y, x) tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as nnf

__all__ = ["smooth", "smooth_axis", "smooth_field", "standard"]


def standard(image: Tensor) -> Tensor:
    """Mean 0 and standard deviation 1."""
    return (image - image.mean()) / image.std().clamp(min=1e-6)


def smooth_field(shape: Sequence[int], knots: Sequence[int], rng: np.random.Generator) -> Tensor:
    """A random field (mean 0, standard deviation 1 at the `knots`) drawn out to `shape`."""
    coarse = torch.from_numpy(rng.normal(size=(1, 1, *knots)).astype(np.float32))
    return nnf.interpolate(coarse, tuple(shape), mode="trilinear", align_corners=True)[0, 0]


def smooth(image: Tensor, sigma: float) -> Tensor:
    """Gaussian smoothing along all axes, `sigma` in voxels, the border repeated."""
    for axis in range(3):
        image = smooth_axis(image, sigma, axis)
    return image


def smooth_axis(image: Tensor, sigma: float, axis: int) -> Tensor:
    """Gaussian smoothing along one axis, `sigma` in voxels, the border repeated."""
    if sigma < 0.1:
        return image
    radius = int(np.ceil(2.5 * sigma))
    steps = torch.arange(-radius, radius + 1).float()
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernel = kernel / kernel.sum()
    moved = image.movedim(axis, -1)
    lines = moved.reshape(-1, 1, moved.shape[-1])
    lines = nnf.pad(lines, (radius, radius), mode="replicate")
    lines = nnf.conv1d(lines, kernel[None, None])
    return lines.reshape(moved.shape).movedim(-1, axis)
