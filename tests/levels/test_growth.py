"""A cord that grows thicker towards the feet: how it is measured, and that it withholds levels."""

from __future__ import annotations

import numpy as np
import pytest
from necks import cord, known_discs, labelled, neck
from scipy.ndimage import binary_dilation

from sct_deepseg_general.csa.measure import PER_SLICE, measured
from sct_deepseg_general.image.volume import Segmentation
from sct_deepseg_general.levels.answer import Given, answered
from sct_deepseg_general.levels.course import course_of
from sct_deepseg_general.levels.detect import Anchor, find_levels
from sct_deepseg_general.levels.growth import areas_along, growth, growth_of, growth_words
from sct_deepseg_general.levels.responses import embedded_network
from sct_deepseg_general.levels.slices import from_discs


def rows_known(mask: Segmentation) -> dict[int, float]:
    course = course_of(mask)
    return {n: float(course.rows_of(point[None])[0]) for n, point in known_discs().items()}


def grown(steps: int) -> Segmentation:
    """The mask with C5 and what lies below made wider."""
    data = cord().data.astype(bool)
    disc = cord().grid.affine
    top = round(float((known_discs()[5][2] - disc[2, 3]) / disc[2, 2]))
    plane = np.zeros((3, 3, 3), bool)
    plane[:, 1, 1] = plane[1, :, 1] = True
    data[:, :, :top] |= binary_dilation(data, plane, iterations=steps)[:, :, :top]
    return Segmentation(data.astype(np.uint8), cord().grid)


def test_the_areas_along_the_course_are_those_of_the_slices() -> None:
    course = course_of(cord())
    areas = areas_along(cord(), course)
    expected = measured(cord(), PER_SLICE).morphometrics.area
    held = areas[course.inside]
    assert np.nanmean(held) == pytest.approx(float(np.nanmean(expected)), rel=0.02)
    assert np.isnan(areas[~course.inside]).mean() > 0.9


def test_growth_is_the_ratio_of_the_largest_lower_to_the_uppermost_level() -> None:
    levels = from_discs(labelled(known_discs()), cord())
    areas = measured(cord(), PER_SLICE).morphometrics.area
    first, *lower = (float(np.nanmean(areas[levels == n])) for n in (3, 4, 5, 6))
    rows = rows_known(cord())
    found = growth_of(areas_along(cord(), course_of(cord())), [rows[n] for n in sorted(rows)])
    assert found == pytest.approx(np.log(max(lower) / first), abs=0.03)


def test_turning_head_to_foot_turns_the_growth_of_two_levels() -> None:
    course = course_of(cord())
    areas = areas_along(cord(), course)
    rows = [rows_known(cord())[n] for n in (3, 4, 5)]
    turned = sorted((len(areas) - 1 - row for row in rows), reverse=True)
    assert growth_of(areas[::-1], turned) == pytest.approx(-growth_of(areas, rows), abs=0.02)


def test_growth_is_that_of_the_thickest_lower_level() -> None:
    assert growth([50.0, 75.0, 40.0]) == pytest.approx(np.log(1.5))
    assert growth([80.0, 60.0, 70.0]) == pytest.approx(np.log(70 / 80))


def test_a_level_that_the_mask_does_not_hold_wholly_does_not_count() -> None:
    areas = np.array([np.nan] * 5 + [90.0] * 15 + [60.0] * 10 + [50.0] * 10)
    assert growth_of(areas, [40, 30, 20, 0]) == pytest.approx(np.log(60 / 50))
    assert growth_of(areas, [40, 30]) == 0.0
    assert growth_of(areas, []) == 0.0
    assert growth([60.0, 90.0]) == pytest.approx(0.405, abs=1e-3)


@pytest.mark.parametrize(("value", "said"), [(0.4, False), (0.41, True), (-1.0, False)])
def test_only_a_growth_that_nobody_has_is_told(value: float, said: bool) -> None:
    assert bool(growth_words(value)) is said


def test_a_neck_as_it_is_does_not_grow() -> None:
    found = find_levels(neck(), cord(), embedded_network())
    assert found.status == "ok"
    assert found.evidence["growth"] < 0.2


def test_levels_of_a_cord_that_grows_are_withheld_for_that_reason_alone() -> None:
    found = find_levels(neck(), grown(3), embedded_network())
    assert found.evidence["growth"] > 0.4
    assert found.status == "withheld"
    (reason,) = found.reasons
    times = np.exp(found.evidence["growth"])
    assert reason.startswith("the cord grows thicker towards the feet than in any of 2177 people")
    assert f"people (to {times:.1f} times the area of the uppermost level)" in reason
    assert "give -disc-at" in reason


def test_a_known_disc_is_used_and_the_growth_told() -> None:
    affine = cord().grid.affine
    z = round(float((known_discs()[3][2] - affine[2, 3]) / affine[2, 2]))
    answer = answered(neck(), grown(3), embedded_network(), Given(anchor=Anchor(z, 3)))
    assert answer.discs is not None
    (told,) = answer.warnings
    assert told.startswith("The cord grows thicker")
    assert told.endswith("The disc given is used; check the header.")
