"""Checks of what a NIfTI file holds: shape, size, extent, volumes and values."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.arrayproxy import is_proxy

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Array, Grid

__all__ = [
    "averaged",
    "check_extent",
    "check_size",
    "check_values",
    "checked_shape",
    "defined",
    "one_volume",
]

LARGEST_VOXELS = 2**31
LONGEST, WIDEST = 3e3, 1e9  # mm, mm³: no scanner sees more, and resampling it would take all memory
_GZIP_MOST = 1032  # deflate cannot shrink by more
_LARGEST_VALUE = 1e30  # intensities become float32, whose end is 3e38


def checked_shape(shape: tuple[int, ...], name: str) -> tuple[int, ...]:
    """The shape without axes of length 1 behind the third; 3 or 4 axes are left.

    Raises
    ------
    ImageError
        It is no image of three or four axes, or it is empty.
    """
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (3, 4):
        raise ImageError(f"{name} has {len(shape)} dimensions {shape}: give a 3D or 4D image.")
    if min(shape) < 1:
        raise ImageError(f"{name} is empty: its shape is {shape}.")
    if sum(n == 1 for n in shape[:3]) > 1:
        raise ImageError(f"{name} of shape {shape} is a line of voxels: give a 3D image.")
    return shape


def check_size(image: Any, shape: tuple[int, ...], name: str) -> None:
    """Compare the size in the header with that of the file, before memory is allocated."""
    if math.prod(shape) > LARGEST_VOXELS:
        raise ImageError(f"{name} of shape {shape} is larger than 2^31 voxels: crop it.")
    path = image.get_filename()
    if path is None or not Path(path).is_file():
        return
    before = max(0, image.dataobj.offset) if is_proxy(image.dataobj) else 0
    needed = before + math.prod(shape) * image.header.get_data_dtype().itemsize
    factor = _GZIP_MOST if str(path).endswith(".gz") else 1
    if needed > Path(path).stat().st_size * factor:
        raise ImageError(
            f"{name} is incomplete: its header promises {needed:.4g} bytes, more than "
            "the file holds. Copy or export it again."
        )


def check_extent(grid: Grid, name: str) -> None:
    """Check that an image is no larger, in mm, than any scanner makes them.

    Raises
    ------
    ImageError
        The voxel sizes in the header are wrong.
    """
    sides = [n * mm for n, mm in zip(grid.shape, grid.spacing, strict=True)]
    if max(sides) > LONGEST or math.prod(sides) > WIDEST:
        found = " x ".join(f"{side / 1000:.3g}" for side in sides)
        raise ImageError(f"{name} covers {found} m: repair the voxel sizes in its header.")


def averaged(data: Array, shape: tuple[int, ...], _: str) -> tuple[Array, int]:
    """The mean of the volumes of `data` (x, y, z) or (x, y, z, t), float32, and their number."""
    if len(shape) == 3:
        return data.reshape(shape), 1
    return data.reshape(shape).mean(axis=3, dtype=np.float64).astype(np.float32), shape[3]


def one_volume(
    data: Array, shape: tuple[int, ...], name: str, chosen: tuple[int | None, str]
) -> Array:
    """One volume of four axes; `chosen` is its number, if it was given, and the flag for it."""
    volume, flag = chosen
    if len(shape) == 3:
        if volume:
            raise ImageError(f"{name} holds one volume: there is no volume {volume}.")
        return data.reshape(shape)
    volumes = data.reshape(shape)
    if volume is None:
        if not (volumes == volumes[..., :1]).all():
            how = f"choose one with {flag}, from 0, or save it" if flag else "save the one meant"
            raise ImageError(
                f"{name} is 4D and its {shape[3]} volumes differ, and their mean is neither a mask "
                f"nor a map of labels: {how} as a 3D file."
            )
        volume = 0
    if not 0 <= volume < shape[3]:
        raise ImageError(f"{name} holds the volumes 0 to {shape[3] - 1}: there is no {volume}.")
    return np.ascontiguousarray(volumes[..., volume])


def defined(data: Array) -> tuple[Array, int]:
    """The data with their lowest finite value in place of NaN, and the number of NaN."""
    if data.dtype.kind != "f":
        return data, 0
    undefined = np.isnan(data)
    count = int(undefined.sum())
    if not count or count == data.size:
        return data, 0
    return np.where(undefined, np.nanmin(data), data).astype(data.dtype), count


def check_values(data: Array, name: str) -> None:
    """Check that all values are finite, differ, and fit into float32.

    Raises
    ------
    ImageError
        They do not.
    """
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        count = int(data.size - np.isfinite(data).sum())
        raise ImageError(f"{name} holds {count} NaN or infinite values: replace them first.")
    low, high = data.min(), data.max()
    if low == high:
        raise ImageError(f"{name} is constant: every voxel is {low}.")
    extreme = max(float(low), float(high), key=abs)
    if abs(extreme) > _LARGEST_VALUE:
        raise ImageError(f"{name} holds a value of {extreme:.3g}: rescale its intensities.")
