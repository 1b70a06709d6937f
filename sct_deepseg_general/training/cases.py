"""Training cases from an nnU-Net raw dataset, prepared exactly as images are at run time.

The label is interpolated with its image and kept as the fraction of each voxel that is cord,
so that the network learns partial volume. Prepared cases are kept as `.npy` pairs and made
again only when their image, label or preparation changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.augmentation.sampling import TrainingCase
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.files import sha256, write_whole
from sct_deepseg_general.image.nifti import load, load_probability
from sct_deepseg_general.image.volume import Box, Probability, Volume
from sct_deepseg_general.inference.preprocess import cut_out, margin_box, prepared

__all__ = ["Preparation", "array_of", "prepared_cases", "soft_array"]

_MOST_CENTRES = 20000


@dataclass(frozen=True)
class Preparation:
    """How cases are prepared; spacing in mm along x, y, z of the dataset's orientation."""

    spacing: tuple[float, float, float]
    margin: float = 40.0
    """Millimetres kept around the label, in-plane and along the cord."""
    whole: tuple[str, ...] = ()
    """Datasets whose slices beyond the label hold no cord; elsewhere they are left out."""
    averaging: bool = False
    """Smaller voxels are averaged over the working voxel (`prepare.averaged`)."""


def prepared_cases(
    raw: Path,
    names: Iterable[str],
    preparation: Preparation,
    cache: Path,
    trust: Mapping[str, float],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[TrainingCase]:
    """Prepare the named cases of an nnU-Net raw dataset, or read them from the cache.

    Parameters
    ----------
    raw : Path
        nnU-Net's raw dataset, with `imagesTr`, `labelsTr` and perhaps `softlabelsTr`.
    names : iterable of str
        The cases, as nnU-Net names them.
    preparation : Preparation
        Working spacing in mm, margin in mm, averaging.
    cache : Path
        Folder in which prepared cases are stored as `.npy`; it is made if need be.
    trust : mapping of str to float
        Weight of each dataset in sampling; 1 where it is not named.
    progress : callable
        Called after each case with the number of cases done and their total.

    Returns
    -------
    list of TrainingCase
        Image and cord fraction of each case as float32 arrays (z, y, x).

    Raises
    ------
    DatasetError
        An image and its label do not share a grid.
    """
    cache.mkdir(parents=True, exist_ok=True)
    listed, cases = list(names), []
    for name in listed:
        cases.append(_case(raw, name, preparation, cache, trust))
        progress(len(cases), len(listed))
    return cases


def _case(
    raw: Path, name: str, preparation: Preparation, cache: Path, trust: Mapping[str, float]
) -> TrainingCase:
    image = raw / "imagesTr" / f"{name}_0000.nii.gz"
    soft, hard = (raw / folder / f"{name}.nii.gz" for folder in ("softlabelsTr", "labelsTr"))
    label = soft if soft.exists() else hard
    stamp = json.dumps([sha256(image), sha256(label), asdict(preparation)], sort_keys=True)
    stack = _cached(cache / name, stamp)
    if stack is None:
        stack = _stack(image, label, preparation, name.split("_", maxsplit=1)[0])
        _store(cache / name, stamp, stack)
    centres = np.argwhere(stack[1] > 0.5).astype(np.int32)
    dataset = name.split("_", maxsplit=1)[0]
    step = max(1, len(centres) // _MOST_CENTRES)
    return TrainingCase(name, dataset, stack[0], stack[1], centres[::step], trust.get(dataset, 1.0))


def _stack(image: Path, label: Path, preparation: Preparation, dataset: str) -> NDArray[np.float32]:
    volume, target = load(image), load_probability(label)
    if not volume.grid.matches(target.grid):
        raise DatasetError(f"{label} is not on the grid of {image}: make the dataset again.")
    box = margin_box(target.data > 0.5, volume.grid.spacing, preparation.margin)
    if dataset not in preparation.whole:
        box = _labelled_slices(target, box)
    close = prepared(volume, box, preparation.spacing, averaging=preparation.averaging)
    return np.stack([array_of(close), soft_array(target, box, preparation)])


def soft_array(target: Probability, box: Box, preparation: Preparation) -> NDArray[np.float32]:
    """The fraction of each working voxel, (z, y, x), that a mask or soft label fills."""
    crop = cut_out(target, box, preparation.spacing, averaging=preparation.averaging)
    return array_of(crop.resampled(preparation.spacing, order=1))


def _labelled_slices(target: Probability, box: Box) -> Box:
    index = np.flatnonzero((target.data > 0.5).any((0, 1)))
    low, high = int(index[0]), int(index[-1]) + 1
    return Box((*box.start[:2], low), (*box.stop[:2], high))


def array_of(volume: Volume) -> NDArray[np.float32]:
    """A volume's data as training has it: (z, y, x), contiguous, float32."""
    return np.ascontiguousarray(volume.data.transpose(2, 1, 0), np.float32)


def _cached(path: Path, stamp: str) -> Any:
    note, data = path.with_suffix(".json"), path.with_suffix(".npy")
    if not data.exists() or not note.exists() or note.read_text(encoding="utf-8") != stamp:
        return None
    return np.load(data, allow_pickle=False)


def _store(path: Path, stamp: str, stack: NDArray[np.float32]) -> None:
    path.with_suffix(".json").unlink(missing_ok=True)
    with write_whole(path.with_suffix(".npy")) as temporary:
        np.save(temporary, stack, allow_pickle=False)
    with write_whole(path.with_suffix(".json")) as temporary:
        temporary.write_text(stamp, encoding="utf-8")
