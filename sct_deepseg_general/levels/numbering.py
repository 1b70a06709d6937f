"""Which disc is which: the best course of numbers along the cord, and what speaks against it.

A dynamic programme over number and row. What counts, in units of log odds: the response to a
disc, the level that the network reads at that row, the response to C2/C3, the distance from disc
to disc against the population's, and discs that should be in view and are not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.levels.responses import Responses

__all__ = [
    "FIRST",
    "LAST",
    "SAME",
    "SEEN",
    "SPACING",
    "NumberedDisc",
    "Numbering",
    "Weights",
    "numbered",
]

Floats = NDArray[np.float64]

FIRST, LAST = 3, 20
"""Discs that are looked for: C2/C3 is the uppermost disc, 20 is T12/L1."""

SEEN = 0.3
"""Response from which a disc counts as seen; between seen ones, others are interpolated."""

SPACING: tuple[float, ...] = (
    *(18.3, 17.3, 16.3, 15.9, 16.1, 19.4, 21.5, 22.9, 23.1),
    *(24.1, 25.5, 26.5, 27.0, 26.7, 29.1, 31.6, 32.1),
)
"""Mean distance along the cord in mm from disc 3 to 4, from 4 to 5, and so on, of the people
trained on; the last seven are PAM50's."""

SAME = 4
"""Rows within which two places are the same disc."""

_SCALES = np.exp(np.linspace(-0.21, 0.21, 7))  # sizes of a body
_SCALE_SD = 0.10  # of their logarithm
_STEPS = np.arange(8, 46)  # mm from a disc to the next
_NEVER = -1e6


@dataclass(frozen=True)
class Weights:
    """How much each kind of evidence counts; 0 leaves it out."""

    disc: float = 1.0
    level: float = 0.2
    c2c3: float = 3.0
    spacing: float = 1.0
    border: float = 4.0


@dataclass(frozen=True)
class NumberedDisc:
    """A disc's number, its row in the strip, and the response there (0 to 1)."""

    number: int
    row: float
    response: float


@dataclass(frozen=True)
class Numbering:
    """The discs from the uppermost down; `margin` is how much better it is than the best other
    numbering, in log odds; `scale` the person's size against the population.
    """

    places: tuple[NumberedDisc, ...]
    margin: float
    scale: float


def numbered(
    found: Responses, given: Mapping[int, float] | None = None, weights: Weights | None = None
) -> Numbering:
    """The most likely discs of a strip.

    Parameters
    ----------
    found
        The network's responses, a value for each row.
    given
        Rows of discs that are known, by their number: they are kept.
    weights
        What each kind of evidence counts.

    Returns
    -------
    Numbering
        Numbers without a gap, from the uppermost disc down; empty where no row is in view.
    """
    weights = weights or Weights()
    if given:  # the user's word counts, not what the network reads
        weights = replace(weights, level=0.0, c2c3=0.0)
    if not found.visible.any():
        return Numbering((), 0.0, 1.0)
    evidence = _held(_evidence(found, weights), given or {})
    best = _best(evidence, found.visible, weights)
    other = _best(_without(evidence, best.path), found.visible, weights)
    places = [_place(number, row, found.disc) for number, row in best.path]
    return Numbering(_seen(places, given or {}), best.score - other.score, best.scale)


def _seen(places: Sequence[NumberedDisc], given: Mapping[int, float]) -> tuple[NumberedDisc, ...]:
    """The places without those at the two ends where no disc was seen."""
    kept = [n for n, one in enumerate(places) if one.response >= SEEN or one.number in given]
    return tuple(places[kept[0] : kept[-1] + 1]) if kept else ()


@dataclass(frozen=True)
class _Path:
    score: float
    path: tuple[tuple[int, int], ...]
    """Number and row, from the uppermost down."""
    scale: float


def _evidence(found: Responses, weights: Weights) -> Floats:
    """What speaks for each number (rows of the result) at each row of the strip."""
    numbers = np.arange(FIRST, LAST + 1)[:, None]
    off = np.abs(found.level - numbers) / found.spread
    evidence = weights.disc * np.clip(_log_odds(found.disc), -2, 4) - weights.level * np.minimum(
        off, 8
    )
    evidence[0] += weights.c2c3 * np.clip(_log_odds(found.c2c3), -4, 4)
    evidence[1:] += weights.c2c3 * np.clip(np.log(1 - found.c2c3 + 1e-3), -4, 0)
    evidence[:, ~found.visible] = _NEVER
    return np.asarray(evidence)


def _log_odds(p: Floats) -> Floats:
    return np.asarray(np.log(p + 1e-6) - np.log(1 - p + 1e-6))


def _held(evidence: Floats, given: Mapping[int, float]) -> Floats:
    """The evidence with the given discs where they are, and no other disc there."""
    evidence = evidence.copy()
    for number, row in given.items():
        here = _around(row, evidence.shape[1])
        if here.start >= here.stop:
            continue
        kept = evidence[number - FIRST, here] + 50.0
        evidence[number - FIRST] = _NEVER
        evidence[:, here] = _NEVER
        evidence[number - FIRST, here] = kept
    return evidence


def _without(evidence: Floats, path: tuple[tuple[int, int], ...]) -> Floats:
    """The evidence if none of these discs had this number."""
    evidence = evidence.copy()
    for number, row in path:
        evidence[number - FIRST, _around(row, evidence.shape[1])] = -1e5
    return evidence


def _around(row: float, rows: int) -> slice:
    middle = round(row)
    return slice(max(0, middle - SAME), min(rows, middle + SAME + 1))


def _best(evidence: Floats, visible: NDArray[np.bool_], weights: Weights) -> _Path:
    """The best path over all sizes of a body."""
    paths = []
    for scale in _SCALES:
        score, path = _path(evidence, visible, float(scale), weights)
        paths.append(
            _Path(score - 0.5 * (np.log(scale) / _SCALE_SD) ** 2, tuple(path), float(scale))
        )
    return max(paths, key=lambda one: one.score)


def _path(
    evidence: Floats, visible: NDArray[np.bool_], scale: float, weights: Weights
) -> tuple[float, list[tuple[int, int]]]:
    """The best path for one size: its score, and number and row from the uppermost down."""
    spacing = np.array([*SPACING, SPACING[-1]]) * scale
    begin, end = _borders(visible, spacing, weights)
    score, above = np.empty_like(evidence), np.zeros(evidence.shape, np.int64)
    score[0] = evidence[0] + begin[0]
    for i in range(1, len(evidence)):
        reached, step = _from_above(score[i - 1], spacing[i - 1], weights)
        goes_on = reached > begin[i]
        score[i] = evidence[i] + np.where(goes_on, reached, begin[i])
        above[i] = np.where(goes_on, step, 0)
    total = score + end
    i, row = (int(n) for n in np.unravel_index(total.argmax(), total.shape))
    best, path = float(total[i, row]), [(FIRST + i, row)]
    while above[i, row]:
        i, row = i - 1, row + int(above[i, row])
        path.append((FIRST + i, row))
    return best, path[::-1]


def _from_above(score: Floats, spacing: float, weights: Weights) -> tuple[Floats, Floats]:
    """The best score with which each row is reached from the disc above, and how far that is."""
    spread = 1.2 + 0.05 * spacing
    gain = 1.0 - 0.5 * weights.spacing * ((_STEPS - spacing) / spread) ** 2
    padded = np.concatenate([score, np.full(_STEPS[-1], -1e9)])
    rows = np.arange(score.size)
    reached = padded[rows[None] + _STEPS[:, None]] + gain[:, None]
    best = reached.argmax(axis=0)
    return reached[best, rows], _STEPS[best]


def _borders(
    visible: NDArray[np.bool_], spacing: Floats, weights: Weights
) -> tuple[Floats, Floats]:
    """What it costs to begin, or to end, with a number at a row though there is room for more."""
    rows = np.flatnonzero(visible)
    at = np.arange(visible.size)
    above = np.concatenate([[np.inf], spacing[:-1]])[:, None]  # nothing is above C2/C3
    begin = -weights.border * np.clip((rows[-1] - at - above - 2) / 6, 0, 1)
    end = -weights.border * np.clip((at - rows[0] - spacing[:, None] - 2) / 6, 0, 1)
    return np.asarray(begin), np.asarray(end)


def _place(number: int, row: int, disc: Floats) -> NumberedDisc:
    """The disc at a row, moved to the middle of the response around it."""
    span = slice(max(0, row - 2), row + 3)
    response = float(disc[max(0, row - 1) : row + 2].max())
    if disc[row] <= 0.15:
        return NumberedDisc(number, float(row), response)
    weight = disc[span] + 1e-6
    at = np.arange(span.start, span.start + weight.size)
    return NumberedDisc(number, float((at * weight).sum() / weight.sum()), response)
