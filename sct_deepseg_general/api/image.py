"""A mask or a map of probabilities as an array with its place in space."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Volume

__all__ = ["ResultImage"]


class ResultImage:
    """A mask or a map of probabilities, on the grid of the image that it belongs to.

    `numpy.asarray` gives its voxels and `to_nibabel` a nibabel image; `save` writes a file.

    Examples
    --------
    >>> import numpy as np
    >>> from sct_deepseg_general import segment
    >>> mask = segment("t2.nii.gz").mask
    >>> mask.shape, np.asarray(mask).dtype, mask.to_nibabel().shape == mask.shape
    ((60, 55, 52), dtype('uint8'), True)
    """

    def __init__(self, volume: Volume, kind: str) -> None:
        self._volume = volume
        self._kind = kind

    @property
    def shape(self) -> tuple[int, int, int]:
        """The number of voxels along each axis (x, y, z), as in the image's file."""
        return self._volume.grid.shape

    @property
    def affine(self) -> NDArray[np.float64]:
        """The (4, 4) matrix from voxel indices to mm (RAS+)."""
        return np.array(self._volume.grid.affine)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """The size of a voxel along each axis in mm."""
        return self._volume.grid.spacing

    @property
    def volume(self) -> Volume:
        """The value that the other functions of this package take."""
        return self._volume

    def to_nibabel(self) -> nib.Nifti1Image:
        """A nibabel image with the geometry of the image's header."""
        image = nifti.nibabel_of(self._volume, self._type)
        return nib.Nifti1Image(image.dataobj, image.header.get_best_affine(), image.header)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a NIfTI file (.nii or .nii.gz), which appears whole or not at all.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        nifti.save(self._volume, Path(path), self._type)
        return Path(path)

    @property
    def _type(self) -> type | None:
        return np.uint8 if self._volume.data.dtype in (np.uint8, np.bool_) else None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """The voxels (x, y, z), for numpy."""
        data = self._volume.data
        if dtype is not None and np.dtype(dtype) != data.dtype:
            return np.asarray(data.astype(dtype))
        return np.array(data) if copy else np.asarray(data)

    def __repr__(self) -> str:
        size = " x ".join(map(str, self.shape))
        spacing = " x ".join(f"{mm:.3g}" for mm in self.spacing)
        return f"<{self._kind}, {size} voxels of {spacing} mm>"
