"""Checks of a mask by itself: whether area, shape and course are those of a spinal cord."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.image.volume import NEAR_ZERO, Array, Box, Segmentation
from sct_deepseg_general.morphometry.morphometrics import Morphometrics
from sct_deepseg_general.quality.findings import Finding, QualityLimits, Status, numbers, spelled

__all__ = ["mask_findings", "on_faint", "on_fragments", "second_object"]

ACROSS = 45.0
"""Angle in degrees between cord and slice axis from which the orientation must be wrong."""
FAINT, MUCH = 0.05, 10.0
"""Values of a soft mask up to this share of its maximum are faint; more voxels of them than this
many times the cord's are not the cord's edge. Blurred over three voxels, it has three times."""
LONG = 2.0
"""How many times longer than wide a mask must be to have a direction."""


def mask_findings(
    mask: Segmentation, table: Morphometrics, limits: QualityLimits, blank: Sequence[int] = ()
) -> Iterator[Finding]:
    """What is implausible about a mask (x, y, z; LAS, not empty) and its table (mm, mm²).

    `blank` are the slices in which the image has no signal.
    """
    yield from _on_whole(mask)
    yield from _on_area(table, limits)
    yield from _on_shape(table, limits)
    yield from _on_course(mask, limits, blank)
    yield from _on_borders(mask.data)


def second_object(mask: Array) -> float:
    """Volume of the second largest object of a mask (x, y, z) as a share of the largest."""
    from scipy import ndimage  # 0.2 s, not for -h

    box = Box.around(mask)
    held = mask if box is None else mask[box.slices]
    labels, count = ndimage.label(held, np.ones((3, 3, 3)))
    if count < 2:
        return 0.0
    sizes = np.sort(np.bincount(labels.ravel())[1:])
    return float(sizes[-2] / sizes[-1])


def on_fragments(mask: Array, limits: QualityLimits) -> Iterator[Finding]:
    """Whether a mask (x, y, z) holds a second object that may be the cord."""
    share = second_object(mask)
    some, much = limits.fragment
    if share >= some:
        status: Status = "fail" if share >= much else "warn"
        yield Finding(status, f"fragments: a second object has {share:.0%} of the cord's volume")


def on_faint(mask: Array) -> Iterator[Finding]:
    """Whether a soft mask (x, y, z) has faint values far beyond the cord, as a probability that a
    network gives may: they count for the centreline as much as the cord does.
    """
    highest = float(mask.max())
    faint = int(((mask > NEAR_ZERO) & (mask < FAINT * highest)).sum())
    times = faint / max(1, int((mask >= highest / 2).sum()))
    if times > MUCH:
        yield Finding(
            "warn",
            f"values below {FAINT:.0%} of the highest fill {times:.0f} times the cord's volume: "
            "the centreline, and its angles, may be wrong",
        )


def _on_whole(mask: Segmentation) -> Iterator[Finding]:
    """Masks that are inverted, or lie across the slices because the header is wrong."""
    if all(mask.data[corner] for corner in product((0, -1), repeat=3)):
        share = float((mask.data > 0).mean())
        yield Finding("fail", f"the mask may be inverted: it covers {share:.0%} of the image")
        return
    angle = _off_axis(mask)
    if angle > ACROSS:
        text = f"the cord runs {angle:.0f} degrees off the axis of the slices"
        yield Finding("fail", f"{text}: the orientation in the header may be wrong")


def _off_axis(mask: Segmentation) -> float:
    """The angle in degrees between a long mask and the slices' axis; 0 if the mask is not long."""
    voxels = np.argwhere(mask.data)
    places = voxels[:: max(1, len(voxels) // 20_000)] * np.array(mask.grid.spacing)
    if len(places) < 3:
        return 0.0
    values, axes = np.linalg.eigh(np.cov(places.T))
    if values[2] < LONG**2 * max(float(values[1]), 1e-6):
        return 0.0
    return float(np.degrees(np.arccos(min(1.0, abs(float(axes[2, 2]))))))


def _on_area(table: Morphometrics, limits: QualityLimits) -> Iterator[Finding]:
    area = table.area
    median = float(np.nanmedian(area))
    (low, high), (lowest, highest) = limits.usual_area, limits.median_area
    if not low <= median <= high:
        status: Status = "warn" if lowest <= median <= highest else "fail"
        yield Finding(status, f"median area {median:.0f} mm², outside {low:.0f} to {high:.0f}")
    small, large = limits.slice_area
    odd = _inner(table, area < small) | (area > large)
    if odd.any():
        text = f"area outside {small:.0f} to {large:.0f} mm² in slices {_in_words(odd)}"
        yield Finding("warn", text, numbers(odd))
    jumps = _inner(table, _jumps(table, limits))
    if jumps.any():
        text = f"the area jumps between slices at {_in_words(jumps)}"
        yield Finding("warn", text, numbers(jumps))


def _jumps(table: Morphometrics, limits: QualityLimits) -> NDArray[np.bool_]:
    """Slices whose area differs much from the one below, that next to the lowest excepted."""
    area = table.area
    step = np.abs(np.diff(area, prepend=np.nan))
    relative, outline, slope = limits.jump
    most = outline * max(table.spacing[:2]) + slope * table.spacing[2]
    with np.errstate(invalid="ignore"):
        much = (step > most) & (step > relative * np.fmin(area, np.roll(area, 1)))
    much[table.slices[:2]] = False
    return np.asarray(much)


def _on_shape(table: Morphometrics, limits: QualityLimits) -> Iterator[Finding]:
    solidity = table.column("solidity")
    ragged, dented = limits.solidity
    median = float(np.nanmedian(solidity))
    if median < ragged:
        yield Finding("fail", f"ragged outline: the median solidity is {median:.2f}")
    odd = _inner(table, solidity < dented)
    if odd.any():
        text = f"the outline is dented in slices {_in_words(odd)}"
        yield Finding("warn", text, numbers(odd))
    lean = np.fmax(np.abs(table.column("angle_ap")), np.abs(table.column("angle_rl")))
    bent = _inner(table, lean > limits.lean)
    if bent.any():
        text = (
            f"the centreline is bent at slices {_in_words(bent)}: {np.max(lean[bent]):.0f} degrees"
        )
        yield Finding("warn", text, numbers(bent))


def _inner(table: Morphometrics, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The chosen slices but for the two at the ends of the cord."""
    kept = np.zeros_like(chosen)
    kept[table.slices[1:-1]] = True
    return np.asarray(chosen & kept)


def _on_course(
    mask: Segmentation, limits: QualityLimits, blank: Sequence[int]
) -> Iterator[Finding]:
    spacing = mask.grid.spacing
    filled = np.flatnonzero(mask.data.any(axis=(0, 1)))
    length = (int(filled[-1]) - int(filled[0]) + 1) * spacing[2]
    if length < limits.least_length and len(filled) < mask.grid.shape[2]:
        yield Finding("fail", f"the cord found is only {length:.1f} mm long")
    yield from _on_gaps(filled.tolist(), set(blank))
    bends = _bends(mask.data, spacing, limits)
    if bends.any():
        text = f"the centreline steps sideways at slices {_in_words(bends)}"
        yield Finding("warn", text, numbers(bends))


def _on_gaps(filled: list[int], blank: set[int]) -> Iterator[Finding]:
    """Slices without cord between others, and cord in slices without signal."""
    empty = set(range(filled[0], filled[-1] + 1)) - set(filled)
    if lost := tuple(sorted(empty & blank)):
        text = f"gap: the image has no signal in slices {spelled(lost)}: no area is measured there"
        yield Finding("warn", text, lost)
    if gaps := tuple(sorted(empty - blank)):
        yield Finding("warn", f"gap: no cord in slices {spelled(gaps)} between others", gaps)
    if drawn := tuple(sorted(set(filled) & blank)):
        text = f"the image has no signal in slices {spelled(drawn)} of the mask"
        yield Finding("warn", text, drawn)


def _bends(
    data: Array, spacing: tuple[float, float, float], limits: QualityLimits
) -> NDArray[np.bool_]:
    voxels = np.argwhere(data)
    count = np.bincount(voxels[:, 2], minlength=data.shape[2])
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = [
            np.bincount(voxels[:, 2], voxels[:, a], data.shape[2]) / count * spacing[a]
            for a in (0, 1)
        ]
    step = np.hypot(*(np.diff(c, prepend=np.nan) for c in centre))
    return np.asarray(step > max(limits.shift * spacing[2], limits.shift))


def _on_borders(mask: Array) -> Iterator[Finding]:
    for axis, name in ((0, "left or right"), (1, "front or back")):
        planes = np.moveaxis(mask, axis, 0)
        if len(planes) > 1 and (planes[0].any() or planes[-1].any()):
            yield Finding("warn", f"the cord is cut by the field of view ({name})")


def _in_words(chosen: NDArray[np.bool_]) -> str:
    return spelled(numbers(chosen))
