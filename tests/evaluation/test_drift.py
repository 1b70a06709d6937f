"""Drift between two versions is what was put between them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.evaluation.drift import (
    VersionPair,
    bland_altman,
    drift,
    pair,
    pairs,
    write_pairs,
)
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Grid, Segmentation, Volume


def tube(radius: float, slices: slice = slice(None)) -> Segmentation:
    """A straight cord of this radius in mm, at 0.5 mm in-plane."""
    x, y = np.mgrid[:64, :64] - 31.5
    data = np.zeros((64, 64, 8), np.uint8)
    data[(x**2 + y**2) * 0.25 <= radius**2, slices] = 1
    return Segmentation(data, Grid(data.shape, np.diag([-0.5, 0.5, 2.0, 1.0])))


def made(contrast: str, *areas: tuple[float, float]) -> list[VersionPair]:
    return [
        VersionPair(f"{contrast}{n}", contrast, 0.95, 5, a, b) for n, (a, b) in enumerate(areas)
    ]


def test_a_segmentation_does_not_drift_from_itself() -> None:
    one = pair("a", "T2w", tube(5), tube(5))
    assert one.dice == 1
    assert one.slices == 8
    assert one.area_a == one.area_b == pytest.approx(np.pi * 25, rel=0.02)


def test_a_wider_cord_is_a_larger_area() -> None:
    one = pair("a", "T2w", tube(5), tube(6))
    assert one.area_b / one.area_a == pytest.approx(36 / 25, rel=0.02)
    assert one.dice == pytest.approx(2 * 25 / (25 + 36), rel=0.02)


def test_areas_are_over_the_slices_that_both_have() -> None:
    one = pair("a", "T2w", tube(5), tube(5, slice(2, 5)))
    assert one.slices == 3
    assert one.area_a == pytest.approx(one.area_b, rel=1e-6)
    lost = pair("a", "T2w", tube(5), tube(5, slice(0, 0)))
    assert lost.slices == 0
    assert np.isnan(lost.area_a)
    assert lost.dice == 0


def test_the_scale_takes_the_second_version_back_to_the_first() -> None:
    first = np.array([60.0, 70.0, 80.0, 90.0])
    t2w, total = drift(made("T2w", *zip(first, first * 1.05, strict=True)))
    assert t2w.scale == pytest.approx(1 / 1.05)
    assert t2w.scale_low == pytest.approx(t2w.scale_high)
    assert t2w.bias == pytest.approx(0.05 * first.mean())
    assert t2w.bias_percent == pytest.approx(5)
    assert total.contrast == "all"
    assert total.scale == t2w.scale


def test_the_interval_of_the_scale_holds_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    held = 0
    for _ in range(200):
        first = random.normal(75, 8, 30)
        second = first * 0.97 + random.normal(0, 1.5, 30)
        total = drift(made("T2w", *zip(first, second, strict=True)))[-1]
        held += total.scale_low <= 1 / 0.97 <= total.scale_high
    assert 0.88 <= held / 200 <= 0.99


def test_limits_hold_most_differences() -> None:
    random = np.random.default_rng(2)
    difference = random.normal(1, 2, 500)
    total = drift(made("T2w", *((75.0, 75.0 + d) for d in difference)))[-1]
    inside = (difference > total.low) & (difference < total.high)
    assert total.bias == pytest.approx(difference.mean())
    assert 0.93 < inside.mean() < 0.97


def test_contrasts_are_told_apart() -> None:
    found = [*made("T2w", (70, 72), (80, 82)), *made("T1w", (70, 69))]
    t1w, t2w, total = drift(found)
    assert (t1w.contrast, t2w.contrast, total.images) == ("T1w", "T2w", 3)
    assert (t1w.bias, t2w.bias) == (-1, 2)
    assert total.bias == pytest.approx(1)
    assert np.isnan(t1w.low)
    assert np.isnan(t1w.scale_low)


def test_lost_images_are_counted_not_averaged() -> None:
    lost = VersionPair("x", "T2w", 0.0, 0, np.nan, np.nan)
    (t2w, _total) = drift([*made("T2w", (70, 70), (80, 80)), lost])
    assert (t2w.images, t2w.lost, t2w.bias) == (2, 1, 0)
    assert t2w.dice == pytest.approx(0.95 * 2 / 3)
    with pytest.raises(DatasetError, match="no image"):
        drift([lost])
    with pytest.raises(DatasetError, match="no image"):
        drift([])


def test_images_are_read_once_and_given_to_both(tmp_path: Path) -> None:
    cord = tube(5)
    image = Volume(cord.data.astype(np.float32), cord.grid)
    nifti.save(image, tmp_path / "a.nii.gz")
    seen: list[Volume] = []

    def wide(given: Volume) -> Segmentation:
        seen.append(given)
        return tube(6)

    def true(given: Volume) -> Segmentation:
        seen.append(given)
        return tube(5)

    (one,) = pairs([("a", "T2w", tmp_path / "a.nii.gz")], true, wide)
    assert seen[0] is seen[1]
    assert one.area_b > one.area_a


def test_table_and_plot_are_written(tmp_path: Path) -> None:
    found = [*made("T2w", (70, 72), (80, 81)), *made("T1w", (70, 69))]
    write_pairs(found, tmp_path / "drift.csv")
    lines = (tmp_path / "drift.csv").read_text().splitlines()
    assert lines[0] == "name,contrast,dice,slices,area_a,area_b"
    assert len(lines) == 4
    for name in ("one", "two"):
        bland_altman(found, ("toy@1", "toy@2"), tmp_path / f"{name}.png")
    content = (tmp_path / "one.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert content == (tmp_path / "two.png").read_bytes()
