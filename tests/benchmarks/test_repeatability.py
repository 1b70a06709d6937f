"""How far a second scan lies off: people count the same, and few people widen it."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.accuracy.repeatability import repeat


def test_nine_of_ten_second_scans_lie_within() -> None:
    rng = np.random.default_rng(2)
    held = []
    for _ in range(400):
        seen = [(f"p{n}", float(d)) for n, d in enumerate(rng.normal(0, 0.01, 6))]
        share = repeat(seen)
        held += (np.abs(rng.normal(0, 0.01, 50)) <= share).tolist()
    assert np.mean(held) == pytest.approx(0.9, abs=0.02)


def test_many_pairs_of_one_person_count_as_one_person() -> None:
    many = [("a", 0.02)] * 50 + [("b", 0.0), ("c", 0.0)]
    few = [("a", 0.02), ("b", 0.0), ("c", 0.0)]
    assert repeat(many) == pytest.approx(repeat(few))
