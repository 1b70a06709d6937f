"""Segment the spinal cord on MR images of any contrast, and measure its area.

Examples
--------
>>> from sct_deepseg_general import load, save, segment
>>> result = segment("t2.nii.gz")
>>> save(result.segmentation, "out.nii.gz")
>>> load("out.nii.gz").grid.matches(result.image.grid)
True
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sct_deepseg_general.errors import DeepsegError

if TYPE_CHECKING:
    from sct_deepseg_general.image.volume import Volume
    from sct_deepseg_general.inference.pipeline import Options, Result
    from sct_deepseg_general.inference.predictor import Predictor

__all__ = ["DeepsegError", "__version__", "load", "save", "segment"]
__version__ = "0.5.0.dev0"


def load(path: str | os.PathLike[str]) -> Volume:
    """Read an image file.

    Parameters
    ----------
    path : str or os.PathLike
        A NIfTI file (.nii or .nii.gz) with three or four axes; a 4D series is averaged.

    Returns
    -------
    Volume
        `data` (x, y, z) in the axis order of the file, and `grid` with its affine in mm (RAS+).

    Raises
    ------
    ImageError
        The file cannot be read, or holds no usable image.

    Examples
    --------
    >>> load("t2.nii.gz").data.ndim
    3
    """
    from pathlib import Path

    from sct_deepseg_general.image import nifti

    return nifti.load(Path(path))


def save(volume: Volume, path: str | os.PathLike[str]) -> None:
    """Write an image, a probability or a segmentation as a NIfTI file.

    Parameters
    ----------
    volume : Volume
        `data` (x, y, z) on its grid; a file gets the geometry of the image it came from.
    path : str or os.PathLike
        The file to write (.nii or .nii.gz). It appears whole or not at all.

    Raises
    ------
    OutputError
        The file cannot be written.

    Examples
    --------
    >>> save(load("t2.nii.gz"), "copy.nii.gz")
    """
    from pathlib import Path

    from sct_deepseg_general.image import nifti

    nifti.save(volume, Path(path))


def segment(
    image: Volume | str | os.PathLike[str] | Any,
    model: str | Predictor | None = None,
    options: Options | None = None,
    affine: Any = None,
) -> Result:
    """Segment the spinal cord in an image.

    Parameters
    ----------
    image : Volume, str, os.PathLike, nibabel image or ndarray
        The image (x, y, z), or the path of its file. An array needs `affine`.
    model : str or Predictor, optional
        A model's name; by default the embedded model. For many images, load a `Predictor` once
        with `inference.predictor.load_predictor`.
    options : Options, optional
        How to segment; by default as the model's record says.
    affine : array_like, optional
        The (4, 4) affine of an array, from voxel indices to mm (RAS+).

    Returns
    -------
    Result
        `probability` (float32, 0 to 1) and `segmentation` (uint8, 0 or 1), on the image's grid.

    Raises
    ------
    ImageError
        The image cannot be used, or it is a mask or another result.
    ModelError
        The model is missing or damaged.

    Examples
    --------
    >>> result = segment("t2.nii.gz")
    >>> result.segmentation.data.shape == result.image.data.shape
    True
    """
    from sct_deepseg_general.inference import pipeline
    from sct_deepseg_general.inference.predictor import Predictor, load_predictor
    from sct_deepseg_general.zoo.zoo import resolve

    predictor = model if isinstance(model, Predictor) else load_predictor(resolve(model))
    return pipeline.segment(_as_volume(image, affine), predictor, options)


def _as_volume(image: Any, affine: Any) -> Volume:
    import nibabel as nib

    from sct_deepseg_general.image import nifti
    from sct_deepseg_general.image.volume import Volume

    if isinstance(image, Volume):
        return image
    if isinstance(image, (str, os.PathLike)):
        _check_no_result(os.fspath(image))
        return load(image)
    if affine is not None:
        image = nib.Nifti1Image(image, affine)
    return nifti.image_of(image)


def _check_no_result(path: str) -> None:
    """Check that a file is not the result of a segmentation.

    Raises
    ------
    ImageError
        Its sidecar, or its name beside an image, says that it is.
    """
    from pathlib import Path

    from sct_deepseg_general.errors import ImageError
    from sct_deepseg_general.job.inputs import result_reason

    if reason := result_reason(Path(path)):
        raise ImageError(f"{path} is not an image to segment: {reason}.")
