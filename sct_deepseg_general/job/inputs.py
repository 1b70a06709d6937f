"""Images that are results already: masks, probability maps and label maps given as images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sct_deepseg_general.bids import is_mask_name
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.job.outputs import PROGRAM, read_sidecar, stem_of

__all__ = ["check_is_image", "result_reason"]

_MASK_TYPES = ("ROI", "Lesion", "Face", "Brain")  # BIDS: the Type of a mask
_MOST_LABELS = 64
_BACKGROUND = 0.9  # share of zeros in a map of few whole numbers, from which it is no image


def result_reason(image: Path) -> str:
    """Why a file is the result of a segmentation rather than an image; "" if nothing says so.

    The voxels are not read: a sidecar that describes a mask decides, or a name such as
    `t2_seg.nii.gz` beside the image `t2.nii.gz`.
    """
    stem = stem_of(image)
    sidecar = read_sidecar(image.with_name(f"{stem}.json"))
    makers = sidecar.get("GeneratedBy")
    listed = makers if isinstance(makers, list) else []
    names = [one.get("Name") for one in listed if isinstance(one, dict)]
    if PROGRAM in names:
        return f"{stem}.json says that it was made by {PROGRAM}"
    if sidecar.get("Type") in _MASK_TYPES:
        return f"{stem}.json describes a mask"
    source = _source(image, stem)
    return f"it is named as a mask of {source.name}" if source else ""


def check_is_image(image: Volume, name: str) -> None:
    """Check that a volume is an image and not a mask or a map of labels.

    Parameters
    ----------
    image
        The volume, with axes (x, y, z).
    name
        The path, for the message.

    Raises
    ------
    ImageError
        The volume has two values of which one is 0, or few whole numbers and almost only zeros.
    """
    data = image.data
    zeros = 1 - np.count_nonzero(data) / data.size
    if not zeros:
        return
    values = _few_values(data)
    if len(values) == 2:
        raise ImageError(f"{name} is a mask (its only values are {_text(values)}): give an image.")
    if 2 < len(values) <= _MOST_LABELS and zeros >= _BACKGROUND and _are_labels(values):
        raise ImageError(
            f"{name} is a map of labels (only {len(values)} values: {_text(values[:4])} ...): "
            "give an image."
        )


def _few_values(data: Any) -> list[float]:
    """The values of an array if they are few, else an empty list."""
    some = np.unique(data.ravel()[:: max(1, data.size // 4096)])
    if len(some) > _MOST_LABELS:
        return []  # without sorting all voxels
    values = np.unique(data)
    return [float(one) for one in values] if len(values) <= _MOST_LABELS else []


def _are_labels(values: list[float]) -> bool:
    return min(values) >= 0 and all(value == int(value) for value in values)


def _text(values: list[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _source(image: Path, stem: str) -> Path | None:
    """The image that a mask is named after, if it lies beside the mask."""
    while is_mask_name(stem):
        stem = stem.rpartition("_")[0]
        for ending in (".nii.gz", ".nii"):
            source = image.with_name(f"{stem}{ending}")
            if source.is_file() or source.is_symlink():
                return source
    return None
