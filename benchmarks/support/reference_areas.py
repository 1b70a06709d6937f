"""Published areas of people whose images are at hand, and where on an image they belong.

The areas are those of the PAM50 database of normalised metrics (Valošek et al., Imaging
Neuroscience 2024), by slice of the PAM50 template; `shared/data/published` holds those of our
people, `shared/data/levels` the intervertebral discs of their images. A slice of an image gets its
place in the template by linear interpolation between its discs along the centreline.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.support.labelled import shared
from sct_deepseg_general.csa.pam50 import template_levels
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.levels.slices import placed_centreline
from sct_deepseg_general.morphometry.centreline import CentrelineFit, centres, fitted
from sct_deepseg_general.morphometry.morphometrics import AXES, measure

__all__ = [
    "LEVELS",
    "Ratio",
    "disc_places",
    "discs",
    "level_ratios",
    "names_of",
    "placed",
    "published",
    "ratios",
    "slopes",
]

LEVELS = tuple(range(2, 10))
"""C2 to T2."""
LEAST = 0.45
"""A level of which less than this share of the template's slices is seen is left out."""
_DISC_SMOOTHING = 20.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ratio:
    """A mask's mean area over a vertebral level, divided by the published one."""

    person: str
    level: int
    ours: float
    published: float

    @property
    def value(self) -> float:
        return self.ours / self.published


def names_of(levels: tuple[int, ...] = LEVELS) -> tuple[str, ...]:
    """C2, ..., C7, T1, ..."""
    return tuple(f"C{n}" if n < 8 else f"T{n - 7}" for n in levels)


@cache
def published(person: str) -> Mapping[int, float]:
    """Area in mm² of a person's cord by slice of the PAM50 template; empty if none is known."""
    rows = _rows(shared() / "published" / "same_people_per_slice.tsv")
    own = [r for r in rows if r["our_name"] == person and r["structure"] == "spinal_cord"]
    return {int(row["pam50_slice"]): float(row["area_mm2"]) for row in own}


def discs(image: Path) -> Mapping[int, Floats]:
    """The discs of an image as points in mm (RAS), by number."""
    name = image.resolve().relative_to(shared().resolve()).as_posix()
    own = [row for row in _rows(shared() / "levels" / "discs.tsv") if row["image"] == name]
    return {
        int(row["disc"]): np.array([float(row[k]) for k in ("x_mm", "y_mm", "z_mm")])
        for row in own
        if int(row["disc"]) > 0
    }


def placed(mask: Volume, points: Mapping[int, Floats]) -> Floats:
    """The place in the PAM50 template (in its slices, a fraction) of every slice of a mask (LAS).

    Beyond the outermost discs the mean scale between them goes on. NaN where the mask is empty.
    """
    upright = mask.reoriented(AXES)
    curve = fitted(
        centres(upright.data > 0), upright.grid.spacing[2], CentrelineFit(smooth=_DISC_SMOOTHING)
    )
    course = placed_centreline(curve, upright.grid)
    along = np.r_[0, np.cumsum(np.linalg.norm(np.diff(course, axis=0), axis=1))]
    borders = disc_places()
    numbers = sorted((n for n in points if n in borders), reverse=True)
    seen = np.array(
        [along[np.linalg.norm(course - points[n], axis=1).argmin()] for n in numbers], float
    )
    template = np.array([borders[n] for n in numbers], float)
    places = np.full(upright.grid.shape[2], np.nan)
    places[curve.z] = _extended(along, seen, template)
    return places


def slopes(mask: Volume) -> Floats:
    """The cosine of the angle between the cord and the normal of every slice (LAS)."""
    upright = mask.reoriented(AXES)
    curve = fitted(centres(upright.data > 0), upright.grid.spacing[2])
    about_ap, about_rl = curve.angles(upright.grid.spacing)
    cosines = np.full(upright.grid.shape[2], np.nan)
    cosines[curve.z] = np.cos(about_ap) * np.cos(about_rl)
    return cosines


def ratios(mask: Volume, image: Path, person: str) -> list[Ratio]:
    """Our area over the published one by level, over the template's slices that both have."""
    return level_ratios(placed(mask, discs(image)), measure(mask).area, person)


def level_ratios(places: Floats, areas: Floats, person: str) -> list[Ratio]:
    """As `ratios`, of areas (mm²) at places of the template, both of shape (slices,), NaN where
    there is none.
    """
    reference = published(person)
    known = np.isfinite(places) & np.isfinite(areas)
    order = np.argsort(places[known])
    at, ours = places[known][order], areas[known][order]
    found = []
    for level in LEVELS:
        template = np.flatnonzero(template_levels() == level)
        both = [z for z in template if z in reference and at[0] <= z <= at[-1]]
        if len(both) >= LEAST * template.size:
            theirs = float(np.mean([reference[z] for z in both]))
            found.append(Ratio(person, level, float(np.interp(both, at, ours).mean()), theirs))
    return found


def disc_places() -> dict[int, float]:
    """The template's slice at the upper border of each vertebra: disc n is that of level n."""
    levels = template_levels()
    return {n: float(np.flatnonzero(levels == n)[-1] + 1) for n in range(1, int(levels.max()) + 1)}


def _extended(at: Floats, known: Floats, values: Floats) -> Floats:
    """Linear interpolation, with the mean slope beyond the ends; `known` ascends."""
    slope = float(np.polyfit(known, values, 1)[0])
    inside = np.interp(at, known, values)
    low, high = np.minimum(at - known[0], 0), np.maximum(at - known[-1], 0)
    return np.asarray(inside + slope * (low + high))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))
