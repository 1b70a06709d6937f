"""What Python programs give: paths, nibabel images and arrays, read as volumes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any, TypeAlias

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from sct_deepseg_general.api.image import ResultImage
from sct_deepseg_general.errors import ArgumentError
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.labels import labels_of, load_labels
from sct_deepseg_general.image.volume import Grid, Volume
from sct_deepseg_general.job.mask_table import chosen_label, read_mask
from sct_deepseg_general.levels.answer import LevelRequest
from sct_deepseg_general.levels.detect import Anchor

__all__ = [
    "Discs",
    "ImageLike",
    "image_argument",
    "is_array",
    "is_file",
    "label_argument",
    "level_map",
    "level_request",
    "mask_argument",
    "named",
    "numbers",
    "points_argument",
]

ImageLike: TypeAlias = (
    str | os.PathLike[str] | nib.spatialimages.SpatialImage | ResultImage | Volume | NDArray[Any]
)
"""The path of a NIfTI file, a nibabel image, a result of this package, or an array with axes
(x, y, z). An array has no place in space: give `affine`, or it is on the grid of the image."""

Discs: TypeAlias = ImageLike | Mapping[int, tuple[int, int, int]]
"""Single voxels with the numbers of the discs (3 is disc C2/C3), or the voxel (x, y, z) of the
image of each disc by its number."""


def is_file(value: object) -> bool:
    """Whether an argument is the path of a file."""
    return isinstance(value, (str, os.PathLike))


def is_array(value: object) -> bool:
    """Whether an argument is an array, which has no place in space of its own."""
    return isinstance(value, np.ndarray)


def named(value: object, argument: str) -> str:
    """How messages call an argument: by its path, or else by its name."""
    return os.fspath(value) if isinstance(value, (str, os.PathLike)) else argument


def image_argument(value: ImageLike, argument: str, affine: ArrayLike | None = None) -> Volume:
    """An image as a volume (x, y, z); a 4D series is averaged.

    Raises
    ------
    ImageError
        The image cannot be used.
    ArgumentError
        The argument is no image, an array without `affine`, or anything else with one.
    """
    _check_affine(value, argument, affine)
    if isinstance(value, (str, os.PathLike)):
        return nifti.load(Path(value))
    if isinstance(value, (ResultImage, Volume)):
        return value.volume if isinstance(value, ResultImage) else value
    return nifti.image_of(_nibabel(value, argument, affine), argument)


def mask_argument(
    value: ImageLike,
    argument: str,
    affine: ArrayLike | None = None,
    label: int | None = None,
    volume: int | None = None,
) -> Volume:
    """A mask or soft mask as a volume (x, y, z); `label` and `volume` choose one of several.

    Raises
    ------
    ImageError, ArgumentError
        As for `image_argument`; or the mask holds several labels or volumes.
    """
    _check_affine(value, argument, affine)
    if isinstance(value, (str, os.PathLike)):
        return read_mask(Path(value), label, volume)
    if isinstance(value, (ResultImage, Volume)):
        read = value.volume if isinstance(value, ResultImage) else value
    else:
        read = nifti.map_of(_nibabel(value, argument, affine), argument, volume)
    return chosen_label(read, argument, label)


def label_argument(value: ImageLike, argument: str, onto: Grid) -> Volume:
    """A map of labels as a volume (x, y, z) of integers; an array is on the grid `onto`.

    Raises
    ------
    ImageError, ArgumentError
        As for `image_argument`; or a value is no label.
    """
    if isinstance(value, (str, os.PathLike)):
        return load_labels(Path(value))
    if isinstance(value, (ResultImage, Volume)):
        return value.volume if isinstance(value, ResultImage) else value
    if isinstance(value, np.ndarray) and value.shape != onto.shape:
        raise ArgumentError(
            f"{argument} has the shape {value.shape} and the image {onto.shape}: give an array on "
            "the grid of the image, or a nibabel image."
        )
    read = nifti.map_of(_nibabel(value, argument, onto.affine), argument)
    return labels_of(read, argument)


def points_argument(value: Discs, argument: str, onto: Grid) -> Volume:
    """Discs as a volume of labelled voxels; voxels in a mapping are those of the grid `onto`.

    Raises
    ------
    ImageError, ArgumentError
        As for `label_argument`; or a voxel lies outside of the image.
    """
    if not isinstance(value, Mapping):
        return label_argument(value, argument, onto)
    if not value:
        raise ArgumentError(f"{argument} holds no disc: give their voxels, or leave it out.")
    data = np.zeros(onto.shape, np.int32)
    for number, voxel in value.items():
        if len(numbers(number, f"the number of a disc in {argument}")) != 1:
            raise ArgumentError(f"{argument} has {number!r} for a number: give one of a disc.")
        place = numbers(voxel, f"{argument}: disc {number}")
        inside = len(place) == 3 and all(0 <= v < n for v, n in zip(place, onto.shape, strict=True))
        if not inside or int(number) < 1:
            raise ArgumentError(
                f"{argument}: disc {number} at voxel {place} is not in the image of "
                f"{onto.shape} voxels."
            )
        data[place] = int(number)
    return Volume(data, onto)


def numbers(value: object, argument: str) -> tuple[int, ...]:
    """Whole numbers that an argument gives as one number or as a sequence; () for None.

    Raises
    ------
    ArgumentError
        The argument is something else.
    """
    if value is None:
        return ()
    several = value if isinstance(value, Iterable) and not isinstance(value, str) else (value,)
    found = tuple(several)
    if not all(isinstance(n, Integral) and not isinstance(n, bool) for n in found):
        raise ArgumentError(f"{argument}={value!r}: give a whole number, or several.")
    return tuple(int(n) for n in found)


def level_request(
    levels: object, discs: object, disc_at: tuple[int, int] | None, *, also: bool = False
) -> LevelRequest | None:
    """How levels are found in the image; None where no argument asks for levels.

    With `also`, another argument asks for them.

    Raises
    ------
    ArgumentError
        Arguments that exclude each other.
    """
    if levels is not None and not isinstance(levels, str) and discs is not None:
        raise ArgumentError("levels and discs both say where the levels are: give one of them.")
    if disc_at is not None and (discs is not None or levels not in (None, "auto")):
        raise ArgumentError("disc_at is for images without discs and without a map of levels.")
    if levels is None and discs is None and disc_at is None and not also:
        return None
    anchor = numbers(disc_at, "disc_at")
    if disc_at is not None and len(anchor) != 2:
        raise ArgumentError(f"disc_at={disc_at!r}: give a slice and the number of its disc.")
    return LevelRequest(Anchor(*anchor) if anchor else None)


def level_map(levels: ImageLike | None, onto: Grid) -> Volume | None:
    """The map of levels that an argument gives; None for "auto" and for no levels.

    Raises
    ------
    ImageError, ArgumentError
        As for `label_argument`.
    """
    if levels is None or (isinstance(levels, str) and levels == "auto"):
        return None
    if isinstance(levels, str) and not levels.endswith((".nii", ".nii.gz")):
        raise ArgumentError(f'levels={levels!r}: give "auto", or a map of levels.')
    return label_argument(levels, "levels", onto)


def _nibabel(value: Any, argument: str, affine: ArrayLike | None) -> Any:
    if isinstance(value, np.ndarray):
        if affine is None:
            raise ArgumentError(
                f"{argument} is an array, which has no place in space: give its affine."
            )
        return nib.Nifti1Image(_storable(value), _matrix(affine))
    if not hasattr(value, "affine") or not hasattr(value, "dataobj"):
        kind = type(value).__name__
        raise ArgumentError(f"{argument} is of the type {kind}: give a path, an image or an array.")
    return value


def _check_affine(value: object, argument: str, affine: ArrayLike | None) -> None:
    """Refuse the place in space of what has one already."""
    if affine is not None and not is_array(value):
        own = "the file" if is_file(value) else "an image"
        raise ArgumentError(f"affine belongs to an array, and {argument} has that of {own}.")


def _matrix(affine: ArrayLike) -> NDArray[np.float64]:
    """An affine as a matrix that places voxels in space."""
    try:
        matrix = np.asarray(affine, np.float64)
    except (TypeError, ValueError):
        matrix = np.zeros(0)
    whole = matrix.shape == (4, 4) and bool(np.isfinite(matrix).all())
    if not whole or np.linalg.det(matrix[:3, :3]) == 0:
        raise ArgumentError(
            "affine does not place voxels in space: give a (4, 4) matrix from voxel indices to mm."
        )
    return matrix


def _storable(array: NDArray[Any]) -> NDArray[Any]:
    """An array in a type that a NIfTI file holds."""
    if array.dtype == bool:
        return array.astype(np.uint8)
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8:
        return array.astype(np.float64)
    return array.astype(np.float32) if array.dtype == np.float16 else array
