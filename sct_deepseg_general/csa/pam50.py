"""Measures brought to the slices of the PAM50 template, level by level.

Valošek et al., Imaging Neuroscience 2024 (10.1162/imag_a_00075). Each vertebral level is
stretched linearly onto the template's slices; the first and the last, which may be cut by the
field of view, are stretched by the mean of the others and anchored at their inner border.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.morphometry.morphometrics import Morphometrics
from sct_deepseg_general.morphometry.slice_shape import SliceShape
from sct_deepseg_general.morphometry.slice_symmetry import SliceSymmetry

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

_MEASURES = fields(SliceShape)


def template_levels() -> Levels:
    """The vertebral level of each slice of the template, 0 where there is none."""
    levels = np.zeros(SLICES, dtype=np.int64)
    for level, (above, lowest) in enumerate(pairwise(_BORDERS), start=1):
        levels[lowest:above] = level
    return levels


def normalised(table: Morphometrics, levels: Levels) -> Morphometrics:
    """The measures on the template's slices, and the intervals of their areas; none outside.

    `levels` is the vertebral level of each slice of the image (0: none). The `length` of a slice of
    the template is that of the cord (mm) in the image which it stands for.

    Raises
    ------
    ImageError
        Fewer than three levels, or one that the template does not have.
    """
    present = [int(level) for level in np.unique(levels) if level > 0]
    _check(present)
    placements = _placements(levels, present)

    def placed(values: Floats | None) -> Floats | None:
        return None if values is None else _placed(values, placements)

    columns = {field.name: _placed(table.column(field.name), placements) for field in _MEASURES}
    columns["length"] = _placed_lengths(table.column("length"), placements)
    return replace(
        table,
        shapes=tuple(_shapes(columns)),
        symmetry=None if table.symmetry is None else _symmetries(table.symmetry, placements),
        soft_area=placed(table.soft_area),
        area_lower=placed(table.area_lower),
        area_upper=placed(table.area_upper),
    )


@dataclass(frozen=True, eq=False)
class _Placement:
    """One level: its slices in the image, in the template, and where the template samples it.

    `at` are positions of the template's slices and `known` those of the image's. Stretched, the
    whole level is `size` slices of the template long.
    """

    source: Levels
    target: Levels
    at: Floats
    known: Floats
    size: int


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
    known = np.linspace(0, target.size - 1, source.size)
    return _Placement(source, target, at, known, target.size)


def _outer(source: Levels, target: Levels, scale: float, *, upper: bool) -> _Placement:
    """The uppermost level grows from its lower border up, the lowest from its upper border down."""
    length = scale * source.size
    at = np.linspace(0, length, int(length))
    kept = min(at.size, target.size)
    known = np.linspace(0, length, source.size)
    if upper:
        return _Placement(source, target[:kept], at[:kept], known, at.size)
    end = at.size - kept
    return _Placement(source, target[target.size - kept :], at[end:], known, at.size)


def _placed(values: Floats, placements: list[_Placement]) -> Floats:
    found = np.full(SLICES, np.nan)
    for placement in placements:
        source = values[placement.source]
        found[placement.target] = np.interp(placement.at, placement.known, source)
    return found


def _placed_lengths(lengths: Floats, placements: list[_Placement]) -> Floats:
    """The length of cord (mm) that each slice of the template stands for."""
    found = np.full(SLICES, np.nan)
    for placement in placements:
        found[placement.target] = np.nansum(lengths[placement.source]) / max(placement.size, 1)
    return found


def _shapes(columns: Mapping[str, Floats]) -> Iterator[SliceShape | None]:
    for z in range(SLICES):
        held = bool(np.isfinite(columns["area"][z]))
        values = {name: float(column[z]) for name, column in columns.items()}
        yield SliceShape(**values) if held else None


def _symmetries(
    found: Sequence[SliceSymmetry | None], placements: list[_Placement]
) -> tuple[SliceSymmetry | None, ...]:
    names = [field.name for field in fields(SliceSymmetry)]
    columns = [
        _placed(np.array([getattr(one, name) if one else np.nan for one in found]), placements)
        for name in names
    ]
    values = (dict(zip(names, map(float, row), strict=True)) for row in np.stack(columns, axis=1))
    return tuple(SliceSymmetry(**one) for one in values)
