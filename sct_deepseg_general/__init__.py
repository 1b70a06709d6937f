"""Spinal cord segmentation and CSA on any MRI contrast.

from sct_deepseg_general import load, segment, save
result = segment("t2.nii.gz")
save(result.segmentation, "t2_seg.nii.gz")
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
    """A NIfTI file as a `Volume` (`data`, x y z; `grid` with its affine in mm)."""
    from pathlib import Path

    from sct_deepseg_general.image import nifti

    return nifti.load(Path(path))


def save(volume: Volume, path: str | os.PathLike[str]) -> None:
    """A volume, probability or segmentation written whole as NIfTI."""
    from pathlib import Path

    from sct_deepseg_general.image import nifti

    nifti.save(volume, Path(path))


def segment(
    image: Volume | str | os.PathLike[str] | Any,
    model: str | Predictor | None = None,
    options: Options | None = None,
    affine: Any = None,
) -> Result:
    """The cord in an image: a `Volume`, a path, a nibabel image, or an array with `affine`.

    `model` is a model's name (left out, the embedded one) or a `Predictor`, which is worth
    keeping for many images.
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
        return load(image)
    if affine is not None:
        image = nib.Nifti1Image(image, affine)
    return nifti.volume_of(image)
