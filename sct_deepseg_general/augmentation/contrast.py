"""Contrast randomisation: what an image of the same anatomy could have looked like.

Each function takes a patch `image` (z, y, x, float32 tensor, intensities about z-scored) and a
numpy random generator, and returns a new image of the same shape; those that need it take
the cord fraction `target` in [0, 1] too. `ContrastMix` says how often each is used; it is data of
the training recipe. `randomised` applies them in the order in which a scanner would.

Source of the global intensity non-linear augmentation: Ouyang et al., IEEE TMI 2022
(arXiv 2111.12525). Images made of labels are in `synthesis`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as nnf

from sct_deepseg_general.augmentation.filters import smooth_axis, smooth_field, standard
from sct_deepseg_general.augmentation.hard_cases import (
    blank_slices,
    faded,
    lesions,
    metal_void,
    reshaped,
)
from sct_deepseg_general.augmentation.sampling import Patch
from sct_deepseg_general.augmentation.synthesis import TissueMix, synthetic

__all__ = [
    "NEAR",
    "OUTSIDE",
    "ContrastMix",
    "add_noise",
    "bias_field",
    "blurred",
    "cut_field_of_view",
    "distorted",
    "ghosted",
    "intensity_network",
    "known",
    "low_resolution",
    "normalised",
    "randomised",
    "remapped",
    "signal_loss",
]


OUTSIDE = -1.0
"""The target where a patch has no voxels: left out of the loss."""
NEAR = 3
"""Voxels beyond the field of view into which a cord at its border may go on."""


@dataclass(frozen=True)
class ContrastMix:
    """How often (probability per patch) each change is made."""

    synthetic: float = 0.3
    network: float = 0.3
    remap: float = 0.3
    invert: float = 0.25
    bias: float = 0.4
    noise: float = 0.5
    resolution: float = 0.5
    blur: float = 0.2
    ghost: float = 0.08
    distortion: float = 0.1
    signal_loss: float = 0.08
    field_of_view: float = 0.3
    eccentric: float = 0.0
    isointense: float = 0.0
    beyond_least: float = 0.0
    beyond_most: float = 0.6
    reshaped: float = 0.0
    lesion: float = 0.0
    faded: float = 0.0
    metal: float = 0.0
    blank: float = 0.0
    thickest: float = 17.0

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ContrastMix:
        """The mix with the probabilities that `values` names; other names in it are left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{key: float(value) for key, value in values.items() if key in known})

    @property
    def tissue(self) -> TissueMix:
        """How cord and fluid are drawn in images made from labels."""
        return TissueMix(self.eccentric, self.isointense, self.beyond_least, self.beyond_most)


def randomised(
    patch: Patch,
    spacing: Sequence[float],
    mix: ContrastMix,
    rng: np.random.Generator,
    empty: bool = False,
) -> tuple[Tensor, Tensor]:
    """Change the contrast of a patch at random.

    Parameters
    ----------
    patch : Patch
        Image, target and field of view, each of shape (z, y, x).
    spacing : sequence of float
        The voxel size in mm, (z, y, x).
    mix : ContrastMix
        The probability, 0 to 1, of each kind of change.
    rng : numpy.random.Generator
        Where the random numbers come from.
    empty : bool
        Whether there is no cord outside the field of view, as for the locator.

    Returns
    -------
    tuple of Tensor
        The image, with mean 0 and standard deviation 1 inside the field of view and 0 outside,
        and the target (see `known`), each of shape (z, y, x).
    """
    image, target = _drawn(patch, mix, rng)
    inside = patch.inside
    if rng.random() < mix.lesion:
        image, target = lesions(image, target, rng)
    if rng.random() < mix.faded:
        image, target = faded(image, target, rng)
    if rng.random() < mix.distortion:
        image, target = distorted(image, target, rng)
    image = _degraded(image, spacing, mix, rng)
    if rng.random() < mix.metal:
        image, target = metal_void(image, target, rng)
    if rng.random() < mix.blank:
        image, target = blank_slices(image, target, rng)
    if rng.random() < mix.field_of_view:
        inside = inside * cut_field_of_view(image.shape, spacing, rng)
    return normalised(image, inside, rng), known(target, inside, empty)


def _drawn(patch: Patch, mix: ContrastMix, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """The patch in another shape and other intensities."""
    image, target = patch.image, patch.target
    if rng.random() < mix.reshaped:
        image, target = reshaped(image, target, rng)
    if patch.surroundings is not None:
        canal = torch.maximum(patch.image, target)
        return synthetic(patch.surroundings, target, rng, canal, mix.tissue), target
    if rng.random() < mix.synthetic:
        return synthetic(image, target, rng, tissue=mix.tissue), target
    return _recoloured(image, mix, rng), target


def known(target: Tensor, inside: Tensor, empty: bool = False) -> Tensor:
    """The target inside the field of view, `OUTSIDE` elsewhere.

    Nobody knows what is out there, and a network asked for nothing there would fade towards
    every border. But where nothing is ever asked for, anything may be found: with `empty` only
    what is within `NEAR` voxels of cord is left out, and the rest of the outside holds none.
    """
    beyond = torch.full_like(target, OUTSIDE)
    if empty:
        cord = (target > 0).float()[None, None]
        near = nnf.max_pool3d(cord, 2 * NEAR + 1, stride=1, padding=NEAR)[0, 0]
        beyond = torch.where(near > 0, beyond, torch.zeros_like(target))
    return torch.where(inside > 0, target, beyond)


def _recoloured(image: Tensor, mix: ContrastMix, rng: np.random.Generator) -> Tensor:
    if rng.random() < mix.network:
        image = intensity_network(image, rng)
    if rng.random() < mix.remap:
        image = remapped(image, rng)
    if rng.random() < mix.invert:
        image = -image
    return image


def _degraded(
    image: Tensor, spacing: Sequence[float], mix: ContrastMix, rng: np.random.Generator
) -> Tensor:
    if rng.random() < mix.bias:
        image = bias_field(image, rng)
    if rng.random() < mix.signal_loss:
        image = signal_loss(image, rng)
    if rng.random() < mix.blur:
        image = blurred(image, spacing, rng)
    if rng.random() < mix.resolution:
        image = low_resolution(image, spacing, mix.thickest, rng)
    if rng.random() < mix.ghost:
        image = ghosted(image, rng)
    if rng.random() < mix.noise:
        image = add_noise(image, rng)
    return image


def intensity_network(image: Tensor, rng: np.random.Generator) -> Tensor:
    """A shallow random convolution network, blended with the image, at the image's norm."""
    out = image[None, None]
    for layer in range(3):
        into, size = (1 if layer == 2 else 2), int(rng.choice((1, 3)))
        weight = torch.from_numpy(rng.normal(size=(into, out.shape[1], size, size, size)))
        shift = torch.from_numpy(rng.normal(size=into) * 0.5).float()
        out = nnf.conv3d(out, weight.float() / size, shift, padding=size // 2)
        out = nnf.leaky_relu(out, 0.2) if layer < 2 else out
    blend = float(rng.uniform(0.2, 1.0))
    mixed = blend * standard(out[0, 0]) + (1 - blend) * standard(image)
    return mixed * image.std() + image.mean()


def remapped(image: Tensor, rng: np.random.Generator) -> Tensor:
    """A random monotone-or-not piecewise linear map of the intensities (six knots)."""
    low, high = (float(torch.quantile(image[::2, ::2, ::2], q)) for q in (0.01, 0.99))
    knots = np.linspace(0, 1, 6)
    values = knots + rng.normal(scale=rng.uniform(0.05, 0.3), size=6)
    if rng.random() < 0.7:
        values = np.sort(values)
    position = ((image - low) / (high - low + 1e-6)).clamp(0, 1) * 5
    index = position.floor().clamp(max=4).long()
    table = torch.from_numpy(values).float()
    fraction = position - index
    return standard(table[index] * (1 - fraction) + table[index + 1] * fraction)


def bias_field(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Multiplied by a smooth field between about 0.5 and 2, from the image's low end."""
    field = smooth_field(image.shape, (3, 3, 3), rng) * float(rng.uniform(0.1, 0.5))
    low = image.min()
    return (image - low) * torch.exp(field) + low


def add_noise(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Gaussian or Rician noise of 2 to 35 % of the image's standard deviation."""
    level = float(np.exp(rng.uniform(np.log(0.02), np.log(0.35)))) * float(image.std())
    real = torch.from_numpy(rng.normal(size=tuple(image.shape)).astype(np.float32)) * level
    if rng.random() < 0.5:
        return image + real
    imaginary = torch.from_numpy(rng.normal(size=tuple(image.shape)).astype(np.float32)) * level
    low = image.min()
    return torch.sqrt((image - low + real) ** 2 + imaginary**2) + low


def blurred(image: Tensor, spacing: Sequence[float], rng: np.random.Generator) -> Tensor:
    """Gaussian blur of up to 1 mm (standard deviation) per axis."""
    for axis in range(3):
        image = smooth_axis(image, float(rng.uniform(0, 1.0)) / spacing[axis], axis)
    return image


def low_resolution(
    image: Tensor, spacing: Sequence[float], thickest: float, rng: np.random.Generator
) -> Tensor:
    """Averaged into thicker voxels and interpolated back: slices up to `thickest` mm along
    one axis (mostly z), or up to 2 mm in-plane.
    """
    factors = np.ones(3)
    if rng.random() < 0.75:
        thick = np.exp(rng.uniform(np.log(2.0), np.log(thickest)))
        factors[0 if rng.random() < 0.8 else rng.integers(1, 3)] = thick
    if rng.random() < 0.4:
        factors[1:] = np.maximum(factors[1:], rng.uniform(1.0, 2.0))
    factors = np.maximum(factors / np.array(spacing), 1.0)
    coarse = [max(2, round(n / f)) for n, f in zip(image.shape, factors, strict=True)]
    if tuple(coarse) == tuple(image.shape):
        return image
    small = nnf.adaptive_avg_pool3d(image[None, None], coarse)
    return nnf.interpolate(small, tuple(image.shape), mode="trilinear", align_corners=False)[0, 0]


def ghosted(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Two to four shifted copies along one axis, 5 to 30 % as strong: periodic motion."""
    axis, count = int(rng.integers(0, 3)), int(rng.integers(2, 5))
    strength = float(rng.uniform(0.05, 0.3))
    step = max(1, image.shape[axis] // count)
    ghosts = sum(torch.roll(image, step * k, axis) for k in range(1, count))
    return image + strength * torch.as_tensor(ghosts) / (count - 1)


def distorted(image: Tensor, target: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Image and target displaced by up to 4 voxels along y, as echo-planar images are."""
    shift = smooth_field(image.shape, (4, 3, 3), rng) * float(rng.uniform(1, 4))
    axes = [torch.linspace(-1 + 1 / n, 1 - 1 / n, n) for n in image.shape]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    grid = torch.stack([x, y + shift * 2 / image.shape[1], z], -1)[None]
    both = torch.stack([image, target])[None]
    moved = nnf.grid_sample(both, grid, padding_mode="border", align_corners=False)[0]
    return moved[0], moved[1]


def signal_loss(image: Tensor, rng: np.random.Generator) -> Tensor:
    """One to three smooth dark blobs, as near air or metal."""
    low = float(image.min())
    for _ in range(int(rng.integers(1, 4))):
        centre = [float(rng.uniform(0, n)) for n in image.shape]
        radius = [float(rng.uniform(0.06, 0.25)) * n for n in image.shape]
        axes = [
            ((torch.arange(n) - c) / r) ** 2
            for n, c, r in zip(image.shape, centre, radius, strict=True)
        ]
        distance = axes[0][:, None, None] + axes[1][None, :, None] + axes[2][None, None, :]
        image = low + (image - low) * (1 - float(rng.uniform(0.4, 0.95)) * torch.exp(-distance))
    return image


def cut_field_of_view(
    shape: Sequence[int], spacing: Sequence[float], rng: np.random.Generator
) -> Tensor:
    """1 inside a random box, 0 outside: fields of view down to 20 mm, the cord cut anywhere."""
    mask = torch.zeros(tuple(shape))
    box = []
    for n, mm in zip(shape, spacing, strict=True):
        smallest = min(n, max(6, int(20 / mm)))
        size = int(rng.integers(smallest, n + 1)) if rng.random() < 0.6 else n
        start = int(rng.integers(0, n - size + 1))
        box.append(slice(start, start + size))
    mask[tuple(box)] = 1
    return mask


def normalised(image: Tensor, inside: Tensor, rng: np.random.Generator | None) -> Tensor:
    """Z-scored over the voxels inside the field of view, 0 outside.

    With `rng`, a small random gain and offset: at run time mean and deviation come from a
    crop, not from the patch.
    """
    values = image[inside > 0] if bool((inside > 0).any()) else image.flatten()
    scored = (image - values.mean()) / values.std(correction=0).clamp(min=1e-6)
    if rng is not None:
        scored = scored * float(rng.uniform(0.75, 1.33)) + float(rng.normal() * 0.2)
    return scored * inside
