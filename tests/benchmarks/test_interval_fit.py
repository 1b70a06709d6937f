"""The fit of an interval: it covers what it is asked to, and people count the same."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.support.interval_fit import Compared, fitted, quantile
from sct_deepseg_general.quality.border_scale import BorderScale
from sct_deepseg_general.quality.uncertainty import IntervalFactors

TRUE = BorderScale(usual=0.4, always=0.06, small=0.2, gap=0.3)


def compared(
    person: str, seed: int, part: str = "train", slices: int = 200, bias: float = 0.0
) -> Compared:
    """An image whose errors are normal with the true scale as their standard deviation."""
    rng = np.random.default_rng(seed)
    area, border = (
        np.linspace(*rng.uniform(low, high, 2), slices) for low, high in ((30, 90), (-0.2, 1.0))
    )
    common = rng.normal() if bias == 0 else bias
    errors = TRUE.of(area, border) * (common + rng.normal(0, 0.5, slices))
    length = np.full(slices, 3.0)
    return Compared(person, "set", part, person, area, area + errors, border, length)


def people(count: int, first: int = 0) -> list[Compared]:
    return [compared(f"p{first + n}", first + n) for n in range(count)]


def test_new_people_are_covered_at_least_as_often_as_asked() -> None:
    covered, regions = [], []
    for trial in range(30):
        own = people(13, 100 * trial)
        fit, new = fitted(own[:12]), own[12]
        covered.append(np.mean(np.abs(new.errors) <= fit.half_widths(new)))
        errors = np.abs(new.regions(new.errors))
        regions.append(np.mean(errors <= fit.half_widths_of_regions(new)))
    assert np.mean(covered) > 0.88
    assert np.mean(regions) > 0.88


def test_the_scale_is_found_from_the_errors() -> None:
    fit = fitted(people(150))
    assert fit.people == 150
    assert fit.scale.usual == pytest.approx(0.4, abs=0.06)
    found, true = fit.scale.shares, TRUE.shares
    assert found / found.sum() == pytest.approx(true / true.sum(), abs=0.15)
    assert fit.regions < fit.slices


def test_a_person_with_many_slices_counts_as_one() -> None:
    quiet = [compared(f"q{n}", n, slices=10) for n in range(40)]
    loud = compared("loud", 99, slices=10_000, bias=50.0)
    both = fitted([*quiet, loud])
    assert np.mean(np.abs(loud.errors) <= both.half_widths(loud)) < 0.1
    covered = [np.mean(np.abs(one.errors) <= both.half_widths(one)) for one in quiet]
    assert np.mean(covered) > 0.9


def test_with_few_people_the_largest_error_is_held() -> None:
    few = people(4)
    fit = fitted(few)
    assert all((np.abs(one.errors) <= fit.half_widths(one) + 1e-9).all() for one in few)


def test_the_quantile_is_of_the_weight() -> None:
    values, weight = np.array([3.0, 1.0, 2.0]), np.array([1.0, 8.0, 1.0])
    assert quantile(values, weight, 0.5) == 1.0
    assert quantile(values, weight, 0.85) == 2.0
    assert quantile(values, weight, 1.0) == 3.0


def test_the_record_is_one_that_the_package_reads() -> None:
    fit = fitted(people(12))
    read = IntervalFactors.from_record(fit.record())
    assert read.fitted
    assert read.scale is not None
    assert read.scale.gap == pytest.approx(fit.scale.gap, abs=1e-3)
    assert read.edge == read.views == pytest.approx((fit.slices, fit.slices), abs=0.01)
    share = read.of_regions(views=False).above
    assert share == pytest.approx(fit.regions / fit.slices, abs=0.01)


def test_a_region_is_the_mean_of_its_slices_and_overlaps_the_next_by_half() -> None:
    one = compared("a", 1, slices=40)  # slices of 3 mm: regions of 10
    assert one.regions(np.arange(40.0)) == pytest.approx(np.arange(4.5, 35, 5))
    assert compared("b", 1, slices=4).regions(np.arange(4.0)) == pytest.approx([1.5])
