"""The disc table: which discs are known in which image."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import DatasetError

__all__ = ["KnownDiscs", "file_below", "read_table"]

_COLUMNS = ("image", "disc", "x_mm", "y_mm", "z_mm")


@dataclass(frozen=True, eq=False)
class KnownDiscs:
    """The discs of one image: `numbers` (n,), and `points` (n, 3) in mm, RAS, at their posterior
    tips. `image` is the image's path as the table writes it.
    """

    image: str
    numbers: NDArray[np.int64]
    points: NDArray[np.float64]

    @property
    def person(self) -> str:
        """The participant ("sub-01") of the image's name."""
        return Path(self.image).name.split("_")[0]

    def moved(self, up: float) -> KnownDiscs:
        """The discs moved up by so many mm."""
        return replace(self, points=self.points + np.array([0.0, 0.0, up]))


def read_table(path: Path) -> tuple[KnownDiscs, ...]:
    """The images of a disc table, sorted by name.

    The table is tab-separated, with a row for each disc and at least the columns image, disc,
    x_mm, y_mm and z_mm (RAS). Disc n is the upper border of vertebra n; 0 is a disc whose number
    is not known.

    Raises:
        DatasetError: the file cannot be read, or lacks a column.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        found: dict[str, list[tuple[int, float, float, float]]] = defaultdict(list)
        for row in rows:
            x, y, z = (float(row[name]) for name in ("x_mm", "y_mm", "z_mm"))
            found[row["image"]].append((int(row["disc"]), x, y, z))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{path} is no disc table ({error}): it needs the columns {', '.join(_COLUMNS)}."
        ) from error
    return tuple(_known(image, sorted(discs)) for image, discs in sorted(found.items()))


def file_below(name: str, folders: Sequence[Path]) -> Path:
    """The file of this relative path in the first of the folders that has it.

    Raises:
        DatasetError: none has it.
    """
    for folder in folders:
        if (folder / name).is_file() or (folder / name).is_symlink():
            return folder / name
    places = ", ".join(map(str, folders))
    raise DatasetError(f"{name} is in none of the data folders {places}: give its parent's folder.")


def _known(image: str, discs: list[tuple[int, float, float, float]]) -> KnownDiscs:
    numbers = np.array([disc[0] for disc in discs], np.int64)
    return KnownDiscs(image, numbers, np.array([disc[1:] for disc in discs], np.float64))
