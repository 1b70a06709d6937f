"""Groups of people compared level by level."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sct_deepseg_general.norms.centile import Place
from sct_deepseg_general.norms.compare_groups import Difference, differences, write_differences
from sct_deepseg_general.norms.group import GroupRow


def row(who: str, group: str, area: float, z: float | None, level: str = "C3") -> GroupRow:
    place = None if z is None else Place(area, area, area, 70.0, z, 50, 50, 50, 60.0, 10)
    return GroupRow(who, "n/a", "T2w", f"{who}_T2w.nii.gz", group, level, area, place)


def people(seed: int, count: int, effect: float, *, placed: bool = True) -> list[GroupRow]:
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(2 * count):
        group = "ab"[index % 2]
        z = rng.normal() + (effect if group == "b" else 0)
        rows.append(row(f"sub-{index}", group, 70 + 7 * z, float(z) if placed else None))
    return rows


def by_measure(found: list[Difference]) -> dict[str, Difference]:
    return {one.measure: one for one in found}


def test_the_effect_is_the_difference_in_standard_deviations() -> None:
    effects = [
        by_measure(differences(people(seed, 20, -1.0)))["z_score"].effect for seed in range(100)
    ]
    assert np.mean(effects) == pytest.approx(-1.0, abs=0.1)


def test_the_interval_holds_the_effect_19_times_in_20() -> None:
    held = []
    for seed in range(300):
        found = by_measure(differences(people(seed, 15, 0.8)))["z_score"]
        held.append(found.lower <= 0.8 <= found.upper)
    assert np.mean(held) == pytest.approx(0.95, abs=0.03)


def test_groups_without_centiles_are_compared_by_their_areas() -> None:
    found = differences(people(0, 10, -1.0, placed=False))
    assert [one.measure for one in found] == ["area"]
    assert (found[0].first.people, found[0].second.people) == (10, 10)


def test_a_person_with_two_sessions_counts_once() -> None:
    rows = people(0, 5, 0.0)
    again = differences([*rows, *rows])
    assert again == differences(rows)


def test_every_two_of_three_groups_are_compared_and_small_groups_left_out() -> None:
    rows = [*people(0, 5, 0.0), *(row(f"sub-c{k}", "c", 60.0 + k, 0.1 * k) for k in range(4))]
    rows += [row("sub-d", "d", 50.0, -2.0), row("sub-e", "", 50.0, -2.0)]
    pairs = {(one.first.name, one.second.name) for one in differences(rows)}
    assert pairs == {("a", "b"), ("a", "c"), ("b", "c")}


def test_the_table_has_a_row_for_each_comparison(tmp_path: Path) -> None:
    found = differences(people(0, 5, 0.0))
    write_differences(tmp_path / "groups.tsv", found)
    lines = (tmp_path / "groups.tsv").read_text().splitlines()
    assert len(lines) == 1 + len(found)
    assert "hedges_g" in lines[0]
