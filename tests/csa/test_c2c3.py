"""The area of C2-C3: the mean over its slices, or a reason why there is none."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import affine_of, cylinder

from sct_deepseg_general.csa.c2c3 import c2c3_of
from sct_deepseg_general.csa.measure import PER_SLICE, Measured, measured
from sct_deepseg_general.image.volume import Grid, Segmentation, Volume

SPACING = (1.0, 1.0, 2.0)
SHAPE = (40, 40, 40)
GRID = Grid(SHAPE, affine_of("LAS", SPACING, SHAPE))


def found(discs: dict[int, int], first: int = 0) -> Measured:
    """A cord that begins at a slice and is thinner below slice 20, with discs at slices."""
    data = cylinder(SHAPE, SPACING, 6.0).astype(np.uint8)
    data[:, :, :20] = cylinder(SHAPE, SPACING, 4.0).astype(np.uint8)[:, :, :20]
    data[:, :, :first] = 0
    labels = np.zeros(SHAPE, np.uint8)
    for z, number in discs.items():
        labels[20, 30, z] = number
    from dataclasses import replace

    return measured(Segmentation(data, GRID), replace(PER_SLICE, discs=Volume(labels, GRID)))


def test_the_area_is_the_mean_over_c2_and_c3() -> None:
    made = found({10: 4, 25: 3, 33: 2})
    one = c2c3_of(made)
    assert one.status == "ok"
    assert one.slices == tuple(range(11, 34))
    areas = made.morphometrics.area[11:34]
    assert one.area == pytest.approx(areas.mean())
    assert areas.min() < one.area < areas.max()
    assert (one.lower, one.upper) == (None, None)  # no probability was given


@pytest.mark.parametrize(
    ("discs", "first", "said"),
    [({10: 4, 25: 3}, 0, "C2 may be cut"), ({25: 3, 33: 2}, 15, "C3 may be cut")],
)
def test_a_level_that_goes_to_the_end_of_the_mask_is_partial(
    discs: dict[int, int], first: int, said: str
) -> None:
    one = c2c3_of(found(discs, first))
    assert one.status == "partial"
    assert said in one.reasons[0]
    assert one.area is not None


@pytest.mark.parametrize(
    ("discs", "first", "reason"),
    [
        (
            {10: 8, 20: 7},
            0,
            "C2 and C3 are not known: level 6 is open above, as disc 6 is not labelled",
        ),
        ({10: 6, 25: 4}, 0, "C2 is not known: level 3 is open above, as disc 3 is not labelled"),
        ({12: 2, 20: 1}, 14, "C3 is not in the mask"),
    ],
)
def test_levels_that_are_not_there_have_no_area(
    discs: dict[int, int], first: int, reason: str
) -> None:
    one = c2c3_of(found(discs, first))
    assert (one.status, one.area) == ("withheld", None)
    assert one.reasons == (reason,)


def test_a_level_longer_than_a_vertebra_has_no_area() -> None:
    one = c2c3_of(found({25: 3, 33: 2}))  # C3 would be all of the cord below, 52 mm of it
    assert (one.status, one.area) == ("withheld", None)
    (reason,) = one.reasons
    assert reason.startswith("level 3 is open below, as disc 4 is not labelled")
    assert reason.endswith("(52 mm)")


def test_two_vertebrae_in_one_have_no_area() -> None:
    one = c2c3_of(found({4: 5, 25: 3, 33: 2}))
    assert (one.status, one.area) == ("withheld", None)
    assert one.reasons == ("C3-C4 is one level, as disc 4 is not labelled",)


def test_a_reason_to_withhold_is_passed_on() -> None:
    one = c2c3_of(found({10: 4, 25: 3, 33: 2}), ("contrast not proven",))
    assert (one.status, one.area, one.reasons) == ("withheld", None, ("contrast not proven",))
