"""What a scanner or a user may do to a strip: thick slices, shading, noise, a small view."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["degraded", "narrowed", "thick_slices", "wavy"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def wavy(count: int, width: float, amplitude: float, rng: np.random.Generator) -> Floats:
    """A smooth random curve, shape (count,), that turns about every `width` values; `amplitude` is
    the standard deviation of its turning points.
    """
    knots = max(2, int(count / width) + 3)
    heights = rng.normal(0, amplitude, knots)
    return np.interp(np.linspace(0, knots - 1, count), np.arange(knots), heights)


def degraded(
    image: Floats, rng: np.random.Generator, *, thick: float, thickest: float = 9.0
) -> Floats:
    """The strip (rows, columns) with shading, then thick slices (with the probability `thick`, up
    to `thickest` mm) or blur, then noise.
    """
    from scipy.ndimage import gaussian_filter

    rows, columns = image.shape
    shade = np.exp(wavy(rows, 70, 0.3, rng))[:, None] * np.exp(wavy(columns, 25, 0.3, rng))
    image = image * shade
    if rng.random() < thick:
        image = thick_slices(image, rng.uniform(2, thickest), np.tan(rng.normal(0, 0.3)), rng)
    elif rng.random() < 0.3:
        image = gaussian_filter(image, rng.uniform(0.3, 1.3))
    if rng.random() < 0.7:
        image = image + rng.normal(0, 1, image.shape) * abs(rng.normal(0, 0.05))
    if rng.random() < 0.15:
        grain = gaussian_filter(rng.normal(0, 1, image.shape), (0.5, 2))
        image = image + grain * rng.uniform(0, 0.12)
    return np.asarray(image)


def thick_slices(image: Floats, mm: float, slope: float, rng: np.random.Generator) -> Floats:
    """The strip (rows, columns) averaged over slices of `mm` mm that rise by `slope` rows for each
    column, and interpolated.
    """
    from scipy.ndimage import uniform_filter1d

    rows, columns = image.shape
    row = np.arange(rows, dtype=np.float64)
    at = np.arange(rng.uniform(0, mm), rows - 1e-6, mm)
    if at.size < 2:
        return image
    shift = slope * (np.arange(columns) - columns / 2)
    level = np.stack(
        [np.interp(row + s, row, column) for s, column in zip(shift, image.T, strict=True)], axis=1
    )
    width = max(1, round(mm * float(rng.choice([0.6, 1.0]))))
    level = uniform_filter1d(level, width, axis=0, mode="nearest")
    slices = (np.interp(at, row, column) for column in level.T)
    return np.stack(
        [np.interp(row - s, at, column) for s, column in zip(shift, slices, strict=True)], axis=1
    )


def narrowed(
    inside: Mask, columns: Floats, held: tuple[int, int], rng: np.random.Generator
) -> Mask:
    """A smaller field of view: the mask (rows, columns) cut above and below along slanted lines,
    and in front and behind. `columns` are the positions (mm) of the columns in front of the course.

    `held` are the first and last row of the strip that hold image.
    """
    inside = inside.copy()
    first, length = held[0], held[1] - held[0] + 1
    row = np.arange(inside.shape[0])[:, None]
    if rng.random() < 0.65 and length > 70:
        kept = rng.uniform(36, length)
        start = first + rng.uniform(-0.15, 1.15) * (length - kept)
        low, high = rng.normal(0, 0.3, 2)
        inside &= (row > start + low * columns) & (row < start + kept + high * columns)
    if rng.random() < 0.3:
        inside &= columns[None] < rng.uniform(18, 44)
    if rng.random() < 0.2:
        inside &= columns[None] > rng.uniform(-14, -7)
    return inside
