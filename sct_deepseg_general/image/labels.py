"""Label maps and labelled points: the integers that a volume holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.nifti import load_map
from sct_deepseg_general.image.volume import Volume

__all__ = ["labels_in", "labels_of", "load_labels"]

MOST_LABELS = 64
_ROUNDING = 0.01  # how far a label may be from an integer, where a file scales its values


def load_labels(path: Path) -> Volume:
    """A map of labels or of labelled points (x, y, z), int32; 0 and NaN are no label.

    Values are rounded here and nowhere else: a file that stores scaled integers may give 2.9999.

    Raises
    ------
    ImageError
        As `load_map`; or a value is negative or farther than 0.01 from an integer.
    """
    return labels_of(load_map(path, choose=""), str(path))


def labels_of(read: Volume, name: str) -> Volume:
    """The values of a map (x, y, z) as labels, int32; `name` is for messages.

    Raises
    ------
    ImageError
        As `load_labels`.
    """
    data = np.nan_to_num(read.data.astype(np.float64), posinf=-1, neginf=-1)
    labels = np.rint(data)
    wrong = (np.abs(data - labels) > _ROUNDING) | (labels < 0) | (labels > np.iinfo(np.int32).max)
    if wrong.any():
        value = read.data[wrong].flat[0]
        raise ImageError(
            f"{name} holds the value {value:.6g}, which is no label: labels are integers from 1 on."
        )
    return replace(read, data=labels.astype(np.int32))


def labels_in(volume: Volume) -> tuple[int, ...]:
    """The labels of a map (x, y, z) with two or more of them; () for a mask and for a soft mask.

    Values are labels if all are integers, up to `MOST_LABELS` different ones.
    """
    values = np.unique(volume.data[np.isfinite(volume.data) & (volume.data != 0)])
    integers = (np.abs(values - np.rint(values)) <= _ROUNDING).all()
    if not integers or not 2 <= values.size <= MOST_LABELS:
        return ()
    return tuple(int(value) for value in np.rint(values))
