"""Label maps: integers are read as they are, everything else is refused."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.labels import MOST_LABELS, labels_in, load_labels
from sct_deepseg_general.image.volume import Grid, Volume


def _saved(path: Path, data: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(data, np.eye(4)), path)
    return path


def test_labels_are_rounded_where_a_file_scales_them_and_refused_where_they_are_none(
    tmp_path: Path,
) -> None:
    data = np.zeros((4, 4, 4), np.float32)
    data[1, 1, 1], data[2, 2, 2] = 2.9999, 4.0001
    labels = load_labels(_saved(tmp_path / "scaled.nii.gz", data))
    assert labels.data.dtype == np.int32
    assert sorted(np.unique(labels.data)) == [0, 3, 4]
    for wrong in (2.5, -3.0, np.inf):
        data[2, 2, 2] = wrong
        with pytest.raises(ImageError, match="no label"):
            load_labels(_saved(tmp_path / "wrong.nii.gz", data))


def _volume(values: list[float]) -> Volume:
    data = np.array(values).reshape(-1, 1, 1)
    return Volume(data, Grid((len(values), 1, 1), np.eye(4)))


def test_a_map_of_labels_names_them_and_a_mask_has_none() -> None:
    assert labels_in(_volume([0, 3, 1, 3])) == (1, 3)
    assert labels_in(_volume([0, 1, 1])) == ()
    assert labels_in(_volume([0, 0.25, 1])) == ()
    assert labels_in(_volume([0, np.nan, 2, 5])) == (2, 5)
    assert labels_in(_volume(list(range(MOST_LABELS + 1)))) == tuple(range(1, MOST_LABELS + 1))
    assert labels_in(_volume(list(range(MOST_LABELS + 2)))) == ()
