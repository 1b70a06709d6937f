"""The cords' centrelines that a disc network was trained along, as a file.

Kept with the network, so that a rebuild does not depend on the model that segments the cords.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.levels.course import Curve

__all__ = ["FILE", "read_curves", "rounded", "write_curves"]

FILE = "centrelines.tsv"
_COLUMNS = ("image", "thickness_mm", "x_mm", "y_mm", "z_mm")
_DIGITS = 2


def rounded(curve: Curve) -> Curve:
    """The centreline as the file holds it, to 0.01 mm."""
    return Curve(np.round(curve.points, _DIGITS), round(curve.thickness, _DIGITS))


def write_curves(path: Path, curves: Mapping[str, Curve]) -> None:
    """Write the centrelines by the images' paths: a row for each slice, from the lowest up.

    Raises:
        OutputError: the file cannot be written.
    """
    text = io.StringIO()
    table = csv.writer(text, delimiter="\t", lineterminator="\n")
    table.writerow(_COLUMNS)
    for image, curve in curves.items():
        for point in curve.points:
            values = (curve.thickness, *point.tolist())
            table.writerow([image, *(f"{value:.{_DIGITS}f}" for value in values)])
    with write_whole(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def read_curves(path: Path) -> dict[str, Curve]:
    """The centrelines of a file, by the images' paths.

    Raises:
        DatasetError: the file cannot be read, or is no table of centrelines.
    """
    points: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    thickness: dict[str, float] = {}
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream, delimiter="\t"):
                image, *values = (row[name] for name in _COLUMNS)
                thickness[image], *point = map(float, values)
                points[image].append(tuple(point))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{path} is no table of centrelines ({error}): it needs the columns "
            f"{', '.join(_COLUMNS)}."
        ) from error
    return {image: Curve(np.array(points[image]), thickness[image]) for image in points}
