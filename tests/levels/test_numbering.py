"""Numbers along the cord: from responses that are clear, faint, missing, or known."""

from __future__ import annotations

import numpy as np
import pytest

from sct_deepseg_general.levels.numbering import FIRST, SPACING, Weights, numbered
from sct_deepseg_general.levels.responses import Responses

ROWS = 260


def rows_of_discs(top: float, count: int, scale: float = 1.0) -> dict[int, float]:
    steps = np.concatenate([[0.0], np.cumsum(SPACING[: count - 1])]) * scale
    return {FIRST + n: float(top - step) for n, step in enumerate(steps)}


def said(discs: dict[int, float], faint: tuple[int, ...] = (), *, c2c3: bool = True) -> Responses:
    """What a network that sees these discs says; it reads the levels with an error of 0.2."""
    at = np.arange(ROWS, dtype=np.float64)
    numbers, rows = np.array(list(discs)), np.array(list(discs.values()))
    seen = np.array([n not in faint for n in discs])
    bumps = np.exp(-0.5 * ((at[:, None] - rows[None]) / 1.5) ** 2)
    order = np.argsort(rows)
    level = np.interp(at, rows[order], numbers[order].astype(float)) + 0.2
    top = bumps[:, 0] if c2c3 and numbers[0] == FIRST else np.zeros(ROWS)
    return Responses(
        disc=np.clip((bumps * seen).max(axis=1) * 0.95, 0.01, 1),
        c2c3=np.clip(top * 0.95, 0.01, 1),
        level=level,
        spread=np.full(ROWS, 0.3),
        front=np.full(ROWS, 6.0),
        visible=np.ones(ROWS, np.bool_),
    )


@pytest.mark.parametrize("scale", [0.85, 1.0, 1.15])
def test_clear_discs_have_their_numbers_and_rows(scale: float) -> None:
    discs = rows_of_discs(230, 10, scale)
    found = numbered(said(discs))
    assert {place.number: pytest.approx(place.row, abs=0.6) for place in found.places} == discs
    assert found.scale == pytest.approx(scale, abs=0.05)
    assert found.margin > 5


def test_a_faint_disc_is_put_between_its_neighbours() -> None:
    discs = rows_of_discs(230, 10)
    found = {place.number: place for place in numbered(said(discs, faint=(6,))).places}
    assert list(found) == list(discs)
    assert found[6].row == pytest.approx(discs[6], abs=3)
    assert found[6].response < 0.3 < found[5].response


def test_without_the_reading_of_levels_the_margin_is_small() -> None:
    discs = {n: row for n, row in rows_of_discs(285, 8).items() if n > 4}
    sure = numbered(said(discs))
    unsure = numbered(said(discs), weights=Weights(level=0.0))
    assert [place.number for place in sure.places] == list(discs)
    assert unsure.margin < sure.margin


def test_a_known_disc_moves_all_numbers() -> None:
    discs = rows_of_discs(230, 8)
    rows = list(discs.values())
    found = {p.number: p.row for p in numbered(said(discs), {5: rows[3]}).places}
    for number, row in zip(range(5, 9), rows[3:7], strict=True):
        assert found[number] == pytest.approx(row, abs=3)


def test_nothing_in_view_is_no_disc() -> None:
    responses = said(rows_of_discs(230, 8))
    blind = Responses(
        responses.disc,
        responses.c2c3,
        responses.level,
        responses.spread,
        responses.front,
        np.zeros(ROWS, np.bool_),
    )
    assert numbered(blind).places == ()
