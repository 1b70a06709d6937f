"""One slice: fine pixels, turning, the ellipse, the convex hull; against scikit-image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from sct_deepseg_general.morphometry.ellipse import ellipse_of, moments_of
from sct_deepseg_general.morphometry.fine_slice import (
    PITCH,
    FineSlice,
    fine_slice,
    shrunk_slice,
    turned,
)
from sct_deepseg_general.morphometry.slice_shape import shape_of


def blob(seed: int) -> NDArray[np.float64]:
    """A lumpy object away from the border."""
    rng = np.random.default_rng(seed)
    x, y = np.mgrid[:40, :30]
    angle = np.arctan2(y - 15, x - 20)
    radius = 7 + 3 * np.cos(angle) ** 2 + rng.normal(0, 1, angle.shape)
    return (np.hypot(x - 20, y - 15) < radius).astype(np.float64)


def fine_of(slice_: NDArray[np.float64], spacing: tuple[float, float] = (0.5, 0.5)) -> FineSlice:
    fine = fine_slice(slice_, spacing)
    assert fine is not None
    return fine


def framed(fine: FineSlice) -> NDArray[np.float64]:
    frame = np.zeros(fine.extent)
    (row, column), (height, width) = fine.start, fine.values.shape
    frame[row : row + height, column : column + width] = fine.values
    return frame


def test_resampling_is_scipys() -> None:
    from scipy.ndimage import zoom

    slice_ = blob(0)
    x, y = (np.flatnonzero(slice_.any(axis=axis)) for axis in (1, 0))
    cut = slice_[x[0] - 3 : x[-1] + 4, y[0] - 3 : y[-1] + 4]
    expected = zoom(cut, (7.5, 9), order=1, mode="grid-constant", grid_mode=True)
    np.testing.assert_allclose(framed(fine_of(slice_, (0.75, 0.9))), expected, atol=1e-12)


def test_shrinking_is_scikit_images() -> None:
    from skimage import transform

    slice_ = np.random.default_rng(1).random((30, 40))
    tform = transform.AffineTransform(scale=(0.93, 0.88))  # columns, rows
    expected = transform.warp(slice_, tform.inverse, output_shape=slice_.shape, order=1)
    np.testing.assert_allclose(shrunk_slice(slice_, (0.88, 0.93)), expected, atol=1e-12)


def test_a_part_is_measured_as_the_whole() -> None:
    slice_ = blob(2)
    whole = fine_slice(slice_, (0.5, 0.7), (0.95, 0.9))
    part = fine_slice(slice_[5:36, 3:29], (0.5, 0.7), (0.95, 0.9), (5, 3), (40, 30))
    assert whole is not None
    assert part is not None
    assert whole.extent == part.extent
    np.testing.assert_allclose(framed(whole), framed(part), atol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 0.3, -1.2, math.pi / 2])
def test_turning_is_scipys(angle: float) -> None:
    from scipy.ndimage import map_coordinates

    fine = fine_of(blob(3))
    centre = (70.3, 55.8)
    row, column = (np.arange(n) - c for n, c in zip(fine.extent, centre, strict=True))
    rows = math.sin(angle) * column[None] + math.cos(angle) * row[:, None] + centre[0]
    columns = math.cos(angle) * column[None] - math.sin(angle) * row[:, None] + centre[1]
    expected = map_coordinates(framed(fine), [rows, columns], order=1)
    np.testing.assert_allclose(framed(turned(fine, centre, angle)), expected, atol=1e-11)


@pytest.mark.parametrize("seed", range(5))
def test_the_ellipse_and_the_hull_are_scikit_images(seed: int) -> None:
    from skimage.measure import regionprops

    fine = fine_of(blob(seed))
    inside = framed(fine) > 0.5
    region = regionprops(inside.astype(np.uint8))[0]
    ellipse = ellipse_of(moments_of(fine.values > 0.5, fine.start))
    assert ellipse.centre == pytest.approx(region.centroid)
    assert ellipse.major == pytest.approx(region.axis_major_length, rel=1e-9)
    assert ellipse.minor == pytest.approx(region.axis_minor_length, rel=1e-9)
    assert ellipse.orientation == pytest.approx(region.orientation, abs=1e-9)
    shape = shape_of(fine, (0.0, 0.0), 1.0)
    assert shape.eccentricity == pytest.approx(region.eccentricity, abs=1e-9)
    assert shape.solidity == pytest.approx(region.solidity, abs=1e-9)


def test_a_bite_lowers_solidity_only() -> None:
    whole = np.zeros((30, 30))
    whole[5:25, 8:22] = 1
    bitten = whole.copy()
    bitten[12:18, 8:14] = 0
    full, less = (shape_of(fine_of(s), (0.0, 0.0), 1.0) for s in (whole, bitten))
    assert full.solidity > 0.97
    assert less.solidity == pytest.approx(full.solidity * (1 - 36 / 280), abs=0.02)
    assert full.area == pytest.approx(280 * 0.25, rel=1e-3)
    assert less.area == pytest.approx(244 * 0.25, rel=1e-3)


def test_tilt_shrinks_area_and_lengthens_the_slice() -> None:
    slice_ = blob(4)
    flat = fine_slice(slice_, (0.5, 0.5))
    tilt = (0.2, 0.3)
    seen = fine_slice(slice_, (0.5, 0.5), (math.cos(tilt[0]), math.cos(tilt[1])))
    assert flat is not None
    assert seen is not None
    assert seen.area == pytest.approx(flat.area * math.cos(0.2) * math.cos(0.3), rel=0.02)
    shape = shape_of(seen, tilt, 5.0)
    assert shape.length == pytest.approx(5 / (math.cos(0.2) * math.cos(0.3)))
    assert (shape.angle_ap, shape.angle_rl) == pytest.approx((math.degrees(0.2), math.degrees(0.3)))


def test_an_empty_slice_is_none_and_a_faint_one_has_no_form() -> None:
    assert fine_slice(np.zeros((5, 5)), (1.0, 1.0)) is None
    faint = FineSlice(np.full((4, 4), 0.4), (0, 0), (4, 4))
    shape = shape_of(faint, (0.0, 0.0), 1.0)
    assert shape.area == pytest.approx(16 * 0.4 * PITCH**2)
    assert math.isnan(shape.solidity)
    assert math.isnan(shape.diameter_ap)
