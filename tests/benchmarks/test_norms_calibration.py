"""The ratio between a model's values and those of the norms, and what is not known of it."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.quality.norms_calibration import calibration, checked
from sct_deepseg_general.norms.centile import Calibrations


def people(count: int, between: float, within: float, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [0.9 + between * rng.normal() + within * rng.normal(size=8) for _ in range(count)]


def test_the_ratio_is_the_mean_over_people_however_many_levels_they_have() -> None:
    full, cut = np.full(8, 1.1), np.full(8, np.nan)
    cut[:2] = 0.9
    found = calibration([full, cut])
    assert found["ratio"] == pytest.approx(1.0)
    assert found["people"] == 2


def test_the_deviation_is_that_of_one_level_of_another_person() -> None:
    found = np.mean([calibration(people(4, 0.03, 0.06, seed))["sd"] for seed in range(200)])
    assert found == pytest.approx(np.hypot(0.03, 0.06), abs=0.006)


def test_the_record_is_one_that_a_model_can_have() -> None:
    record = {"T2w": {"area": calibration(people(3, 0.03, 0.06, 1))}}
    assert Calibrations.from_record(record).get("T2w", "area") is not None


def test_a_person_who_is_far_off_is_seen_in_the_check() -> None:
    record = {"area": {"ratio": 1.0, "sd": 0.05}}
    (line,) = checked(record, {"far": {"area": np.array([1.3, 1.0, np.nan])}})
    assert "1 of 2 levels" in line
