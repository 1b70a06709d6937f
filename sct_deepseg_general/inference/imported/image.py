"""An image as nnU-Net prepares it for a network, and its output back on the image's voxels.

This repeats nnU-Net's `DefaultPreprocessor` and its export of predictions with numpy and scipy
alone: crop to what is not zero, normalise, interpolate to the plan's spacing; then interpolate the
logits back and take the label of each voxel. Arrays are (channels, z, y, x).

Notes
-----
Source: Isensee et al., nnU-Net, Nature Methods 2021, and its code, version 2. Images are
interpolated by splines of order 3 as scikit-image's `resize` does, without smoothing; where the
slices are more than three times as thick as wide, within slices only, and across slices by the
nearest neighbour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.zoo.labels import LabelScheme
from sct_deepseg_general.zoo.record import Normalisation, Preprocessing, Resampling

__all__ = ["NnunetImage", "label_map", "label_probability", "nnunet_image", "resampled"]

_ANISOTROPIC = 3.0
"""Ratio of the voxel's sides above which nnU-Net interpolates slice by slice."""

Float = NDArray[np.float32]
Half = NDArray[np.float16]
Shape = tuple[int, ...]
Spacing = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class NnunetImage:
    """An image ready for the network, and what is needed to come back from it."""

    data: Float
    """(channels, z, y, x) at the network's spacing."""
    spacing: Spacing
    """Voxel size of `data` in mm along z, y, x."""
    window: tuple[slice, slice, slice]
    """What is not zero in the image given, (z, y, x)."""
    whole: Shape
    """Shape (z, y, x) of the image given."""
    original: Spacing
    """Voxel size of the image given, in mm along z, y, x."""

    @property
    def cropped(self) -> Shape:
        """Shape (z, y, x) of the window, on the voxels of the image given."""
        return tuple(one.stop - one.start for one in self.window)


def nnunet_image(
    channels: Sequence[NDArray[Any]],
    spacing: Spacing,
    target: Spacing,
    preprocessing: Preprocessing,
) -> NnunetImage:
    """Prepare an image as nnU-Net does.

    Parameters
    ----------
    channels : sequence of arrays
        The images that the network takes together, each (z, y, x) on the same voxels.
    spacing : tuple of float
        Their voxel size in mm along z, y, x.
    target : tuple of float
        The network's voxel size in mm; of a 2d network, the slices stay as they are.
    preprocessing : Preprocessing
        How to normalise and to interpolate.

    Returns
    -------
    NnunetImage
        The prepared image.
    """
    data = np.stack([np.asarray(one, np.float32) for one in channels])
    if preprocessing.configuration == "2d":
        target = (spacing[0], *target[1:])
    inside = _inside(data)
    window = _window(inside)
    inner = (slice(None), *window)
    data, mask = data[inner].copy(), inside[window]
    for channel, how in zip(data, preprocessing.normalisations, strict=True):
        _normalise(channel, mask, how)
    shape = tuple(round(a / b * n) for a, b, n in zip(spacing, target, data.shape[1:], strict=True))
    fine = np.stack([resampled(one, shape, spacing, target, preprocessing.image) for one in data])
    return NnunetImage(fine, target, window, inside.shape, spacing)


def resampled(
    data: NDArray[Any], shape: Shape, spacing: Spacing, target: Spacing, how: Resampling
) -> Float:
    """Interpolate (z, y, x) at `spacing` mm to `shape` at `target` mm as nnU-Net does."""
    if data.shape == tuple(shape):
        return np.asarray(data, np.float32)
    axis = _separate_axis(spacing, target, how.separate_z)
    values: NDArray[np.float64] = np.asarray(data, np.float64)
    if axis is None:
        return np.asarray(_resized(values, shape, how.order), np.float32)
    within = tuple(n for a, n in enumerate(shape) if a != axis)
    slices = [_resized(one, within, how.order) for one in np.moveaxis(values, axis, 0)]
    stack = np.stack(slices, axis)
    if stack.shape == tuple(shape):
        return np.asarray(stack, np.float32)
    return np.asarray(_across(stack, shape, how.order_z), np.float32)


def label_map(
    logits: Half, image: NnunetImage, how: Resampling, scheme: LabelScheme
) -> NDArray[np.uint8]:
    """The label of each voxel of the image given, from the network's logits.

    Parameters
    ----------
    logits : array
        (label channels, z, y, x) on the network's voxels, float16.
    image : NnunetImage
        The image that they belong to.
    how : Resampling
        How logits are interpolated.
    scheme : LabelScheme
        What the channels are.

    Returns
    -------
    numpy.ndarray
        The values of the labels, uint8 (z, y, x), 0 outside the window.
    """
    back = _channels_back(logits, image, how)
    if scheme.painted is None:
        found = _largest_channel(back)
    else:
        found = np.zeros(image.cropped, np.uint8)
        for value, channel in zip(scheme.painted, back, strict=True):
            found[channel > 0] = value  # its probability is above one half
    whole = np.zeros(image.whole, np.uint8)
    whole[image.window] = found
    return whole


def label_probability(
    logits: Half, image: NnunetImage, how: Resampling, scheme: LabelScheme, name: str
) -> Float:
    """The probability of one label at each voxel of the image given, float32 (z, y, x)."""
    wanted = scheme.channel(name)
    own: Any = 0
    total: Any = None
    for number, half in enumerate(_channels_back(logits, image, how)):
        channel = half.astype(np.float32)
        own = channel if number == wanted else own
        if scheme.painted is None:
            total = channel if total is None else np.logaddexp(total, channel)
    total = np.logaddexp(own, np.float32(0)) if total is None else total
    whole = np.zeros(image.whole, np.float32)
    whole[image.window] = np.exp(own - total)
    return whole


def _channels_back(logits: Half, image: NnunetImage, how: Resampling) -> Iterator[Half]:
    """Each channel on the voxels of the image given, one at a time, float16 as in nnU-Net."""
    for channel in logits:
        back = resampled(channel, image.cropped, image.spacing, image.original, how)
        yield back.astype(np.float16)


def _largest_channel(channels: Iterator[Half]) -> NDArray[np.uint8]:
    """The number of the channel with the largest value; the first of equal ones."""
    best = next(channels)
    found = np.zeros(best.shape, np.uint8)
    for number, channel in enumerate(channels, 1):
        above = channel > best
        found[above] = number
        best = np.where(above, channel, best)
    return found


def _inside(data: Float) -> NDArray[np.bool_]:
    """Where any channel is not zero, with holes filled."""
    from scipy import ndimage  # 0.2 s, not for -h

    return np.asarray(ndimage.binary_fill_holes((data != 0).any(axis=0)))


def _window(inside: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    spans = []
    for axis in range(3):
        there = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
        ends = (int(there[0]), int(there[-1]) + 1) if there.size else (0, inside.shape[axis])
        spans.append(slice(*ends))
    return spans[0], spans[1], spans[2]


def _normalise(channel: Float, mask: NDArray[np.bool_], how: Normalisation) -> None:
    """Bring a channel (z, y, x) to mean 0 and standard deviation 1, in place."""
    if how == "none":
        return
    if how == "zscore":
        channel -= channel.mean()
        channel /= max(channel.std(), 1e-8)
        return
    values = channel[mask]
    channel[mask] = (values - values.mean()) / max(values.std(), 1e-8)


def _separate_axis(spacing: Spacing, target: Spacing, forced: bool | None) -> int | None:
    """The axis across which slices are interpolated on their own, or None."""
    if forced is False:
        return None
    for one in (spacing, target):
        thick = [axis for axis, mm in enumerate(one) if mm == max(one)]
        if forced or max(one) / min(one) > _ANISOTROPIC:
            return thick[0] if len(thick) == 1 else None
    return None


def _resized(data: NDArray[np.float64], shape: Shape, order: int) -> NDArray[np.float64]:
    """scikit-image's `resize` with mode "edge" and without smoothing."""
    from scipy import ndimage

    if data.shape == tuple(shape):
        return data
    factors = [1 / (old / new) for new, old in zip(shape, data.shape, strict=True)]
    out = ndimage.zoom(data, factors, order=order, mode="nearest", grid_mode=True)
    return np.clip(out, data.min(), data.max()) if order > 1 else np.asarray(out)


def _across(stack: NDArray[np.float64], shape: Shape, order: int) -> NDArray[np.float64]:
    """Interpolated along the one axis whose length differs."""
    from scipy import ndimage

    axis = next(a for a in range(3) if stack.shape[a] != shape[a])
    scale = stack.shape[axis] / shape[axis]
    at = scale * (np.arange(shape[axis]) + 0.5) - 0.5
    if order == 0:
        nearest = np.floor(np.clip(at, 0, stack.shape[axis] - 1) + 0.5).astype(np.intp)
        return np.asarray(stack.take(nearest, axis))
    moved = np.moveaxis(stack, axis, 0)
    rest = np.meshgrid(*(np.arange(n) for n in moved.shape[1:]), indexing="ij")
    planes = [
        ndimage.map_coordinates(
            moved, [np.full(rest[0].shape, one), *rest], order=order, mode="nearest"
        )
        for one in at
    ]
    return np.moveaxis(np.stack(planes), 0, axis)
