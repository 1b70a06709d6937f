"""The picture of a batch: the area at each vertebral level, over people, for each contrast."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.files import write_whole

__all__ = ["GROUP", "Point", "draw_group", "points_of"]

GROUP = "group.png"
_FIRST_THORACIC = 8


@dataclass(frozen=True)
class Point:
    """The mean area (mm²) of an image at one vertebral level; level 0 is the whole image."""

    contrast: str
    level: int
    area: float
    fails: bool
    """Whether the quality check of the image says fail."""
    image: str = ""
    """The image, by its path in the dataset."""


def points_of(table: Path) -> tuple[Point, ...]:
    """The mean area of each image at each level, from the table of slices.

    Parameters
    ----------
    table : Path
        `csa.tsv` of a batch.

    Returns
    -------
    tuple of Point
        By image and level. An image without levels has one point, of level 0.

    Raises
    ------
    OutputError
        The table cannot be read.
    """
    areas: dict[tuple[str, str, int, bool], list[float]] = defaultdict(list)
    try:
        with table.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
                if row["area"] != "n/a":
                    level = int(row["level"]) if row["level"].isdecimal() else 0
                    key = (row["image"], row["contrast"], level, row["status"] == "fail")
                    areas[key].append(float(row["area"]))
    except (OSError, ValueError, KeyError) as error:
        raise OutputError(f"Cannot read the table {table}: {error}.") from error
    levelled = {image for image, _, level, _ in areas if level}
    return tuple(
        Point(contrast, level, float(np.mean(values)), fails, image)
        for (image, contrast, level, fails), values in sorted(areas.items())
        if level or image not in levelled
    )


def draw_group(table: Path, path: Path) -> int:
    """Draw the area at each level over people, one panel for each contrast.

    Points are images; the box holds the middle half of those whose quality check does not say
    fail, and the line in it is their median. An image that fails is a red cross. An image without
    levels has one point, the mean of all its slices, left of the levels.

    Parameters
    ----------
    table : Path
        `csa.tsv` of a batch.
    path : Path
        The PNG file.

    Returns
    -------
    int
        The number of points; without any, nothing is written.

    Raises
    ------
    OutputError
        The table cannot be read, or the picture cannot be written.
    """
    points = points_of(table)
    if not points:
        return 0
    from matplotlib.figure import Figure

    contrasts = sorted({one.contrast for one in points})
    panels = {name: [one for one in points if one.contrast == name] for name in contrasts}
    widths = [max(4, len({one.level for one in part})) for part in panels.values()]
    size = (1 + 0.45 * (sum(widths) + len(widths)), 4)
    figure = Figure(figsize=size, layout="constrained")
    ratios = {"width_ratios": widths}
    axes = figure.subplots(1, len(widths), squeeze=False, sharey=True, gridspec_kw=ratios)[0]
    for axis, (contrast, part) in zip(axes, panels.items(), strict=True):
        _panel(axis, part, contrast)
    axes[0].set_ylabel("cross-sectional area, mm²")
    key = "a dot is an image"
    if any(one.fails for one in points):
        key += "; a red cross is one that\nfails the quality check, and not in the box"
    figure.supxlabel(key, fontsize=8)
    with write_whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
    return len(points)


def _panel(axis: Any, points: list[Point], contrast: str) -> None:
    by_level: Mapping[int, list[Point]] = defaultdict(list)
    for one in points:
        by_level[one.level].append(one)
    levels = sorted(by_level)
    for place, level in enumerate(levels):
        good = [one.area for one in by_level[level] if not one.fails]
        bad = [one.area for one in by_level[level] if one.fails]
        axis.plot(_spread(place, len(good)), good, ".", color="tab:blue", alpha=0.5, ms=4)
        axis.plot(_spread(place, len(bad)), bad, "x", color="tab:red", ms=5)
        if len(good) > 2:
            axis.boxplot([good], positions=[place], widths=0.6, showfliers=False)
    axis.set_xticks(range(len(levels)), [_level_name(level) for level in levels])
    axis.set_xlim(-0.7, max(len(levels), 4) - 0.3)
    if levels[0] == 0 and len(levels) > 1:
        axis.axvline(0.5, color="0.8", lw=1)
    count = len({one.image for one in points})
    title = f"{contrast}: {count}" if contrast else str(count)
    axis.set_title(f"{title} image{'s' if count > 1 else ''}", fontsize=10)


def _spread(place: int, count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Where the points of a level lie, beside each other."""
    return place + (np.linspace(-0.2, 0.2, count) if count > 1 else np.zeros(count))


def _level_name(level: int) -> str:
    if level == 0:
        return "all\nslices"
    return f"C{level}" if level < _FIRST_THORACIC else f"T{level - _FIRST_THORACIC + 1}"
