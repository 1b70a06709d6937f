"""Slices find their place in the template, and areas are compared over the same slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy.published_areas import table
from benchmarks.support import reference_areas
from benchmarks.support.reference_areas import Ratio, placed, ratios, slopes
from sct_deepseg_general.csa.pam50 import template_levels
from sct_deepseg_general.image.volume import Grid, Segmentation

UP = 1.0
GRID = Grid(
    (40, 40, 220), np.array([[-1, 0, 0, 20], [0, 1, 0, -20], [0, 0, UP, 0], [0, 0, 0, 1.0]])
)


def cord(lean: float = 0.0) -> Segmentation:
    """A straight tube of radius 5 mm that leans by `lean` mm a slice to the front."""
    x, y, z = np.meshgrid(*(np.arange(n) for n in GRID.shape), indexing="ij")
    inside = (x - 20) ** 2 + (y - 20 - lean * (z - 110)) ** 2 <= 25
    return Segmentation(inside.astype(np.uint8), GRID)


def template_points() -> dict[int, np.ndarray]:
    """Discs 3 to 10 where the template has them, 0.5 mm a slice from z = 0 at disc 10 up."""
    levels = template_levels()
    top = {n: int(np.flatnonzero(levels == n)[-1]) + 1 for n in range(3, 11)}
    return {n: np.array([0.0, -6.0, 10 + 0.5 * (z - top[10])]) for n, z in top.items()}


def test_slices_lie_where_their_discs_put_them() -> None:
    places = placed(cord(), template_points())
    points = template_points()
    for number in (4, 7, 9):
        border = int(np.flatnonzero(template_levels() == number)[-1]) + 1
        z = round(float(points[number][2]) / UP)
        assert places[z] == pytest.approx(border, abs=2.1)
    inside = places[20:100]
    assert np.diff(inside) == pytest.approx(2.0, abs=0.1)  # 1 mm is two slices of the template
    assert np.diff(places[150:200]) == pytest.approx(2.0, abs=0.1)  # beyond the discs too


def test_a_leaning_cord_has_the_cosine_of_its_angle() -> None:
    middle = slopes(cord(lean=0.1))[60:160]
    assert middle == pytest.approx(np.cos(np.arctan(0.1)), abs=0.01)


def test_ratios_are_of_the_same_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_areas, "discs", lambda image: template_points())
    half = dict.fromkeys(range(template_levels().size), 40.0)
    monkeypatch.setattr(reference_areas, "published", lambda person: half)
    found = ratios(cord(), Path("image"), "sub-x")
    assert {one.level for one in found} >= {3, 4, 5, 6, 7, 8, 9}
    assert [one.value for one in found] == pytest.approx(len(found) * [81 / 40], rel=0.02)


def test_the_table_has_a_row_a_person_and_their_means() -> None:
    people = [[Ratio(p, level, 80.0 + level, 80.0) for level in (3, 4)] for p in ("a", "b")]
    lines = table(people)
    assert sum(line.startswith(("| a ", "| b ")) for line in lines) == 2
    assert "1.044" in lines[2]
    assert lines[-1].startswith("All 4: mean 1.044")
