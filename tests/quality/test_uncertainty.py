"""Intervals of the area: what widens them, and what makes them of the record."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from phantoms import affine_of

from sct_deepseg_general.errors import ImageError, ModelError
from sct_deepseg_general.image.volume import Grid, Probability, Segmentation
from sct_deepseg_general.morphometry.morphometrics import Morphometrics, measure
from sct_deepseg_general.morphometry.region_interval import RegionInterval
from sct_deepseg_general.morphometry.soft_area import surroundings
from sct_deepseg_general.quality.border_scale import BorderScale
from sct_deepseg_general.quality.uncertainty import Doubt, IntervalFactors, doubt, with_interval

SHAPE = (40, 40, 8)
SPACING = (0.5, 0.5, 3.0)
GRID = Grid(SHAPE, affine_of("LAS", SPACING, SHAPE))


def tube(softness: float, radius: float = 5.0, grid: Grid = GRID) -> Probability:
    """A tube whose edge goes from 1 to 0 as a logistic curve; `softness` is in mm."""
    x, y = (np.arange(n) * 0.5 - 10 for n in SHAPE[:2])
    beyond = np.hypot(x[:, None], y[None, :]) - radius
    plane = 1 / (1 + np.exp(beyond / softness))
    data = np.repeat(plane[:, :, None], SHAPE[2], axis=2).astype(np.float32)
    return Probability(data, grid)


def masked(probability: Probability) -> tuple[Segmentation, Morphometrics]:
    mask = Segmentation((probability.data >= 0.5).astype(np.uint8), probability.grid)
    return mask, measure(mask)


def doubted(probability: Probability, *other: Probability) -> tuple[Doubt, Morphometrics]:
    mask, table = masked(probability)
    return doubt(probability, surroundings(mask, table), table, 0.5, other), table


def test_the_edge_is_half_the_ring_between_a_quarter_and_three_quarters() -> None:
    softness = 0.4
    found, _ = doubted(tube(softness))
    reach = softness * np.log(3)  # where the logistic curve is 0.25 and 0.75
    ring = np.pi * ((5 + reach) ** 2 - (5 - reach) ** 2) / 2
    np.testing.assert_allclose(found.edge, ring, rtol=0.1)
    assert found.views is None
    assert found.agreement == ()


def test_a_softer_edge_is_more_in_doubt_and_the_interval_holds_the_area() -> None:
    widths = []
    for softness in (0.1, 0.3, 0.6):
        found, table = doubted(tube(softness))
        held = with_interval(table, found, IntervalFactors())
        assert held.area_lower is not None
        assert held.area_upper is not None
        assert (held.area_lower < table.area).all()
        assert (table.area < held.area_upper).all()
        widths.append(float((held.area_upper - held.area_lower).mean()))
    assert widths == sorted(widths)


def test_views_that_differ_widen_and_views_that_agree_do_not() -> None:
    same, table = doubted(tube(0.2), tube(0.2))
    other, _ = doubted(tube(0.2), tube(0.2, radius=4.0))
    assert same.views is not None
    assert other.views is not None
    np.testing.assert_allclose(same.views, 0, atol=1e-9)
    difference = np.pi * (5.0**2 - 4.0**2)
    np.testing.assert_allclose(other.views, difference / 2, rtol=0.1)  # of two values
    assert (other.scale(table.area) > 2 * same.scale(table.area)).all()
    assert same.agreement == (1.0,)
    assert other.agreement[0] == pytest.approx(2 * 16 / (16 + 25), abs=0.02)


def test_the_factors_stretch_each_side() -> None:
    found, table = doubted(tube(0.3))
    scale = found.scale(table.area)
    held = with_interval(table, found, IntervalFactors(0.9, (2.0, 3.0), (9.0, 9.0), fitted=True))
    assert held.area_lower is not None
    assert held.area_upper is not None
    np.testing.assert_allclose(table.area - held.area_lower, 2 * scale)
    np.testing.assert_allclose(held.area_upper - table.area, 3 * scale)
    wild = with_interval(table, found, IntervalFactors(edge=(1e3, 0.0)))
    assert wild.area_lower is not None
    assert (wild.area_lower == 0).all()


def test_without_cord_there_is_no_interval() -> None:
    nothing = Probability(np.zeros(SHAPE, np.float32), GRID)
    found, table = doubted(nothing)
    held = with_interval(table, found, IntervalFactors())
    assert held.area_lower is not None
    assert np.isnan(held.area_lower).all()


def test_a_probability_of_another_grid_is_refused() -> None:
    mask, table = masked(tube(0.2))
    elsewhere = Grid(SHAPE, affine_of("LAS", (0.5, 0.5, 4.0), SHAPE))
    with pytest.raises(ImageError, match="same grid"):
        doubt(tube(0.2, grid=elsewhere), surroundings(mask, table), table, 0.5)


def test_the_record_gives_the_factors() -> None:
    assert not IntervalFactors.from_record(None).fitted
    record = {"level": 0.8, "edge": [1, 2.5], "views": [0.5, 3]}
    assert IntervalFactors.from_record(record) == IntervalFactors(
        0.8, (1.0, 2.5), (0.5, 3.0), fitted=True
    )


def test_a_second_scan_lies_within_the_share_that_the_record_names() -> None:
    record = {"level": 0.9, "edge": [1, 1], "views": [1, 1], "repeat": 0.03}
    area, edge = np.array([70.0, np.nan, 90.0]), np.array([7.0, np.nan, 9.0])
    factors = IntervalFactors.from_record(record)
    assert factors.repeat_share(edge, area) == pytest.approx(0.03)
    assert IntervalFactors().repeat_share(edge, area) is None
    assert factors.repeat_share(edge * np.nan, area * np.nan) is None


def test_a_second_scan_lies_farther_off_where_the_edge_is_more_in_doubt_than_in_the_pairs() -> None:
    record = {"level": 0.9, "edge": [1, 1], "views": [1, 1], "repeat": 0.03, "repeat_edge": 0.1}
    factors, area = IntervalFactors.from_record(record), np.array([80.0, 80.0])
    assert factors.repeat_share(area * 0.05, area) == pytest.approx(0.03)
    assert factors.repeat_share(area * 0.2, area) == pytest.approx(0.06)


def test_the_mean_over_a_region_has_factors_of_its_own() -> None:
    regions = {"length": 30, "edge": [1, 1], "views": [0.5, 3]}
    record = {"level": 0.9, "edge": [2, 4], "views": [1, 0], "regions": regions}
    factors = IntervalFactors.from_record(record)
    assert factors.of_regions(views=False) == RegionInterval(0.5, 0.25, 30.0)
    assert factors.of_regions(views=True) == RegionInterval(0.5, 1.0, 30.0)
    assert IntervalFactors().of_regions(views=True) == RegionInterval()
    found, table = doubted(tube(0.3))
    held = with_interval(table, found, factors)
    assert held.area_lower is not None
    whole = held.mean_interval()
    assert whole is not None
    at = min(1.0, float(table.column("length").sum()) / 30)
    mean, low = float(table.area.mean()), float(held.area_lower.mean())
    assert whole[0] == pytest.approx(mean - (1 - 0.5 * at) * (mean - low))


def test_a_record_with_a_scale_makes_the_interval_from_the_border() -> None:
    scale = {"usual": 0.4, "always": 0.05, "small": 0.2, "gap": 0.3}
    record = {"level": 0.9, "edge": [2, 3], "views": [1, 1], "scale": scale}
    factors = IntervalFactors.from_record(record)
    found, table = doubted(tube(0.3))
    assert found.source == "edge"
    seen = replace(found, border=np.full(table.area.shape, 0.5))
    assert seen.source == "border"
    for doubt_, border in ((seen, 0.5), (found, np.nan)):  # not looked for is not found
        expected = BorderScale(0.4, 0.05, 0.2, 0.3).of(table.area, np.full(SHAPE[2], border))
        held = with_interval(table, doubt_, factors)
        assert held.area_lower is not None
        assert held.area_upper is not None
        np.testing.assert_allclose(table.area - held.area_lower, 2 * expected)
        np.testing.assert_allclose(held.area_upper - table.area, 3 * expected)


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"level": 0.9, "edge": [1, 1], "views": [1, 1], "scale": {"usual": 0.4}},
        {
            "level": 0.9,
            "edge": [1, 1],
            "views": [1, 1],
            "scale": {"usual": 0.4, "always": 0, "small": 0.1, "gap": 0.1},
        },
        {"level": 0.9, "edge": [1, 1], "views": [1, 1], "repeat": -0.1},
        {"level": 0.9, "edge": [1, 1], "views": [1, 1], "repeat": "often"},
        {"level": 0.9, "edge": [1, 1], "views": [1, 1], "repeat": 0.1, "repeat_edge": 0},
        {"level": 0.9, "edge": [1, 1], "views": [1, 1], "regions": {"length": 30}},
        {
            "level": 0.9,
            "edge": [1, 1],
            "views": [1, 1],
            "regions": {"length": 0, "edge": [1, 1], "views": [1, 1]},
        },
        {"level": 0.9, "edge": [1], "views": [1, 1]},
        {"level": 0.9, "edge": ["wide", 1], "views": [1, 1]},
        {"level": 1.5, "edge": [1, 1], "views": [1, 1]},
        {"level": 0.9, "edge": [-1, 1], "views": [1, 1]},
    ],
)
def test_a_record_that_says_nothing_is_refused(record: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="intervals"):
        IntervalFactors.from_record(record)
