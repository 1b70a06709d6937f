"""Label maps without images: the cord in its canal, of people whose images are not at hand.

Synthesis needs shapes only: it gives each tissue an intensity and sets the canal into the
surroundings of a real image. The maps are copied as 0 outside, 1 fluid, 2 cord.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.nifti import load, save
from sct_deepseg_general.prepare import margin_box
from sct_deepseg_general.training.cases import Preparation
from sct_deepseg_general.training.recipe import Shapes
from sct_deepseg_general.training.sampling import Case
from sct_deepseg_general.volume import Probability, Segmentation, Volume

__all__ = ["FOLDER", "shape_cases", "write_shapes"]

FOLDER = "shapes"
"""Beside nnU-Net's raw datasets, which have no place for labels without images."""

_FLUID, _CORD = 1, 2
_RAS = ("R", "A", "S")


def write_shapes(wanted: Sequence[Shapes], data: Sequence[Path], folder: Path) -> None:
    """The label map of each person as `folder/NAME_PARTICIPANT.nii.gz`, where it is not yet.

    Raises:
        DatasetError: none of the folders `data` holds such labels, or cord and canal are not on
            one grid.
    """
    kept = set()
    for one in wanted:
        for cord, canal in _pairs(one, data):
            person = canal.name.split("_", maxsplit=1)[0]
            path = folder / f"{one.name}_{person}.nii.gz"
            kept.add(path)
            newest = max(file.stat().st_mtime_ns for file in (cord, canal))
            if not path.is_file() or path.stat().st_mtime_ns < newest:
                folder.mkdir(parents=True, exist_ok=True)
                save(_label_map(cord, canal), path)
    for path in set(folder.glob("*.nii.gz")) - kept:
        path.unlink()


def shape_cases(wanted: Sequence[Shapes], folder: Path, preparation: Preparation) -> list[Case]:
    """The maps in `folder` as cases for synthesis: target the cord, image the canal (0 to 1)."""
    trust = {one.name: one.trust for one in wanted}
    found = sorted(folder.glob("*.nii.gz"))
    named = [(path, path.name.split("_", maxsplit=1)[0]) for path in found]
    return [_case(path, name, preparation, trust[name]) for path, name in named if name in trust]


def _pairs(wanted: Shapes, data: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    places = [place / (wanted.folder or wanted.name) for place in data]
    found = (sorted(place.rglob(f"*{wanted.canal}.nii.gz")) for place in places)
    canals = next((paths for paths in found if paths), [])
    pairs = [
        (path.with_name(path.name.replace(wanted.canal, wanted.cord)), path) for path in canals
    ]
    pairs = [pair for pair in pairs if pair[0].is_file()]
    if not pairs:
        raise DatasetError(
            f"There are no shapes of '{wanted.name}': looked in {' and '.join(map(str, places))} "
            f"for files that end in {wanted.canal} and {wanted.cord}."
        )
    yield from pairs


def _label_map(cord: Path, canal: Path) -> Segmentation:
    inner, outer = (load(path).reoriented(_RAS) for path in (cord, canal))
    if not inner.grid.matches(outer.grid):
        raise DatasetError(
            f"{cord} and {canal} are not on one grid: make them so, or leave one out."
        )
    data = np.where(inner.data > 0.5, _CORD, np.where(outer.data > 0.5, _FLUID, 0))
    return Segmentation(data.astype(np.uint8), inner.grid)


def _case(path: Path, name: str, preparation: Preparation, trust: float) -> Case:
    tissue = load(path)
    box = margin_box(tissue.data == _CORD, tissue.grid.spacing, preparation.margin)

    def fraction(least: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        mask = Probability((tissue.data >= least).astype(np.float32), tissue.grid)
        soft: Volume = mask.cropped(box).resampled(preparation.spacing, order=1)
        return np.ascontiguousarray(soft.data.transpose(2, 1, 0), np.float32)

    target = fraction(_CORD)
    centres = np.argwhere(target > 0.5).astype(np.int32)
    named = path.name.removesuffix(".nii.gz")
    return Case(named, name, fraction(_FLUID), target, centres, trust, shapes_only=True)
