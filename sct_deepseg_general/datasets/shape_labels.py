"""Label maps without images: the cord in its canal, of people whose images are not at hand.

The maps are copied beside the raw datasets as 0 outside, 1 fluid, 2 cord.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sct_deepseg_general.datasets.recipe import Shapes
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.image.nifti import load, save
from sct_deepseg_general.image.volume import Segmentation

__all__ = ["CORD", "FLUID", "FOLDER", "write_shapes"]

FOLDER = "shapes"
"""Beside nnU-Net's raw datasets, which have no place for labels without images."""

FLUID, CORD = 1, 2
_RAS = ("R", "A", "S")


def write_shapes(shapes: Sequence[Shapes], data: Sequence[Path], folder: Path) -> dict[str, str]:
    """The label map of each person as `folder/NAME_PARTICIPANT.nii.gz`, where it is not yet.

    Shapes are an extra: those that are in none of the folders `data` are left out, and the
    result says by name where they were looked for.

    Raises
    ------
    DatasetError
        Cord and canal are not on one grid.
    """
    written, absent = set(), {}
    for one in shapes:
        pairs = _pairs(one, data)
        if not pairs:
            places = " and ".join(str(place / (one.folder or one.name)) for place in data)
            absent[one.name] = f"no files that end in {one.canal} and {one.cord} in {places}"
        for cord, canal in pairs:
            person = canal.name.split("_", maxsplit=1)[0]
            path = folder / f"{one.name}_{person}.nii.gz"
            written.add(path)
            newest = max(file.stat().st_mtime_ns for file in (cord, canal))
            if not path.is_file() or path.stat().st_mtime_ns < newest:
                folder.mkdir(parents=True, exist_ok=True)
                save(_label_map(cord, canal), path)
    for path in set(folder.glob("*.nii.gz")) - written:
        path.unlink()
    return absent


def _pairs(shapes: Shapes, data: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Cord and canal of each person who has both, from the first folder that has any."""
    places = [place / (shapes.folder or shapes.name) for place in data]
    found = (sorted(place.rglob(f"*{shapes.canal}.nii.gz")) for place in places)
    canals = next((paths for paths in found if paths), [])
    pairs = [
        (path.with_name(path.name.replace(shapes.canal, shapes.cord)), path) for path in canals
    ]
    return [pair for pair in pairs if pair[0].is_file()]


def _label_map(cord: Path, canal: Path) -> Segmentation:
    inner, outer = (load(path, nan_background=False).reoriented(_RAS) for path in (cord, canal))
    if not inner.grid.matches(outer.grid):
        raise DatasetError(
            f"{cord} and {canal} are not on one grid: make them so, or leave one out."
        )
    data = np.where(inner.data > 0.5, CORD, np.where(outer.data > 0.5, FLUID, 0))
    return Segmentation(data.astype(np.uint8), inner.grid)
