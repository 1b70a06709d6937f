"""The tables of the coverage: a row a person, datasets left out, and the mean of C2 and C3."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.interval_coverage import Found, c2c3_table, dataset, held, report, typical
from benchmarks.support.interval_fit import Compared, fitted
from sct_deepseg_general.quality.appearance import Appearance


def compared(person: str, off: float, part: str = "train", of: str = "one") -> Compared:
    """An image of 40 slices of 3 mm whose edge is off by so many mm."""
    area = np.linspace(60, 90, 40)
    errors = off * 2 * np.sqrt(np.pi * area)
    border, length = np.full(40, 0.4), np.full(40, 3.0)
    return Compared(person, of, part, f"sub-{person}_T2w", area, area + errors, border, length)


def everybody() -> list[Compared]:
    train = [compared(f"t{n}", 0.02 * n, of="one" if n < 6 else "two") for n in range(1, 11)]
    return [*train, compared("d1", 0.1, "dev", "three")]


def found(one: Compared, even: float = 0.2, *, by_label: bool = True) -> Found:
    looks = Appearance(0.85, 0.5, even, 0.7, 0.5, 0.8)
    return Found(one, np.arange(40) < 10, looks, by_label)


def test_the_report_leaves_each_person_out_of_the_fit() -> None:
    lines = list(report(everybody()))
    rows = {line.split(" | ")[0][2:]: line for line in lines if line.startswith("| ")}
    assert "| 0 % |" in rows["t10"]  # nobody else is as far off
    assert rows["t9"].count("100 %") == 2
    assert rows["d1"].count("100 %") == 2
    text = "\n".join(lines)
    assert "the 10 people of train" in text
    assert "the 1 people of dev" in text


def test_the_report_leaves_each_dataset_out_of_the_fit() -> None:
    lines = list(report(everybody()))
    at = next(n for n, line in enumerate(lines) if "dataset left out" in line)
    sets = {line.split(" | ")[0][2:]: line for line in lines[at + 1 :]}
    assert "| 5 | 100 % | 100 % |" in sets["one"]
    assert "| 5 | 0 % | 0 % |" in sets["two"]


def test_slices_and_regions_that_are_held_are_counted() -> None:
    fit = fitted([compared(f"t{n}", 0.1) for n in range(10)])
    assert held([compared("a", 0.09)], fit) == (1.0, 1.0)
    assert held([compared("a", 0.09), compared("a", -0.2)], fit) == (0.5, 0.5)


def test_the_mean_of_c2_and_c3_has_the_interval_of_people_left_out() -> None:
    lines = list(c2c3_table([found(one) for one in everybody()]))
    rows = {line.split(" | ")[0][2:]: line for line in lines if line.startswith("| sub")}
    assert rows["sub-t10_T2w"].endswith("| no |")
    assert rows["sub-t9_T2w"].endswith("| yes |")
    assert "median over T2w images" in lines[-1]


def test_typical_ranges_have_room_and_leave_dev_and_the_unlabelled_out() -> None:
    seen = [found(compared("a", 0.1), 0.2), found(compared("b", 0.1), 0.4)]
    others = [found(compared("c", 0.1, "dev"), 0.9), found(compared("d", 0.1), 0.9, by_label=False)]
    ranges = typical([*seen, *others])
    assert ranges["evenness"] == pytest.approx([0.15, 0.45])
    assert ranges["in_plane"] == [0.5, 0.5]


@pytest.mark.parametrize("below", ["anat", "ses-1/anat"])
def test_the_dataset_is_the_folder_above_the_person(below: str) -> None:
    image = Path("data/train/epi/sub-1") / below / "sub-1_T2w.nii.gz"
    assert dataset(image) == "epi"
