"""Companions on any grid: the area of each level stays, or the companion is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from nibabel.affines import apply_affine
from phantoms import affine_of
from scipy.spatial.transform import Rotation
from sct_reference import CORD, LEVEL_MAP, mask

from sct_deepseg_general.csa.companions import centreline_aside, on_grid_of
from sct_deepseg_general.csa.measure import CsaRequest, measured
from sct_deepseg_general.csa.selection import Selection
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Box, Grid, Probability, Segmentation, Volume
from sct_deepseg_general.levels.pmj import distances

SPACING, SHAPE = (1.0, 1.0, 2.0), (40, 40, 60)
GRID = Grid(SHAPE, affine_of("LAS", SPACING, SHAPE))
LEVEL_MM = 20.0
CODES = ["LAS", "RPI", "AIL", "SLP", "IPR"]


def tube() -> Segmentation:
    """An elliptic tube of 12 x 8 mm, one mm wider in every second level."""
    x, y, z = np.moveaxis(apply_affine(GRID.affine, np.indices(SHAPE).reshape(3, -1).T), -1, 0)
    wider = np.floor(z / LEVEL_MM) % 2
    inside = (x / (6 + wider)) ** 2 + (y / (4 + wider)) ** 2 <= 1
    return Segmentation(inside.reshape(SHAPE).astype(np.uint8), GRID)


TUBE = tube()
PLACES = {n: np.array([0.4, -9.3, (5 - n) * LEVEL_MM + 1]) for n in (3, 4, 5, 6)}
PER_LEVEL = Selection(levels=(3, 4, 5), per_level=True)


def points(grid: Grid, places: dict[int, np.ndarray]) -> Volume | None:
    """The points as voxels of a grid; None where one lies outside."""
    data = np.zeros(grid.shape, np.int16)
    for value, place in places.items():
        voxel = np.rint(apply_affine(np.linalg.inv(grid.affine), place)).astype(int)
        if (voxel < 0).any() or (voxel >= grid.shape).any():
            return None
        data[tuple(voxel)] = value
    return Volume(data, grid)


def areas(discs: Volume) -> dict[tuple[int, ...], float]:
    request, _ = on_grid_of(TUBE, CsaRequest(PER_LEVEL, discs=discs))
    return {row.levels: row.values[0] or np.nan for row in measured(TUBE, request).table.rows}


TRUE = areas(points(GRID, PLACES))  # type: ignore[arg-type]


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """Any orientation, anisotropic voxels, any crop and shift, turned by up to 15 degrees."""
    spacing = draw(st.tuples(*[st.sampled_from([0.8, 1.0, 1.7])] * 3))
    shape = draw(st.tuples(*[st.integers(60, 130)] * 3))
    affine = affine_of(draw(st.sampled_from(CODES)), spacing, shape)
    affine[:3, 3] += draw(st.tuples(*[st.floats(-8, 8)] * 3))
    turn = np.eye(4)
    angles = draw(st.tuples(*[st.sampled_from([0.0, -15.0, 4.0, 11.0])] * 3))
    turn[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    return Grid(shape, turn @ affine)


def sampled(grid: Grid) -> tuple[np.ndarray, ...]:
    """The positions x, y, z in mm of the voxels of a grid, each of the grid's shape."""
    places = apply_affine(grid.affine, np.indices(grid.shape).reshape(3, -1).T)
    return tuple(place.reshape(grid.shape) for place in places.T)


def radius(grid: Grid) -> np.ndarray:
    """Distance from the tube's axis, 1 at its edge, on any grid."""
    x, y, z = sampled(grid)
    wider = np.floor(z / LEVEL_MM) % 2
    return np.hypot(x / (6 + wider), y / (4 + wider))


@settings(deadline=None, max_examples=20)
@given(grids())
def test_discs_on_any_grid_give_the_area_of_each_level(grid: Grid) -> None:
    discs = points(grid, PLACES)
    assume(discs is not None)
    assert areas(discs) == pytest.approx(TRUE, rel=0.02)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=12)
@given(grids())
def test_a_junction_on_any_grid_is_at_the_same_distance(grid: Grid) -> None:
    junction = points(grid, {50: np.array([0.0, 6.0, 41.0])})
    assume(junction is not None)
    along = distances(TUBE, junction)  # type: ignore[arg-type]
    heights = apply_affine(GRID.affine, np.c_[np.zeros((60, 2)), np.arange(60)])[:, 2]
    np.testing.assert_allclose(along, 41.0 - heights, atol=1.5)


@settings(deadline=None, max_examples=12)
@given(grids())
def test_a_level_map_on_any_grid_gives_the_area_of_each_level_or_is_refused(grid: Grid) -> None:
    levels = (5 - np.floor(sampled(grid)[2] / LEVEL_MM)).astype(np.int16)
    given = CsaRequest(Selection(per_level=True), level_map=Volume(levels, grid))
    try:
        request, sentences = on_grid_of(TUBE, given)
    except ImageError as error:
        assert "the level map" in str(error)  # noqa: PT017 - what is not refused goes on
        return
    assert any("not on the grid" in one for one in sentences)
    for row in measured(TUBE, request).table.rows:
        (level,) = row.levels
        assert row.values[0] == pytest.approx(TRUE[3 + level % 2,], rel=0.06)


@settings(deadline=None, max_examples=8)
@given(grids())
def test_a_probability_on_any_grid_gives_the_soft_area_or_is_refused(grid: Grid) -> None:
    soft = np.clip(0.5 + 3 * (1 - radius(grid)), 0, 1).astype(np.float32)
    try:
        request, _ = on_grid_of(TUBE, CsaRequest(soft=Probability(soft, grid)))
    except ImageError as error:
        assert "does not cover" in str(error)  # noqa: PT017 - what is not refused goes on
        return
    table = measured(TUBE, request).table
    assert table.column("MEAN(area_soft)") == pytest.approx(table.column("MEAN(area)"), rel=0.05)


@settings(deadline=None, max_examples=8)
@given(grids())
def test_a_centreline_on_any_grid_gives_the_area_or_is_refused(grid: Grid) -> None:
    guide = Segmentation((radius(grid) <= 1).astype(np.uint8), grid)
    assume(guide.data.any())
    try:
        request, _ = on_grid_of(TUBE, CsaRequest(centreline=guide))
        found = measured(TUBE, request).table.column("MEAN(area)")
    except ImageError as error:
        assert "extend it" in str(error)  # noqa: PT017 - what is not refused goes on
        return
    assert found == pytest.approx(measured(TUBE, CsaRequest()).table.column("MEAN(area)"), rel=0.01)


@settings(deadline=None, max_examples=5)
@given(grids())
def test_an_image_on_any_grid_gives_the_quarters_or_is_refused(grid: Grid) -> None:
    short = TUBE.data.copy()
    short[:, :, :26] = short[:, :, 32:] = 0  # quarters take a while in each slice
    cord = Segmentation(short, GRID)
    image = Volume((200 - 100 * (radius(grid) <= 1)).astype(np.float32), grid)
    try:
        request, _ = on_grid_of(cord, CsaRequest(image=image))
    except ImageError as error:
        assert "does not cover" in str(error)  # noqa: PT017 - what is not refused goes on
        return
    table = measured(cord, request).table
    quarters = [table.column(f"MEAN(area_quadrant_{which})") for which in QUARTERS]
    assert sum(quarters) == pytest.approx(table.column("MEAN(area)"), rel=0.001)
    # their border turns with the shape of the cord in the image, which interpolation changes
    assert np.array(quarters) == pytest.approx(table.column("MEAN(area)")[0] / 4, rel=0.15)


QUARTERS = ("anterior_left", "anterior_right", "posterior_left", "posterior_right")


def test_the_reference_table_stays_with_a_cropped_and_flipped_level_map() -> None:
    cord, levels = mask(CORD), mask(LEVEL_MAP)
    turned = levels.reoriented(("S", "P", "L"))
    expected = measured(cord, CsaRequest(Selection(per_level=True), level_map=levels)).table
    request, sentences = on_grid_of(
        cord, CsaRequest(Selection(per_level=True), level_map=turned), "mask", {"level_map": "map"}
    )
    assert measured(cord, request).table == expected
    assert sentences[0].startswith("map is not on the grid of mask")


def test_a_level_map_that_ends_within_the_cord_is_named() -> None:
    data = np.broadcast_to((4 - np.arange(60) // 20).astype(np.int16), SHAPE)
    part = Volume(data, GRID).cropped(Box((0, 0, 15), SHAPE))
    wanted = Selection(per_level=True)
    request, sentences = on_grid_of(TUBE, CsaRequest(wanted, level_map=part))
    assert any("does not reach the slices 0:14" in one for one in sentences)
    lower, _, upper = measured(TUBE, request).table.rows
    assert lower.slices == (15, 16, 17, 18, 19)
    assert lower.remarks == ("level 4 may be cut: the level map ends there",)
    assert upper.remarks == ()


LEVELS = np.broadcast_to((6 - np.arange(60) // 12).astype(np.int16), SHAPE)


def test_a_level_map_must_be_in_order_and_of_vertebrae() -> None:
    swapped = np.where(np.arange(60) < 30, LEVELS, np.roll(LEVELS, 24, axis=2))
    wrong = {
        "upside down": LEVELS[:, :, ::-1],
        r"not in order from below \(": swapped,
        "holds no label": LEVELS * 0,
        "the level 60": LEVELS * 10,
        "120 mm high": LEVELS * 0 + 1,
        "holds the levels 3 to 6": np.moveaxis(LEVELS[:, :, :40], 2, 0),
    }
    for words, data in wrong.items():
        volume = Volume(np.ascontiguousarray(data), Grid(data.shape, GRID.affine))
        with pytest.raises(ImageError, match=words):
            on_grid_of(TUBE, CsaRequest(level_map=volume))


def test_levels_at_the_ends_of_the_discs_are_open() -> None:
    wanted = Selection(per_level=True)
    request, _ = on_grid_of(TUBE, CsaRequest(wanted, discs=points(GRID, PLACES)))
    found = measured(TUBE, request)
    remarks = {row.levels[0]: " ".join(row.remarks) for row in found.table.rows}
    assert [level for level, text in remarks.items() if text] == [6, 2]
    assert "open below, as disc 7 is not labelled" in remarks[6]
    assert "open above, as disc 2 is not labelled" in remarks[2]


def test_the_cord_that_a_level_lacks_is_named() -> None:
    half = TUBE.data.copy()
    half[:, :, 41:] = 0
    wanted = CsaRequest(Selection(levels=(3, 4, 9), per_level=True), level_map=Volume(LEVELS, GRID))
    found = measured(Segmentation(half, GRID), wanted)
    assert [row.remarks for row in found.table.rows] == [
        (),
        ("no cord in slices 41:47", "level 3 may be cut: it is 10 mm long, and level 4 24 mm"),
    ]
    assert found.absent == (9,)
    gap = LEVELS.copy()
    gap[:, :, 20:28] = 0
    wanted = CsaRequest(Selection(per_level=True), level_map=Volume(gap, GRID))
    told = {row.levels[0]: row.remarks for row in measured(TUBE, wanted).table.rows if row.remarks}
    assert set(told) == {4, 5}
    assert told[4] == ("level 4 may be cut: cord beside it has no level",)


def test_a_centreline_must_be_a_mask_and_lie_in_the_cord() -> None:
    noise = np.random.default_rng(1).normal(100, 9, SHAPE)
    for data, words in ((LEVELS, "map of the labels 2:6"), (noise, "is an image, not a mask")):
        with pytest.raises(ImageError, match=words):
            on_grid_of(TUBE, CsaRequest(centreline=Volume(data, GRID)))
    aside = Segmentation(np.roll(TUBE.data, 12, axis=0), GRID)
    told = centreline_aside(aside, TUBE, "line.nii.gz")
    assert told.startswith("line.nii.gz lies up to 12 mm beside the mask")
    assert centreline_aside(TUBE, TUBE, "line.nii.gz") == ""


def test_a_map_of_single_voxels_is_no_level_map() -> None:
    with pytest.raises(ImageError, match="-discfile"):
        on_grid_of(TUBE, CsaRequest(level_map=points(GRID, PLACES)))
