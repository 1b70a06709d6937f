"""Label maps without images: the cord in its canal, of people whose images are not at hand.

Synthesis needs shapes only: it gives each tissue an intensity and sets the canal into the
surroundings of a real image. The maps are copied as 0 outside, 1 fluid, 2 cord.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.datasets.recipe import Shapes
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.image.nifti import load, save
from sct_deepseg_general.image.volume import Probability, Segmentation
from sct_deepseg_general.inference.preprocess import margin_box
from sct_deepseg_general.training.cases import Preparation, soft_array
from sct_deepseg_general.training.sampling import Case

__all__ = ["FOLDER", "shape_cases", "write_shapes"]

FOLDER = "shapes"
"""Beside nnU-Net's raw datasets, which have no place for labels without images."""

_FLUID, _CORD = 1, 2
_RAS = ("R", "A", "S")


def write_shapes(wanted: Sequence[Shapes], data: Sequence[Path], folder: Path) -> dict[str, str]:
    """The label map of each person as `folder/NAME_PARTICIPANT.nii.gz`, where it is not yet.

    Shapes are an extra: those that are in none of the folders `data` are left out, and the
    result says by name where they were looked for.

    Raises:
        DatasetError: cord and canal are not on one grid.
    """
    kept, absent = set(), {}
    for one in wanted:
        pairs = _pairs(one, data)
        if not pairs:
            places = " and ".join(str(place / (one.folder or one.name)) for place in data)
            absent[one.name] = f"no files that end in {one.canal} and {one.cord} in {places}"
        for cord, canal in pairs:
            person = canal.name.split("_", maxsplit=1)[0]
            path = folder / f"{one.name}_{person}.nii.gz"
            kept.add(path)
            newest = max(file.stat().st_mtime_ns for file in (cord, canal))
            if not path.is_file() or path.stat().st_mtime_ns < newest:
                folder.mkdir(parents=True, exist_ok=True)
                save(_label_map(cord, canal), path)
    for path in set(folder.glob("*.nii.gz")) - kept:
        path.unlink()
    return absent


def shape_cases(wanted: Sequence[Shapes], folder: Path, preparation: Preparation) -> list[Case]:
    """The maps in `folder` as cases for synthesis: target the cord, image the canal (0 to 1)."""
    trust = {one.name: one.trust for one in wanted}
    found = sorted(folder.glob("*.nii.gz"))
    named = [(path, path.name.split("_", maxsplit=1)[0]) for path in found]
    return [_case(path, name, preparation, trust[name]) for path, name in named if name in trust]


def _pairs(wanted: Shapes, data: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Cord and canal of each person who has both, from the first folder that has any."""
    places = [place / (wanted.folder or wanted.name) for place in data]
    found = (sorted(place.rglob(f"*{wanted.canal}.nii.gz")) for place in places)
    canals = next((paths for paths in found if paths), [])
    pairs = [
        (path.with_name(path.name.replace(wanted.canal, wanted.cord)), path) for path in canals
    ]
    return [pair for pair in pairs if pair[0].is_file()]


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

    def fraction(least: int) -> NDArray[np.float32]:
        mask = Probability((tissue.data >= least).astype(np.float32), tissue.grid)
        return soft_array(mask, box, preparation)

    target = fraction(_CORD)
    centres = np.argwhere(target > 0.5).astype(np.int32)
    named = path.name.removesuffix(".nii.gz")
    return Case(named, name, fraction(_FLUID), target, centres, trust, shapes_only=True)
