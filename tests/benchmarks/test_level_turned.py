"""Views of a wrong header, and the published sessions that the limit of growth comes from."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy.level_turned import Outcome, grown, line, sessions, upside_down
from benchmarks.accuracy.level_windows import Window
from sct_deepseg_general.levels.course import Course
from sct_deepseg_general.levels.growth import LARGEST_GROWTH
from sct_deepseg_general.levels.strip import Strip

NAMES = ("structure", "dataset", "contrast", "participant", "session", "age")


def test_levels_that_are_cut_do_not_count(tmp_path: Path) -> None:
    rows = [
        ("sub-01", 2, 30, 70),
        ("sub-01", 3, 36, 77),
        ("sub-02", 2, 30, 60),
        ("sub-02", 3, 9, 99),
    ]
    head = "\t".join([*NAMES, "level", "slices", "area_mm2"])
    lines = [
        "\t".join(
            ["spinal_cord", "one", "T2w", who, "n/a", "30", str(level), str(count), str(area)]
        )
        for who, level, count, area in rows
    ]
    path = tmp_path / "levels.tsv.gz"
    path.write_bytes(gzip.compress("\n".join([head, *lines]).encode()))
    found = {key[2]: levels for key, levels in sessions(path).items()}
    assert found == {"sub-01": {2: 70.0, 3: 77.0}, "sub-02": {2: 60.0}}
    assert grown(found["sub-01"]) == pytest.approx(np.log(1.1))
    assert grown(found["sub-02"]) is None


def test_the_growth_of_a_session_is_from_c2_or_c3_and_stops_at_a_gap() -> None:
    assert grown({2: 70.0, 3: 50.0, 4: 75.0, 6: 900.0}) == pytest.approx(np.log(1.5))
    assert grown({1: 10.0, 2: 70.0, 3: 63.0}) == pytest.approx(np.log(0.9))


def test_a_view_upside_down_has_its_discs_and_areas_there() -> None:
    points = np.arange(30.0).reshape(10, 3)
    inside = np.arange(10) < 4
    strip = Strip(
        np.arange(590, dtype=np.float32).reshape(10, 59), Course(points, points, points, inside)
    )
    view = Window("sub-01", strip, {3: 7.0, 4: 2.0}, np.arange(10.0), 1.0)
    turned = upside_down(view)
    assert turned.rows == {3: 2.0, 4: 7.0}
    assert turned.area.tolist() == view.area[::-1].tolist()
    assert turned.strip.data[2].tolist() == strip.data[7].tolist()
    assert turned.strip.course.inside.tolist() == inside[::-1].tolist()


def test_a_line_counts_what_is_withheld_and_what_is_left() -> None:
    over = LARGEST_GROWTH + 0.01
    found = [
        Outcome(given=True, growth=over, right=False),
        Outcome(given=True, growth=0.0, right=True),
        Outcome(given=True, growth=LARGEST_GROWTH, right=False),
        Outcome(given=False, growth=over, right=True),
    ]
    assert line("both", found) == "| both | 4 | 3 | 1 | 1 | 1 |"
