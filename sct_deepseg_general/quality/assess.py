"""Is the result believable? A status with reasons in words, for a person to act on.

Each check looks at one thing a wrong segmentation gets wrong. `Limits` holds the numbers, in
mm and mm²; `fail` means that the result should not be used, `warn` that it should be looked
at first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.image.volume import Array, Box, Grid, Probability, Segmentation, Volume
from sct_deepseg_general.morphometry.morphometrics import Morphometrics
from sct_deepseg_general.quality.appearance import (
    Appearance,
    appearance,
    coarse_overlap,
    longest_above,
)

__all__ = ["Evidence", "Finding", "Limits", "Quality", "Status", "assess"]

Status = Literal["ok", "warn", "fail"]
_RANK: tuple[Status, ...] = ("ok", "warn", "fail")
_WORDS = {
    "confidence": "mean probability",
    "entropy": "entropy at the outline",
    "evenness": "spread inside over outside",
    "flatness": "depth over width",
    "in_plane": "voxel size in mm",
    "coarse": "confidence of the coarse pass",
}


@dataclass(frozen=True)
class Limits:
    """Where believable ends. A pair is (fail, warn) where nothing else is said."""

    least_confidence: tuple[float, float] = (0.6, 0.75)
    """Mean probability inside the mask."""
    least_coarse: float = 0.65
    """Mean coarse probability inside what the coarse pass found: warn."""
    overlap: tuple[float, float] = (0.3, 0.7)
    """Share of the mask that the coarse pass saw."""
    covered: tuple[float, float] = (0.4, 0.75)
    """Share of what the coarse pass saw that the mask covers. Of a cord it is nearly all; in a
    brain the coarse pass sees some cord, and the network, looking closely, leaves most out."""
    volume: tuple[float, float] = (0.4, 2.5)
    """Volume of the mask over that of the coarse one, outside: warn. Voxels of 3 mm may double
    a thin cord's volume or halve it."""
    agreement: tuple[float, float] = (0.6, 0.85)
    """Dice of the mask and the mask seen in another view."""
    evenness: tuple[float, float] = (1.2, 0.5)
    """Spread of the intensities inside over that outside: the cord is one tissue, what is around
    it (CSF, fat, bone) is not; above one, the mask holds the more mixed side."""
    mixed_length: tuple[float, int] = (30.0, 4)
    """Spread above the second of `evenness` in a stretch of as many mm and slices: warn. In images
    of the neck and chest stretches of up to 25 mm occur, where the signal fades."""
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
    """A second object from the first share of the largest one's volume on: warn; from the second
    on, which of the two is the cord is anybody's guess: fail."""
    least_length: float = 4.0
    """Extent along the cord: shorter fails unless the image itself is as thin."""
    solidity: tuple[float, float] = (0.85, 0.75)
    """Median solidity (area over area of the convex hull) below the first: fail; of a slice
    between the ends below the second: warn."""


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
    image: Volume | None = None
    coarse: Volume | None = None
    """The mask of the coarse pass, on a grid of its own."""
    coarse_confidence: float = float("nan")
    agreement: tuple[float, ...] = ()
    """Dice with what other views of the image gave, where they were looked at."""
    typical: Mapping[str, tuple[float, float]] | None = None
    """The model's ranges of `appearance`; None: not known."""


@dataclass(frozen=True)
class Finding:
    """One reason, how bad it is, and the slices that it is about, where it is about some."""

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


def assess(evidence: Evidence, limits: Limits | None = None) -> Quality:
    """All checks on one result; nothing found ends the questions at once."""
    limits = limits or Limits()
    if not evidence.segmentation.data.any():
        return Quality("fail", ("no cord was found in the image",), 0.0)
    findings = [
        *_on_probability(evidence, limits),
        *_on_coarse(evidence, limits),
        *_on_appearance(evidence, limits),
        *_on_area(evidence.table, limits),
        *_on_shape(evidence.table, limits),
        *_on_course(evidence, limits),
        *_on_borders(evidence),
    ]
    status = max((f.status for f in findings), key=_RANK.index, default=_RANK[0])
    flagged = tuple(sorted({z for finding in findings for z in finding.slices}))
    return Quality(status, tuple(f.reason for f in findings), _confidence(evidence), flagged)


def _confidence(evidence: Evidence) -> float:
    inside = evidence.segmentation.data > 0
    return float(evidence.probability.data[inside].mean())


def _below(value: float, limits: tuple[float, float]) -> Status:
    """What a value below the pair (fail, warn) means."""
    return "fail" if value < limits[0] else "warn" if value < limits[1] else "ok"


def _on_probability(evidence: Evidence, limits: Limits) -> Iterator[Finding]:
    confidence = _confidence(evidence)
    status = _below(confidence, limits.least_confidence)
    if status != "ok":
        yield Finding(status, f"low confidence: mean probability {confidence:.2f} in the mask")
    share = _second_object(evidence.probability.data >= evidence.threshold)
    some, much = limits.fragment
    if share >= some:
        status = "fail" if share >= much else "warn"
        yield Finding(status, f"fragments: a second object has {share:.0%} of the cord's volume")
    least = min(evidence.agreement, default=1.0)
    status = _below(least, limits.agreement)
    if status != "ok":
        yield Finding(status, f"other views of the image disagree: Dice {least:.2f}")


def _on_coarse(evidence: Evidence, limits: Limits) -> Iterator[Finding]:
    """The coarse pass is another network: where the two differ, one is wrong."""
    if not evidence.found:
        yield Finding("warn", "the coarse pass saw no cord in the image")
    elif evidence.coarse_confidence < limits.least_coarse:
        sure = evidence.coarse_confidence
        yield Finding("warn", f"the coarse pass was not sure that this is a cord ({sure:.2f})")
    if evidence.coarse is None:
        return
    both = coarse_overlap(evidence.segmentation, evidence.coarse)
    status = _below(both.seen, limits.overlap)
    if status != "ok":
        text = f"only {both.seen:.0%} of the mask is where the coarse pass saw the cord"
        yield Finding(status, text)
    status = _below(both.covered, limits.covered)
    if status != "ok":
        yield Finding(status, f"the mask covers {both.covered:.0%} of what the coarse pass saw")
    least, most = limits.volume
    if not least <= both.volume <= most:
        yield Finding("warn", f"the mask has {both.volume:.1f} of the coarse pass's volume")


def _on_appearance(evidence: Evidence, limits: Limits) -> Iterator[Finding]:
    if evidence.image is None:
        return
    seen = appearance(evidence.image, evidence.probability, evidence.segmentation)
    seen = replace(seen, coarse=evidence.coarse_confidence)
    mixed, uneven = limits.evenness
    if seen.evenness > uneven:
        status: Status = "fail" if seen.evenness > mixed else "warn"
        yield Finding(status, f"the mask holds mixed tissue: {seen.evenness:.1f} of what is around")
    elif stretch := _mixed_stretch(seen, evidence.table.spacing[2], limits):
        place = f"slices {stretch[0]} to {stretch[-1]}"
        text = f"mixed tissue in {place}: roots below the cord's end, or something else"
        yield Finding("warn", text, stretch)
    least, most = limits.flatness
    if not least <= seen.flatness <= most:
        yield Finding(
            "warn", f"not a cord's shape: depth over width is {seen.flatness:.2f} in the median"
        )
    for name, value in seen.unusual(evidence.typical or {}).items():
        low, high = (evidence.typical or {})[name]
        words = f"{_WORDS.get(name, name)} {value:.2f}, else {low:.2f} to {high:.2f}"
        yield Finding("warn", f"unlike the images trained on: {words}")


def _mixed_stretch(seen: Appearance, step: float, limits: Limits) -> tuple[int, ...]:
    """The slices, `step` mm apart, of the longest stretch of mixed tissue, where it is too long."""
    stretch = longest_above(seen.along, limits.evenness[1], round(10 / step))
    length, count = limits.mixed_length
    return stretch if len(stretch) >= max(count, length / step) else ()


def _second_object(mask: Array) -> float:
    """Volume of the second largest object as a share of the largest."""
    from scipy import ndimage  # 0.2 s, not for -h

    box = Box.around(mask)
    held = mask if box is None else mask[box.slices]
    labels, count = ndimage.label(held, np.ones((3, 3, 3)))
    if count < 2:
        return 0.0
    sizes = np.sort(np.bincount(labels.ravel())[1:])
    return float(sizes[-2] / sizes[-1])


def _on_area(table: Morphometrics, limits: Limits) -> Iterator[Finding]:
    area = table.area
    median = float(np.nanmedian(area))
    (low, high), (lowest, highest) = limits.usual_area, limits.median_area
    if not low <= median <= high:
        status: Status = "warn" if lowest <= median <= highest else "fail"
        yield Finding(status, f"median area {median:.0f} mm², outside {low:.0f} to {high:.0f}")
    small, large = limits.slice_area
    odd = _inner(table, area < small) | (area > large)
    if odd.any():
        text = f"area outside {small:.0f} to {large:.0f} mm² in slices {_slices(odd)}"
        yield Finding("warn", text, _numbers(odd))
    jumps = _inner(table, _jumps(table, limits))
    if jumps.any():
        text = f"the area jumps between slices at {_slices(jumps)}"
        yield Finding("warn", text, _numbers(jumps))


def _jumps(table: Morphometrics, limits: Limits) -> NDArray[np.bool_]:
    """Slices whose area differs much from the one below, that next to the lowest excepted."""
    area = table.area
    step = np.abs(np.diff(area, prepend=np.nan))
    relative, outline, slope = limits.jump
    most = outline * max(table.spacing[:2]) + slope * table.spacing[2]
    with np.errstate(invalid="ignore"):
        much = (step > most) & (step > relative * np.fmin(area, np.roll(area, 1)))
    much[table.slices[:2]] = False
    return np.asarray(much)


def _on_shape(table: Morphometrics, limits: Limits) -> Iterator[Finding]:
    solidity = table.column("solidity")
    ragged, dented = limits.solidity
    median = float(np.nanmedian(solidity))
    if median < ragged:
        yield Finding("fail", f"ragged outline: the median solidity is {median:.2f}")
    odd = _inner(table, solidity < dented)
    if odd.any():
        text = f"the outline is dented in slices {_slices(odd)}"
        yield Finding("warn", text, _numbers(odd))
    lean = np.fmax(np.abs(table.column("angle_ap")), np.abs(table.column("angle_rl")))
    bent = _inner(table, lean > limits.lean)
    if bent.any():
        text = f"the centreline is bent at slices {_slices(bent)}: {np.max(lean[bent]):.0f} degrees"
        yield Finding("warn", text, _numbers(bent))


def _inner(table: Morphometrics, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The chosen slices but for the two at the ends of the cord."""
    kept = np.zeros_like(chosen)
    kept[table.slices[1:-1]] = True
    return np.asarray(chosen & kept)


def _on_course(evidence: Evidence, limits: Limits) -> Iterator[Finding]:
    data = evidence.segmentation.reoriented(AXES)
    spacing = data.grid.spacing
    filled = np.flatnonzero(data.data.any(axis=(0, 1)))
    length = (int(filled[-1]) - int(filled[0]) + 1) * spacing[2]
    if length < limits.least_length and len(filled) < data.grid.shape[2]:
        yield Finding("fail", f"the cord found is only {length:.1f} mm long")
    gaps = sorted(set(range(int(filled[0]), int(filled[-1]) + 1)) - set(filled.tolist()))
    if gaps:
        text = f"gap: no cord in slices {_spelled(gaps)} between others"
        yield Finding("warn", text, tuple(gaps))
    bends = _bends(data.data, spacing, limits)
    if bends.any():
        text = f"the centreline steps sideways at slices {_slices(bends)}"
        yield Finding("warn", text, _numbers(bends))


def _bends(data: Array, spacing: tuple[float, float, float], limits: Limits) -> NDArray[np.bool_]:
    voxels = np.argwhere(data)
    count = np.bincount(voxels[:, 2], minlength=data.shape[2])
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = [
            np.bincount(voxels[:, 2], voxels[:, a], data.shape[2]) / count * spacing[a]
            for a in (0, 1)
        ]
    step = np.hypot(*(np.diff(c, prepend=np.nan) for c in centre))
    return np.asarray(step > max(limits.shift * spacing[2], limits.shift))


def _on_borders(evidence: Evidence) -> Iterator[Finding]:
    upright = evidence.segmentation.reoriented(AXES).data
    for axis, name in ((0, "left or right"), (1, "front or back")):
        planes = np.moveaxis(upright, axis, 0)
        if len(planes) > 1 and (planes[0].any() or planes[-1].any()):
            yield Finding("warn", f"the cord is cut by the field of view ({name})")
    grid = evidence.segmentation.grid.reoriented(AXES)
    if _touches(upright, evidence.box.on_axes(evidence.oriented, grid), grid.shape):
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


def _numbers(chosen: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(z) for z in np.flatnonzero(chosen))


def _slices(chosen: NDArray[np.bool_]) -> str:
    return _spelled(list(_numbers(chosen)))


def _spelled(numbers: list[int]) -> str:
    """At most six numbers, then how many more."""
    text = ", ".join(str(n) for n in numbers[:6])
    return text + (f" and {len(numbers) - 6} more" if len(numbers) > 6 else "")
