"""Measures brought to the slices of the PAM50 template, level by level.

Valošek et al., Imaging Neuroscience 2024 (10.1162/imag_a_00075). Each vertebral level is
stretched linearly onto the template's slices; the first and the last, which may be cut by the
field of view, are stretched by the mean of the others and anchored at their inner border.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.csa.aggregate import Profile
from sct_deepseg_general.errors import ImageError

__all__ = ["SLICES", "normalised", "template_levels"]

SLICES = 991
"""Axial slices of the template, 0.5 mm each, counted from the lowest up."""

_BORDERS = (
    *(985, 939, 908, 871, 834, 801, 770, 736, 693, 647),
    *(601, 552, 501, 450, 397, 343, 290, 232, 169, 106, 40),
)
"""Where the template's levels end: level n fills the slices _BORDERS[n] to _BORDERS[n - 1] - 1."""

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]


def template_levels() -> Levels:
    """The vertebral level of each slice of the template, 0 where there is none."""
    levels = np.zeros(SLICES, dtype=np.int64)
    for level, (above, lowest) in enumerate(pairwise(_BORDERS), start=1):
        levels[lowest:above] = level
    return levels


def normalised(measures: Sequence[Profile], levels: Levels) -> tuple[Profile, ...]:
    """The measures on the template's slices; NaN outside, and for lengths, which do not carry.

    `levels` is the vertebral level of each slice of the image (0: none).

    Raises
    ------
    ImageError
        Fewer than three levels, or one that the template does not have.
    """
    present = [int(level) for level in np.unique(levels) if level > 0]
    _check(present)
    placements = _placements(levels, present)
    return tuple(replace(m, values=_placed(m, placements)) for m in measures)


@dataclass(frozen=True, eq=False)
class _Placement:
    """One level: its slices in the image, in the template, and where the template samples it.

    `at` are positions of the template's slices and `known` those of the image's.
    """

    source: Levels
    target: Levels
    at: Floats
    known: Floats


def _check(present: list[int]) -> None:
    if len(present) < 3:
        raise ImageError(
            f"Bringing measures to PAM50 needs three vertebral levels or more, and {len(present)} "
            "are labelled: the outer two may be cut, and are scaled by those between."
        )
    if present[-1] >= len(_BORDERS):
        raise ImageError(
            f"Level {present[-1]} is not in the PAM50 template, "
            f"which has the levels 1 to {len(_BORDERS) - 1}."
        )


def _placements(levels: Levels, present: list[int]) -> list[_Placement]:
    template = template_levels()
    pairs = [(np.flatnonzero(levels == n), np.flatnonzero(template == n)) for n in present]
    scale = float(np.mean([target.size / source.size for source, target in pairs[1:-1]]))
    first = _outer(*pairs[0], scale, upper=True)
    last = _outer(*pairs[-1], scale, upper=False)
    return [first, *(_inner(*pair) for pair in pairs[1:-1]), last]


def _inner(source: Levels, target: Levels) -> _Placement:
    at = np.arange(target.size, dtype=np.float64)
    return _Placement(source, target, at, np.linspace(0, target.size - 1, source.size))


def _outer(source: Levels, target: Levels, scale: float, *, upper: bool) -> _Placement:
    """The uppermost level grows from its lower border up, the lowest from its upper border down."""
    length = scale * source.size
    at = np.linspace(0, length, int(length))
    kept = min(at.size, target.size)
    known = np.linspace(0, length, source.size)
    if upper:
        return _Placement(source, target[:kept], at[:kept], known)
    return _Placement(source, target[target.size - kept :], at[at.size - kept :], known)


def _placed(measure: Profile, placements: list[_Placement]) -> Floats:
    values = np.full(SLICES, np.nan)
    if "SUM" in measure.statistics:
        return values
    for placement in placements:
        source = measure.values[placement.source]
        values[placement.target] = np.interp(placement.at, placement.known, source)
    return values
