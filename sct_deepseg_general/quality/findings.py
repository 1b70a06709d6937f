"""Statuses and their reasons, and the limits of what is plausible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Finding",
    "Quality",
    "QualityLimits",
    "Status",
    "below",
    "numbers",
    "spelled",
    "summed_up",
]

Status = Literal["ok", "warn", "fail"]
_RANK: tuple[Status, ...] = ("ok", "warn", "fail")


@dataclass(frozen=True)
class QualityLimits:
    """The limits of a plausible result. A pair is (fail, warn) unless stated otherwise."""

    least_confidence: tuple[float, float] = (0.6, 0.75)
    """Mean probability inside the mask."""
    least_coarse: float = 0.65
    """Mean coarse probability inside the first detection: warn."""
    overlap: tuple[float, float] = (0.3, 0.7)
    """Share of the mask that lies in the first detection."""
    covered: tuple[float, float] = (0.4, 0.75)
    """Share of the first detection that the mask covers. It is nearly 1 for a cord; in a brain
    the locator detects some cord, most of which the network then leaves out."""
    volume: tuple[float, float] = (0.4, 2.5)
    """Volume of the mask over that of the first detection, outside: warn. Voxels of 3 mm may
    double a thin cord's volume or halve it."""
    agreement: tuple[float, float] = (0.6, 0.85)
    """Dice of the mask and the mask of an altered copy of the image."""
    evenness: tuple[float, float] = (1.2, 0.5)
    """Standard deviation of the intensities inside over that around the mask: the cord is one
    tissue, its surroundings (CSF, fat, bone) are several. Above 1, the mask is the more varied."""
    mixed_length: tuple[float, int] = (30.0, 4)
    """Length (mm, slices) of a stretch above the second of `evenness`: warn. In images of neck
    and chest stretches of up to 25 mm occur where the signal fades."""
    median_area: tuple[float, float] = (20.0, 160.0)
    """Median area in mm² outside this band: fail. Cords have 30 (thoracic) to 110 mm²."""
    usual_area: tuple[float, float] = (35.0, 130.0)
    """Median area outside this band: warn."""
    slice_area: tuple[float, float] = (12.0, 150.0)
    """Area of a slice outside this band: warn; of the two end slices, which may be partly cord,
    only the larger end counts."""
    jump: tuple[float, float, float] = (0.35, 30.0, 2.0)
    """Change of area between neighbouring slices: relative, and in mm² the second for each mm of
    the voxels in the slice (half a voxel more all round the one and less all round the other, of
    an outline of 30 mm) and the third for each mm of slice (an enlargement): all exceeded warns."""
    shift: float = 3.0
    """Sideways step of the centre between neighbouring slices, in mm per mm of slice: warn."""
    lean: float = 50.0
    """Angle between the centreline and the slices' axis, in degrees, between the ends: warn."""
    flatness: tuple[float, float] = (0.35, 1.1)
    """Median extent from front to back over that from side to side, outside: warn. A cord is
    wider than deep, round at its lower end; half a cord is deeper than wide."""
    fragment: tuple[float, float] = (0.1, 0.5)
    """Volume of a second object as a share of the largest one's: from the first on, warn; from
    the second on, fail, as either may be the cord."""
    least_length: float = 4.0
    """Extent along the cord: shorter fails unless the image itself is as thin."""
    solidity: tuple[float, float] = (0.85, 0.75)
    """Median solidity (area over area of the convex hull) below the first: fail; of a slice
    between the ends below the second: warn."""


@dataclass(frozen=True)
class Finding:
    """One reason, its status, and the slices (LAS, from the lowest up) that it concerns."""

    status: Status
    reason: str
    slices: tuple[int, ...] = ()


@dataclass(frozen=True)
class Quality:
    """The worst of the findings, and all reasons; `confidence` is a mean probability.

    `flagged` are the slices (LAS, from the lowest up) that a reason names.
    """

    status: Status
    reasons: tuple[str, ...]
    confidence: float
    flagged: tuple[int, ...] = ()
    found: tuple[Status, ...] = ()
    """The status that each of the first reasons led to; the others led to `status`."""

    @property
    def findings(self) -> tuple[tuple[Status, str], ...]:
        """Each reason with the status that it led to."""
        rest = (self.status,) * (len(self.reasons) - len(self.found))
        return tuple(zip((*self.found, *rest), self.reasons, strict=True))


def summed_up(findings: Iterable[Finding], confidence: float) -> Quality:
    """The worst status of the findings, with all reasons and slices; `confidence` in [0, 1]."""
    findings = tuple(findings)
    status = max((f.status for f in findings), key=_RANK.index, default=_RANK[0])
    flagged = tuple(sorted({z for finding in findings for z in finding.slices}))
    reasons, each = tuple(f.reason for f in findings), tuple(f.status for f in findings)
    return Quality(status, reasons, confidence, flagged, each)


def below(value: float, limits: tuple[float, float]) -> Status:
    """The status of a value, given the limits (fail, warn) below which it is not ok; all three are
    in one unit, such as mm² or a share.
    """
    return "fail" if value < limits[0] else "warn" if value < limits[1] else "ok"


def numbers(chosen: NDArray[np.bool_]) -> tuple[int, ...]:
    """The numbers of the chosen slices, from a vector with a value for each slice."""
    return tuple(int(z) for z in np.flatnonzero(chosen))


def spelled(slices: Sequence[int]) -> str:
    """Slice numbers in words: runs as "3 to 9", at most four of them, then how many slices more."""
    runs: list[list[int]] = []
    for z in slices:
        if runs and z == runs[-1][1] + 1:
            runs[-1][1] = z
        else:
            runs.append([z, z])
    words = [f"{a}" if a == b else f"{a}, {b}" if b == a + 1 else f"{a} to {b}" for a, b in runs]
    more = sum(b - a + 1 for a, b in runs[4:])
    return ", ".join(words[:4]) + (f" and {more} more" if more else "")
