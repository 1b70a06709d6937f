"""The factors of an interval: they cover what they are asked to, and people count the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.interval_coverage import (
    Found,
    coverage,
    factors,
    reaches,
    report,
    typical,
)
from benchmarks.support.labelled import Labelled
from sct_deepseg_general.quality.appearance import Appearance
from sct_deepseg_general.quality.uncertainty import IntervalFactors


def found(person: str, errors: np.ndarray, part: str = "train", even: float = 0.2) -> Found:
    """An image whose reference differs by `errors` scales of 2 and 1 mm²."""
    area = np.full(errors.size, 80.0)
    one = Labelled(Path("image"), Path("label"), part, person)
    scales = {"edge": np.full(errors.size, 2.0), "views": np.full(errors.size, 1.0)}
    looks = Appearance(0.85, 0.5, even, 0.7, 0.5, 0.8)
    return Found(one, area, area + 2 * errors, scales, 0, looks, np.full(errors.size, 3.0))


def people(count: int, slices: int = 200, part: str = "train") -> list[Found]:
    rng = np.random.default_rng(6)
    return [found(f"{part}{n}", rng.normal(0.3, 1, slices), part) for n in range(count)]


def test_factors_cover_others_as_often_as_asked() -> None:
    reach = factors(people(20), "edge")
    others = [coverage(one, "edge", reach) for one in people(30)[20:]]
    assert np.mean(others) == pytest.approx(0.9, abs=0.03)
    assert reach[1] > reach[0]  # the errors lean upwards
    twice = factors(people(20), "views")
    assert twice == pytest.approx([2 * value for value in reach])


def test_a_person_with_many_slices_counts_as_one() -> None:
    quiet = [found("a", np.zeros(10)), found("b", np.zeros(10)), found("c", np.zeros(10))]
    loud = found("d", np.full(10_000, 5.0))
    assert factors([*quiet, *quiet, *quiet, loud], "edge")[1] == 5.0
    many = [found(f"p{n}", np.zeros(10)) for n in range(30)]
    assert factors([*many, loud], "edge") == (0.0, 0.0)


def test_the_record_is_one_that_the_package_reads() -> None:
    found = [*people(4), *people(2, part="dev")]
    regions = {"length": 30.0, **reaches([one.regions() for one in found])}
    record = {"level": 0.9, **reaches(found), "regions": regions}
    calibration = IntervalFactors.from_record(record)
    assert calibration.fitted
    assert calibration.views[1] == pytest.approx(2 * calibration.edge[1], abs=0.02)
    assert reaches(found) == reaches(people(4))  # dev is left out
    assert 0 < calibration.of_regions(views=False).above < 1  # independent errors cancel


def test_a_region_is_the_mean_of_its_slices_and_overlaps_the_next_by_half() -> None:
    one = found("a", np.arange(40.0))  # slices of 3 mm: regions of 10
    regions = one.regions()
    assert regions.errors("edge") == pytest.approx(np.arange(4.5, 35, 5))
    assert found("b", np.arange(4.0)).regions().errors("edge") == pytest.approx([1.5])


def test_typical_ranges_have_room_and_leave_dev_out() -> None:
    seen = [found("a", np.zeros(3), even=0.2), found("b", np.zeros(3), even=0.4)]
    ranges = typical([*seen, found("c", np.zeros(3), "dev", even=0.9)])
    assert ranges["evenness"] == pytest.approx([0.15, 0.45])
    assert ranges["in_plane"] == [0.5, 0.5]


def test_the_report_has_a_row_a_person_and_both_parts() -> None:
    lines = "\n".join(report([*people(3), *people(2, part="dev")]))
    assert lines.count("| train |") == 3
    assert lines.count("| dev |") == 2
    assert "people of train" in lines
    assert "people of dev" in lines
