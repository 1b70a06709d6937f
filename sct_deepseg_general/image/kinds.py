"""Images, masks, probability maps and maps of labels are told apart by their values."""

from __future__ import annotations

from typing import Any

import numpy as np

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import NEAR_ZERO, Array, Segmentation, Volume

__all__ = [
    "binary_mask",
    "check_background",
    "check_is_image",
    "check_is_mask",
    "check_is_probability",
    "few_values",
]

MOST_VALUES = 64
"""A map of labels has no more values."""
BACKGROUND = 0.9
"""Share of zeros from which a map of few whole numbers, or of probabilities, is no image."""
SOFT_BACKGROUND = 0.5
"""Share of zeros in a soft mask; an image has fewer."""
CERTAIN = 0.1
"""Share of the voxels that are not background in which a probability is nearly 1. The brightest
voxels of an image are single ones."""
_SOFT_MAXIMA = (1.0, 100.0, 255.0)  # of fractions, percentages and 8-bit maps
_OVERSHOOT = 0.1  # how far an interpolated probability may leave 0 to 1


def check_is_image(image: Volume, name: str) -> None:
    """Check that a volume is an image, and not a mask, a probability map or a map of labels.

    Parameters
    ----------
    image
        The volume, with axes (x, y, z).
    name
        The path, for the message.

    Raises
    ------
    ImageError
        The volume has two values of which one is 0; few whole numbers and almost only zeros; or
        almost only zeros and, elsewhere, many values near 1 (or 100 %, or 255).
    """
    data = image.data
    zeros = 1 - np.count_nonzero(data) / data.size
    values = few_values(data) if zeros else ()
    if len(values) == 2:
        raise ImageError(f"{name} is a mask (its only values are {_text(values)}): give an image.")
    if len(values) > 2 and zeros >= BACKGROUND and _are_labels(values):
        raise ImageError(
            f"{name} is a map of labels (only {len(values)} values: {_text(values[:4])} ...): "
            "give an image."
        )
    if _is_probability(data):
        raise ImageError(
            f"{name} is a probability map or soft mask (values from 0 to {data.max():g}, most of "
            "them near one of the two): give an image."
        )


def check_is_mask(mask: Volume, name: str) -> None:
    """Check that a volume may be a mask or soft mask (x, y, z), and not an image.

    Two values are a mask whatever they are; a map of labels is left to `labels.labels_in`.

    Raises
    ------
    ImageError
        The volume holds infinite or negative values, or, with many values above 1, few zeros.
    """
    data = mask.data
    if data.dtype.kind == "f" and np.isinf(data).any():
        raise ImageError(f"{name} holds infinite values: save the mask again without them.")
    low, high = float(np.nanmin(data)), float(np.nanmax(data))
    if low < -_OVERSHOOT * max(high, 1.0) and len(few_values(data)) != 2:
        raise ImageError(f"{name} holds negative values ({low:.3g}), and is no mask: {_MASKS}.")
    if low < 0 and high <= 0:
        raise ImageError(f"{name} holds no value above 0 but {low:.3g}, and is no mask: {_MASKS}.")
    zeros = float((data <= NEAR_ZERO).mean())
    if high > 1 + _OVERSHOOT and zeros < SOFT_BACKGROUND and not few_values(data):
        raise ImageError(
            f"{name} is an image, not a mask (values from {low:.4g} to {high:.4g}, {zeros:.0%} of "
            f"them 0): {_MASKS}."
        )


def check_background(mask: Volume, name: str) -> None:
    """Check that a mask (x, y, z) that is measured by its values is 0 outside of the cord.

    Where no voxel is 0, all of a slice would count as cord, for the centreline and its angles.

    Raises
    ------
    ImageError
        The lowest of several values is above 0.
    """
    low, high = float(np.nanmin(mask.data)), float(np.nanmax(mask.data))
    if NEAR_ZERO < low < high:
        raise ImageError(
            f"{name} is 0 in no voxel (values from {low:.3g} to {high:.3g}), and outside of the "
            "cord a mask is 0: set its background to 0."
        )


_MASKS = "a mask holds 0 and one other value, or a probability from 0 to 1"


def check_is_probability(probability: Volume, name: str) -> None:
    """Check that a volume (x, y, z) holds probabilities from 0 to 1.

    Raises
    ------
    ImageError
        A value is infinite, or lies farther outside of 0 to 1 than interpolation explains.
    """
    low, high = float(np.nanmin(probability.data)), float(np.nanmax(probability.data))
    if not -_OVERSHOOT <= low <= high <= 1 + _OVERSHOOT:
        scaled = f" (divide it by {high:g})" if low >= 0 and high in _SOFT_MAXIMA else ""
        raise ImageError(
            f"{name} holds values from {low:.4g} to {high:.4g}: a probability map goes from 0 to "
            f"1{scaled}."
        )


def binary_mask(mask: Volume, name: str, threshold: float = 0.5) -> Segmentation:
    """A mask as 0/1 (x, y, z): of two values the higher is cord, of more what is above `threshold`
    (0 to 1).

    NaN is background.

    Raises
    ------
    ImageError
        As `check_is_mask`; or the values of a soft mask go beyond 1, so that the threshold would
        not mean a half.
    """
    check_is_mask(mask, name)
    values = few_values(mask.data)
    high = float(np.nanmax(mask.data))
    if high > 1 + _OVERSHOOT and len(values) > 2 and _are_labels(values):
        raise ImageError(f"{name} is a map of labels ({_text(values[:4])} ...), not a mask.")
    if high > 1 + _OVERSHOOT and len(values) not in (1, 2):
        raise ImageError(
            f"{name} holds values from 0 to {high:g}: a soft mask goes from 0 to 1. Divide it by "
            f"{high:g}."
        )
    if len(values) == 2:
        threshold = sum(values) / 2
    data = (np.nan_to_num(mask.data) > threshold).astype(np.uint8)
    return Segmentation(data, mask.grid, mask.header)


def few_values(data: Array) -> tuple[float, ...]:
    """The values of an array of any shape in ascending order, in its own unit (intensities or label
    numbers), if they are few; else an empty tuple. NaN is left out.
    """
    some = np.unique(data.ravel()[:: max(1, data.size // 4096)])
    if len(some) > MOST_VALUES:
        return ()  # without sorting all voxels
    values = np.unique(data)
    values = values[~np.isnan(values)] if data.dtype.kind == "f" else values
    return tuple(float(one) for one in values) if len(values) <= MOST_VALUES else ()


def _is_probability(data: Array) -> bool:
    """Whether values go from 0 to 1, 100 or 255, and nearly all are near one of these ends."""
    high = float(data.max())
    if data.min() < 0 or not any(abs(high - one) <= 0.02 * one for one in _SOFT_MAXIMA):
        return False
    held = data > 0.01 * high
    count = int(held.sum())
    if not 0 < count <= (1 - BACKGROUND) * data.size or len(few_values(data)) == 2:
        return False
    return bool((data[held] > 0.9 * high).mean() >= CERTAIN)


def _are_labels(values: tuple[float, ...]) -> bool:
    return min(values) >= 0 and all(value == int(value) for value in values)


def _text(values: Any) -> str:
    return ", ".join(f"{value:g}" for value in values)
