"""Random parts of the strips of people with known discs, degraded: what numbers are judged on.

They are far quicker to make than images that are degraded and segmented, so that there can be
enough of them to fit a probability. Some hold no neck: upside down, or front to back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from sct_deepseg_general.csa.measure import PER_SLICE, measured
from sct_deepseg_general.image.volume import Segmentation, Volume
from sct_deepseg_general.level_training.degradation import thick_slices, wavy
from sct_deepseg_general.level_training.table import KnownDiscs
from sct_deepseg_general.levels.course import BEYOND, Course, course_of
from sct_deepseg_general.levels.numbering import Numbering
from sct_deepseg_general.levels.strip import COLUMNS, Strip, strip_of

__all__ = ["HALF_LEVEL", "Seen", "Window", "all_right", "seen_of", "windows_of"]

Floats = NDArray[np.float64]

HALF_LEVEL = 8.0
"""mm along the cord from which a disc of a number counts as another disc."""
_X = np.arange(COLUMNS[0], COLUMNS[1] + 1, dtype=np.float64)
_SPOILED = 0.06  # share of windows without a neck


@dataclass(frozen=True, eq=False)
class Seen:
    """A person's strip, the rows of the discs by number, and the cord's area in mm² a row."""

    person: str
    strip: Strip
    rows: dict[int, float]
    area: Floats


@dataclass(frozen=True, eq=False)
class Window:
    """A part of a person's strip; `neck` tells that it is one, and `thickness` its slices' mm."""

    person: str
    strip: Strip
    rows: dict[int, float]
    area: Floats
    thickness: float
    neck: bool = True

    @property
    def whole(self) -> bool:
        """Whether C2/C3 is in view with 8 mm around it."""
        seen = self.strip.visible
        near = np.clip(np.array([self.rows[3] - 8, self.rows[3] + 8]), 0, len(seen) - 1)
        inside = 0 <= self.rows[3] < len(seen)
        return inside and bool(seen[near.astype(int)].all())


def seen_of(known: KnownDiscs, image: Volume, mask: Segmentation) -> Seen:
    course = course_of(mask)
    rows = dict(zip(known.numbers.tolist(), course.rows_of(known.points).tolist(), strict=True))
    return Seen(known.person, strip_of(image, course), rows, area_along(mask, course))


def area_along(mask: Segmentation, course: Course) -> Floats:
    """The cord's area in mm² at each row of a course; NaN beyond the mask."""
    grid = mask.grid.reoriented(("L", "A", "S"))
    areas = measured(mask, PER_SLICE).morphometrics.area
    z = apply_affine(np.linalg.inv(grid.affine), course.points)[:, 2]
    known = np.flatnonzero(np.isfinite(areas))
    return np.asarray(np.interp(z, known, areas[known], left=np.nan, right=np.nan))


def windows_of(seen: Seen, count: int) -> Iterator[Window]:
    """The same windows each time; 6 in 10 are laid about C2/C3, the others anywhere."""
    rng = np.random.default_rng(sum(map(ord, seen.person)))
    for _ in range(count):
        thickness, data = _degraded(seen.strip.data, rng)
        view = _view(seen, rng)
        inside = seen.strip.course.inside & view.any(axis=1)
        if inside.sum() >= 20:
            yield _cut(seen, np.where(view, data, np.nan), inside, thickness, rng)


def _degraded(data: NDArray[np.float32], rng: np.random.Generator) -> tuple[float, Floats]:
    """Shading, slices of up to 8 mm and noise; where nothing is in view there is nothing."""
    there = np.isfinite(data)
    top = float(np.percentile(data[there], 99))
    filled = np.where(there, data, np.median(data[there])).astype(np.float64)
    rows, columns = data.shape
    if rng.random() < 0.4:
        filled *= np.exp(wavy(rows, 70, 0.3, rng))[:, None] * np.exp(wavy(columns, 25, 0.3, rng))
    thickness = float(rng.choice([1, 3, 5, 8], p=[0.4, 0.2, 0.2, 0.2]))
    if thickness > 1:
        filled = thick_slices(filled, thickness, np.tan(rng.normal(0, 0.2)), rng)
    if rng.random() < 0.5:
        filled = filled + rng.normal(0, 1, filled.shape) * top * rng.uniform(0, 0.05)
    return thickness, np.where(there, filled, np.nan)


def _view(seen: Seen, rng: np.random.Generator) -> NDArray[np.bool_]:
    """A field of view of 40 to 150 mm with slanted ends; every fourth is cut in front."""
    length, rows = rng.uniform(40, 150), seen.strip.data.shape[0]
    held = np.flatnonzero(seen.strip.course.inside)
    if rng.random() < 0.6:
        low = seen.rows[3] + rng.uniform(-12, 35) - length
    else:
        low = rng.uniform(held[0] - 10, max(held[0] - 9, held[-1] - length))
    slant = rng.normal(0, 0.25)
    row = np.arange(rows)[:, None]
    view = (row > low + slant * _X) & (row < low + length + slant * _X)
    if rng.random() < 0.25:
        view &= _X[None] < rng.uniform(18, 44)
    return view


def _cut(
    seen: Seen,
    data: Floats,
    inside: NDArray[np.bool_],
    thickness: float,
    rng: np.random.Generator,
) -> Window:
    """The window on the rows of its own course, which ends `BEYOND` mm beyond the cord in view."""
    held, more = np.flatnonzero(inside), int(BEYOND)
    first, last = max(0, held[0] - more), min(len(data), held[-1] + more + 1)
    course = seen.strip.course
    rows_kept = slice(first, last)
    part = Course(
        course.points[rows_kept], course.up[rows_kept], course.front[rows_kept], inside[rows_kept]
    )
    kept, area = data[first:last].astype(np.float32), seen.area[first:last]
    neck = bool(rng.random() >= _SPOILED)
    if not neck and rng.random() < 0.5:
        kept, area = kept[::-1].copy(), area[::-1].copy()
    elif not neck:
        kept = kept[:, ::-1].copy()
    rows = {number: row - first for number, row in seen.rows.items()}
    strip = Strip(kept, part)
    return Window(seen.person, strip, rows, area, thickness, neck)


def all_right(found: Numbering, window: Window) -> bool:
    """Whether every numbered disc is where its number is, and there is a neck."""
    known = [place for place in found.places if place.number in window.rows]
    right = all(abs(one.row - window.rows[one.number]) <= HALF_LEVEL for one in known)
    return window.neck and bool(known) and right


def hidden(window: Window, what: str) -> Window:
    """The window without a part of what it shows."""
    data = window.strip.data.copy()
    row = np.arange(len(data), dtype=np.float64)
    if what == "dens, skull base":
        data[row > window.rows[3] + 6] = np.nan
    elif what == "C7/T1 and below":
        data[row < window.rows[8] + 4] = np.nan
    elif what == "arches":
        data[:, _X < -8] = np.nan
    else:
        raise ValueError(what)
    return replace(window, strip=Strip(data, window.strip.course))
