"""Is the result believable? A status with reasons in words, for a person to act on.

Each check looks at one thing a wrong segmentation gets wrong. `Limits` holds the numbers, in
mm and mm²; `fail` means that the result should not be used, `warn` that it should be looked
at first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.morphometrics import Morphometrics
from sct_deepseg_general.upright import AXES
from sct_deepseg_general.volume import Array, Box, Grid, Probability, Segmentation

__all__ = ["Evidence", "Finding", "Limits", "Quality", "Status", "assess"]

Status = Literal["ok", "warn", "fail"]
_RANK: tuple[Status, ...] = ("ok", "warn", "fail")


@dataclass(frozen=True)
class Limits:
    """Where believable ends."""

    least_confidence: tuple[float, float] = (0.6, 0.8)
    """Mean probability inside the mask: below the first fail, below the second warn."""
    median_area: tuple[float, float] = (20.0, 160.0)
    """Median area outside this band: fail."""
    slice_area: tuple[float, float] = (12.0, 190.0)
    """Area of a slice outside this band: warn."""
    jump: tuple[float, float] = (0.35, 14.0)
    """Change of area between neighbouring slices, relative and in mm², both exceeded: warn."""
    shift: float = 3.0
    """Sideways step of the centre between neighbouring slices, in mm per mm of slice: warn."""
    fragment: tuple[float, float] = (0.1, 0.5)
    """A second object from the first share of the largest one's volume on: warn; from the second
    on, which of the two is the cord is anybody's guess: fail."""
    least_length: float = 4.0
    """Extent along the cord: shorter fails unless the image itself is as thin."""
    solidity: float = 0.85
    """Median solidity (area over area of the convex hull) below this: fail."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is judged; all volumes on the image's grid, `box` on the grid `oriented`."""

    segmentation: Segmentation
    probability: Probability
    table: Morphometrics
    threshold: float
    found: bool
    """Whether the coarse pass saw a cord."""
    box: Box
    oriented: Grid


@dataclass(frozen=True)
class Finding:
    """One reason, and how bad it is."""

    status: Status
    reason: str


@dataclass(frozen=True)
class Quality:
    """The worst of the findings, and all reasons; `confidence` is a mean probability."""

    status: Status
    reasons: tuple[str, ...]
    confidence: float


def assess(evidence: Evidence, limits: Limits | None = None) -> Quality:
    """All checks on one result; nothing found ends the questions at once."""
    limits = limits or Limits()
    if not evidence.segmentation.data.any():
        return Quality("fail", ("no cord was found in the image",), 0.0)
    findings = [*_on_probability(evidence, limits), *_on_area(evidence.table, limits)]
    findings += [*_on_course(evidence, limits), *_on_borders(evidence)]
    status = max((f.status for f in findings), key=_RANK.index, default=_RANK[0])
    return Quality(status, tuple(f.reason for f in findings), _confidence(evidence))


def _confidence(evidence: Evidence) -> float:
    inside = evidence.segmentation.data > 0
    return float(evidence.probability.data[inside].mean())


def _on_probability(evidence: Evidence, limits: Limits) -> Iterator[Finding]:
    if not evidence.found:
        yield Finding("warn", "the coarse pass saw no cord in the image")
    confidence, (bad, poor) = _confidence(evidence), limits.least_confidence
    status: Status
    if confidence < poor:
        status = "fail" if confidence < bad else "warn"
        yield Finding(status, f"low confidence: mean probability {confidence:.2f} in the mask")
    share = _second_object(evidence.probability.data >= evidence.threshold)
    some, much = limits.fragment
    if share >= some:
        status = "fail" if share >= much else "warn"
        yield Finding(status, f"fragments: a second object has {share:.0%} of the cord's volume")


def _second_object(mask: Array) -> float:
    """Volume of the second largest object as a share of the largest."""
    from scipy import ndimage  # 0.2 s, not for -h

    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    if count < 2:
        return 0.0
    sizes = np.sort(np.bincount(labels.ravel())[1:])
    return float(sizes[-2] / sizes[-1])


def _on_area(table: Morphometrics, limits: Limits) -> Iterator[Finding]:
    area = table.area
    present = area[np.isfinite(area)]
    median, (low, high) = float(np.median(present)), limits.median_area
    if not low <= median <= high:
        yield Finding("fail", f"median area {median:.0f} mm², outside {low:.0f} to {high:.0f}")
    small, large = limits.slice_area
    odd = _slices((area < small) | (area > large))
    if odd:
        yield Finding("warn", f"area outside {small:.0f} to {large:.0f} mm² in slices {odd}")
    jumps = _slices(_jumps(area, limits))
    if jumps:
        yield Finding("warn", f"the area jumps between slices at {jumps}")
    solidity = float(np.nanmedian(table.column("solidity")))
    if solidity < limits.solidity:
        yield Finding("fail", f"ragged outline: the median solidity is {solidity:.2f}")


def _jumps(area: NDArray[np.float64], limits: Limits) -> NDArray[np.bool_]:
    """Slices whose area differs much from the one below, the two end slices excepted."""
    present = np.flatnonzero(np.isfinite(area))
    step = np.abs(np.diff(area, prepend=np.nan))
    relative, absolute = limits.jump
    with np.errstate(invalid="ignore"):
        much = (step > absolute) & (step > relative * np.fmin(area, np.roll(area, 1)))
    much[present[:2]] = False
    much[present[-1:]] = False
    return much


def _on_course(evidence: Evidence, limits: Limits) -> Iterator[Finding]:
    data = evidence.segmentation.reoriented(AXES)
    spacing = data.grid.spacing
    filled = np.flatnonzero(data.data.any(axis=(0, 1)))
    length = (int(filled[-1]) - int(filled[0]) + 1) * spacing[2]
    if length < limits.least_length and len(filled) < data.grid.shape[2]:
        yield Finding("fail", f"the cord found is only {length:.1f} mm long")
    gaps = sorted(set(range(int(filled[0]), int(filled[-1]) + 1)) - set(filled.tolist()))
    if gaps:
        yield Finding("warn", f"gap: no cord in slices {_spelled(gaps)} between others")
    bends = _bends(data.data, spacing, limits)
    if bends:
        yield Finding("warn", f"the centreline steps sideways at slices {bends}")


def _bends(data: Array, spacing: tuple[float, float, float], limits: Limits) -> str:
    voxels = np.argwhere(data)
    count = np.bincount(voxels[:, 2], minlength=data.shape[2])
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = [
            np.bincount(voxels[:, 2], voxels[:, a], data.shape[2]) / count * spacing[a]
            for a in (0, 1)
        ]
    step = np.hypot(*(np.diff(c, prepend=np.nan) for c in centre))
    return _slices(step > max(limits.shift * spacing[2], limits.shift))


def _on_borders(evidence: Evidence) -> Iterator[Finding]:
    data = evidence.segmentation.reoriented(evidence.oriented.axcodes).data
    shape = evidence.oriented.shape
    for axis, name in ((0, "left or right"), (1, "front or back")):
        planes = np.moveaxis(data, axis, 0)
        if shape[axis] > 1 and (planes[0].any() or planes[-1].any()):
            yield Finding("warn", f"the cord is cut by the field of view ({name})")
    if _touches(data, evidence.box, shape):
        yield Finding("warn", "the cord touches the border of the crop: look at it with -exact")


def _touches(data: Array, box: Box, shape: tuple[int, int, int]) -> bool:
    """Whether the mask reaches a face of the box that is not a face of the image."""
    inside = data[box.slices]
    for axis in range(3):
        planes = np.moveaxis(inside, axis, 0)
        if box.start[axis] > 0 and planes[0].any():
            return True
        if box.stop[axis] < shape[axis] and planes[-1].any():
            return True
    return False


def _slices(chosen: NDArray[np.bool_]) -> str:
    return _spelled([int(z) for z in np.flatnonzero(chosen)])


def _spelled(numbers: list[int]) -> str:
    """At most six numbers, then how many more."""
    text = ", ".join(str(n) for n in numbers[:6])
    return text + (f" and {len(numbers) - 6} more" if len(numbers) > 6 else "")
