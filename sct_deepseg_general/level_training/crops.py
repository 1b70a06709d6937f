"""A training example: a strip drawn from a subject, changed at random, and what is to be said of
each row.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.level_training.degradation import degraded, narrowed, wavy
from sct_deepseg_general.level_training.painting import Spine, painted, remapped
from sct_deepseg_general.level_training.subjects import BACK, TrainingSubject, levels_at
from sct_deepseg_general.levels.responses import LEVEL_UNIT
from sct_deepseg_general.levels.strip import COLUMNS, channels, in_view

__all__ = ["ROWS", "Example", "Mix", "example"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

ROWS = 256
"""Rows of an example; what the image does not fill is out of view."""

_X = np.arange(COLUMNS[0], COLUMNS[1] + 1, dtype=np.float64)
_SHARP, _BLUNT = 1.5, 2.5  # mm, spread of the target about exact and about inexact discs
_GONE = -99.0


@dataclass(frozen=True)
class Mix:
    """How often (probability per example) each change is made; data of the recipe."""

    paint: float = 0.4
    remap: float = 0.35
    thick: float = 0.45
    upside_down: float = 0.04
    no_spine: float = 0.03

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Mix:
        """The mix with the probabilities that `values` names; other names in it are left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{key: float(value) for key, value in values.items() if key in known})


@dataclass(frozen=True, eq=False)
class Example:
    """`image` (3, rows, columns) and, for each row, what is to be said there.

    `weight` is 0 where nothing is known, and `numbered` 0 where discs have no numbers (an image
    upside down) so that level and front are not learned.
    """

    image: NDArray[np.float32]
    disc: Floats
    c2c3: Floats
    level: Floats
    front: Floats
    weight: Floats
    numbered: float


def example(subject: TrainingSubject, mix: Mix, rng: np.random.Generator) -> Example:
    """A random example of a subject."""
    strip = subject.strip(int(rng.integers(-4, 5)), int(rng.integers(2, 5)))
    low, high = np.nanpercentile(strip, [1, 99.7])
    placed = _placed(np.clip((strip - low) / (high - low), 0, 1.3), subject, rng)
    image = _recoloured(placed, subject, mix, rng)
    inside = narrowed(placed.inside, _X, placed.held, rng)
    image = degraded(image, rng, thick=mix.thick if subject.exact else 0.0)
    return _spoiled(_Pair(np.where(inside, image, np.nan), placed, subject.exact), mix, rng)


@dataclass(frozen=True, eq=False)
class _Placed:
    """A strip on an example's rows: where it has image, its discs' rows (`_GONE` where cut off),
    and the level (with where it is known) and the tips' place of each row.
    """

    image: Floats
    inside: Mask
    held: tuple[int, int]
    numbers: NDArray[np.int64]
    discs: Floats
    level: Floats
    known: Mask
    front: Floats


def _placed(strip: Floats, subject: TrainingSubject, rng: np.random.Generator) -> _Placed:
    """The strip stretched, tilted, bent, and put somewhere on an example's rows."""
    from scipy.ndimage import map_coordinates

    stretch = float(np.clip(np.exp(rng.normal(0, 0.13)), 0.72, 1.35))
    deeper = float(np.clip(np.exp(rng.normal(0, 0.09)), 0.8, 1.25))
    source = _rows(len(strip), stretch, rng)
    held = np.flatnonzero(np.isfinite(source))
    tilt, bend = rng.normal(0, 0.07), wavy(ROWS, 40, 0.8, rng) + rng.normal(0, 0.8)
    row = source[:, None] + tilt * _X[None] / stretch
    column = _X[None] / deeper + bend[:, None] - BACK
    places = np.stack([np.nan_to_num(row), np.broadcast_to(column, row.shape)])
    seen = np.isfinite(strip)
    filled = np.where(seen, strip, np.nanmedian(strip))
    inside = map_coordinates(seen.astype(np.float32), places, order=1, cval=0.0) > 0.5
    inside &= np.isfinite(row) & (row >= -0.5) & (row <= len(strip) - 0.5)
    level, known = np.zeros(ROWS), np.zeros(ROWS, np.bool_)
    level[held], known[held] = levels_at(source[held], subject)
    order = np.argsort(subject.rows)
    front = np.interp(np.nan_to_num(source), subject.rows[order], subject.front[order])
    discs = np.interp(subject.rows, source[held], held.astype(float), left=_GONE, right=_GONE)
    return _Placed(
        image=map_coordinates(filled, places, order=1, mode="nearest"),
        inside=inside,
        held=(int(held[0]), int(held[-1])),
        numbers=subject.numbers,
        discs=discs,
        level=level,
        known=known,
        front=(front - bend) * deeper,
    )


def _rows(count: int, stretch: float, rng: np.random.Generator) -> Floats:
    """The strip's row that each of an example's rows shows; NaN where it shows none."""
    even = len(np.arange(0, count, 1 / stretch))
    source = np.cumsum(np.exp(wavy(even, 22, 0.05, rng)) / stretch)
    source -= source[0]
    source = source[source < count - 1]
    if source.size > ROWS:
        top = source.size - ROWS
        first = int(rng.integers(0, top + 1)) if rng.random() < 0.7 else top
        source = source[first : first + ROWS]
    rows = np.full(ROWS, np.nan)
    place = int(rng.integers(0, ROWS - source.size + 1))
    rows[place : place + source.size] = source
    return rows


def _recoloured(
    placed: _Placed, subject: TrainingSubject, mix: Mix, rng: np.random.Generator
) -> Floats:
    """The strip in other greys, sometimes with a painted spine over it."""
    image, there = placed.image, placed.discs > _GONE
    kind = rng.random()
    if subject.exact and there.sum() >= 2 and rng.random() < mix.paint:
        if kind < 0.5:
            image = remapped(np.clip(image, 0, 1), rng)
        front = np.interp(placed.discs[there], np.arange(ROWS), placed.front)
        return painted(image, Spine(placed.discs[there], placed.numbers[there], front, _X), rng)
    if kind < mix.remap:
        return remapped(np.clip(image, 0, 1), rng)
    return np.asarray(np.clip(image, 0, 1.3) ** np.exp(rng.normal(0, 0.35)))


@dataclass(frozen=True, eq=False)
class _Pair:
    strip: Floats
    placed: _Placed
    exact: bool


def _spoiled(pair: _Pair, mix: Mix, rng: np.random.Generator) -> Example:
    """The example; sometimes upside down (discs, no numbers) or with no spine in it (no disc)."""
    kind, strip, placed = rng.random(), pair.strip, pair.placed
    if kind < mix.upside_down:
        return _told(strip[::-1], placed, pair.exact, "discs", placed.known[::-1])
    if kind < mix.upside_down + mix.no_spine:
        mirrored = rng.random() < 0.5
        strip = strip[:, ::-1] if mirrored else strip[rng.permutation(ROWS)]
        return _told(strip, placed, pair.exact, "nothing", np.ones(ROWS, np.bool_))
    return _told(strip, placed, pair.exact, "numbers", placed.known)


def _told(strip: Floats, placed: _Placed, exact: bool, what: str, known: Mask) -> Example:
    there = placed.discs > _GONE
    discs = placed.discs[there]
    top = placed.discs[there & (placed.numbers == 3)]
    spread = _SHARP if exact else _BLUNT
    rows = np.arange(ROWS, dtype=np.float64)
    if what == "discs":
        discs = ROWS - 1 - discs
    nothing: Floats = np.zeros(0)
    return Example(
        image=channels(np.ascontiguousarray(strip, np.float32)),
        disc=_bumps(rows, nothing if what == "nothing" else discs, spread),
        c2c3=_bumps(rows, top if what == "numbers" else nothing, spread),
        level=placed.level / LEVEL_UNIT,
        front=placed.front / LEVEL_UNIT,
        weight=np.where(in_view(np.isfinite(strip)) & known, 1.0 if exact else 0.5, 0.0),
        numbered=float(what == "numbers"),
    )


def _bumps(rows: Floats, centres: Floats, spread: float) -> Floats:
    """1 at the centres, falling as a Gaussian to 0 around them."""
    apart = np.abs(rows[:, None] - centres[None]).min(axis=1, initial=np.inf)
    return np.asarray(np.exp(-0.5 * (apart / spread) ** 2))
