"""Whether the header of a NIfTI file says one thing about where its voxels lie, and how large they
are.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import to_sct_letters

__all__ = ["COARSEST", "FARTHEST", "MILLIMETRES", "checked_affine"]

MILLIMETRES = (0.02, 200.0)
COARSEST = 20.0  # mm of the second longest side of a voxel: a cord is half as wide
FARTHEST = 1e6  # mm from the scanner's centre to the first voxel
SKEWED = 0.995
"""Volume of a voxel over the product of its sides; below, the axes are not perpendicular (an
angle of 84 degrees between two of them) and areas would be wrong by half a percent or more."""
UNEQUAL = 0.01
"""Relative difference of two statements of a voxel's size; an area would be wrong by 2 %."""

Affine = NDArray[np.float64]


def checked_affine(image: Any, name: str) -> Affine:
    """The affine (4, 4) of a nibabel image, from voxels to mm (RAS), if the header is consistent.

    Raises
    ------
    ImageError
        The affine is not finite, has voxels or an origin that no scanner makes, or axes that are
        not perpendicular; the voxel sizes (pixdim) that it is made of are 0, or differ from it;
        or sform and qform give different orientations.
    """
    affine = image.affine
    if affine is None or not np.isfinite(affine).all():
        raise ImageError(f"{name} has an affine with NaN or infinite values: repair its header.")
    with np.errstate(over="ignore"):
        sizes = voxel_sizes(affine)
    if sizes.min() < MILLIMETRES[0] or sizes.max() > MILLIMETRES[1]:
        raise ImageError(f"{name} has voxels of {_by(sizes)} mm: repair its header.")
    if np.sort(sizes)[1] > COARSEST:
        raise ImageError(f"{name} has voxels of {_by(sizes)} mm: too coarse to show a cord.")
    _check_axes(affine[:3, :3] / sizes, name)
    if np.abs(affine[:3, 3]).max() > FARTHEST:
        raise ImageError(f"{name} lies more than a kilometre from its origin: repair its header.")
    _check_sizes(image, sizes, name)
    _check_forms(image.header, name)
    return np.asarray(affine, np.float64)


def _check_axes(directions: Affine, name: str) -> None:
    volume = abs(float(np.linalg.det(directions)))
    if volume < 0.1:
        raise ImageError(f"{name} has a singular affine (parallel axes): repair its header.")
    if volume < SKEWED:
        cosines = np.abs(directions.T @ directions - np.eye(3))
        angle = np.degrees(np.arccos(min(1.0, float(cosines.max()))))
        raise ImageError(
            f"{name} has axes at {angle:.0f} degrees to each other (sheared): areas would be "
            "wrong. Resample it onto a grid with perpendicular axes."
        )


def _check_sizes(image: Any, sizes: NDArray[np.float64], name: str) -> None:
    """The voxel sizes of the header (pixdim) must be those of the affine."""
    told = _pixdim(image)
    if told is None:
        return
    if not (told > 0).all():
        raise ImageError(
            f"{name} has the voxel sizes {_by(told)} mm (pixdim) in its header: repair them."
        )
    if (np.abs(told - sizes) > UNEQUAL * sizes).any():
        raise ImageError(
            f"{name} has voxels of {_by(sizes)} mm by its sform and of {_by(told)} mm by its "
            "pixdim, and areas depend on which is right: repair its header."
        )


def _check_forms(header: Any, name: str) -> None:
    """Where both are given, sform and qform must give one orientation, but for left and right.

    A wrong sign of the qform's handedness (qfac) is common, and changes no area.
    """
    if not (int(header["sform_code"]) and int(header["qform_code"])):
        return
    sform, qform = header.get_sform(), header.get_qform()
    codes = [nib.aff2axcodes(form) for form in (sform, qform) if np.isfinite(form).all()]
    if len(codes) != 2 or None in (*codes[0], *codes[1]):
        return
    alike = [tuple("L" if code == "R" else code for code in one) for one in codes]
    if alike[0] != alike[1]:
        first, second = map(to_sct_letters, codes)
        raise ImageError(
            f"{name} has the orientation {first} by its sform and {second} by its qform: repair "
            "its header."
        )


def _pixdim(image: Any) -> NDArray[np.float64] | None:
    """The voxel sizes as the file states them; nibabel replaces those that are 0 by 1."""
    header, path = image.header, image.get_filename()
    if path is not None and Path(path).is_file():
        kind = type(header)
        opened = gzip.open if str(path).endswith(".gz") else open
        try:
            with opened(path, "rb") as stream:
                header = kind(stream.read(kind.template_dtype.itemsize), check=False)
        except (OSError, EOFError, ValueError, nib.spatialimages.HeaderDataError):
            return None  # reading the voxels says what is wrong
    told = np.asarray(header["pixdim"][1:4], np.float64)
    return np.abs(told) if np.isfinite(told).all() else None


def _by(sizes: NDArray[np.float64]) -> str:
    return " x ".join(f"{size:.4g}" for size in sizes)
