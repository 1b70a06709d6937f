"""The interval of a region's mean: its limits, and that of a table's rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sct_deepseg_general.csa.aggregate import aggregated, profiles
from sct_deepseg_general.csa.selection import Selection
from sct_deepseg_general.image.volume import Grid, Segmentation
from sct_deepseg_general.morphometry.morphometrics import Morphometrics, measure
from sct_deepseg_general.morphometry.region_interval import SLICES, RegionInterval

AREA = np.array([70.0, 80.0, 90.0])
LOWER, UPPER = AREA - 10, AREA + 20
HALF = RegionInterval(0.5, 0.25, 30.0)


def test_a_long_region_has_its_shares_a_slice_the_whole_and_between_them_it_is_linear() -> None:
    assert HALF.ends(AREA, LOWER, UPPER, 30) == pytest.approx((75, 85))
    assert HALF.ends(AREA, LOWER, UPPER, 300) == pytest.approx((75, 85))
    assert HALF.ends(AREA, LOWER, UPPER, 15) == pytest.approx((80 - 7.5, 80 + 12.5))
    assert HALF.ends(AREA[:1], LOWER[:1], UPPER[:1], 30) == pytest.approx((60, 90))
    assert SLICES.ends(AREA, LOWER, UPPER, 30) == pytest.approx((70, 100))


def tube() -> Morphometrics:
    """A tube of 25 slices of 2 mm, each with an interval from 10 below to 20 mm² above."""
    data = np.zeros((20, 20, 25), np.uint8)
    data[6:14, 6:14] = 1
    table = measure(Segmentation(data, Grid(data.shape, np.diag([-1.0, 1, 2, 1]))))
    held = table.with_interval(table.area - 10, table.area + 20)
    return replace(held, regions=HALF, repeat=0.02)


def test_rows_of_a_table_and_its_whole_have_the_interval_of_a_region() -> None:
    table = tube()
    whole = float(table.area.mean())
    assert table.mean_interval() == pytest.approx((whole - 5, whole + 5))
    assert table.mean_repeat(50.0) == pytest.approx((49, 51))
    rows = aggregated(profiles(table), Selection(slices=tuple(range(20))))
    mean = float(rows.column("MEAN(area)")[0])
    assert rows.column("MEAN(area_lower)")[0] == pytest.approx(mean - 5)
    assert rows.column("MEAN(area_upper)")[0] == pytest.approx(mean + 5)
    slices = aggregated(profiles(table), Selection(per_slice=True))
    np.testing.assert_allclose(
        slices.column("MEAN(area)") - slices.column("MEAN(area_lower)"), 10.0
    )


def test_without_cord_or_intervals_there_is_no_interval() -> None:
    table = tube()
    assert replace(table, area_lower=None).mean_interval() is None
    assert table.mean_interval(np.array([], np.int64)) is None
    assert replace(table, repeat=None).mean_repeat(50.0) is None


def test_a_region_with_a_slice_without_interval_has_none_and_its_row_is_empty() -> None:
    table = tube()
    assert table.area_lower is not None
    assert table.area_upper is not None
    lower, upper = table.area_lower.copy(), table.area_upper.copy()
    lower[3] = upper[3] = np.nan
    held = table.with_interval(lower, upper)
    rows = aggregated(profiles(held), Selection(slices=tuple(range(10))))
    assert held.mean_interval() is None
    assert rows.rows[0].values[rows.columns.index("MEAN(area_lower)")] is None
    assert rows.rows[0].values[rows.columns.index("MEAN(area_upper)")] is None
    others = np.arange(4, 20)
    assert held.mean_interval(others) == pytest.approx(table.mean_interval(others))
