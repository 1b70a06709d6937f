"""Files that go with an image or a mask, brought onto its grid by their position in mm.

Label maps, points, masks and images that were made for one scan often lie on another grid: they
were cropped, flipped, resampled or shifted. Reading them voxel by voxel would then give a wrong
number without an error. `brought_over` is the one place that decides: the same grid is used as it
is, another grid is brought over by world coordinates, and what cannot be brought over is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Generic, Literal, TypeVar

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Array, Grid, Probability, Volume, to_sct_letters

__all__ = [
    "Brought",
    "Kind",
    "Points",
    "brought_over",
    "check_points",
    "corner_distance",
    "described",
    "has_position",
    "points_of",
    "same_grid",
]

Kind = Literal["labels", "points", "mask", "image"]
"""`labels`: a number in each voxel; `points`: single labelled voxels; `mask`: binary; `image`:
intensities or probabilities."""

SAME = 0.05
"""Grids whose voxel centres lie within this share of a voxel of each other are one grid."""
REACH = 60.0
"""Distance in mm from the field of view up to which a point may belong to an image."""
_TIE = 1e-5  # voxels by which ties between two nearest voxels are decided, always the same way

V = TypeVar("V", bound=Volume)
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Points:
    """Labelled positions: `positions` in mm (n, 3), RAS, and `values` (n,), as in the file."""

    positions: Floats
    values: Array


@dataclass(frozen=True, eq=False)
class Brought(Generic[V]):
    """A companion on the grid of what it goes with.

    `moved` says whether it was on another grid, and `sentence` tells the user so ("" if not).
    `exact` says that voxels coincide, as after a crop or a flip, so that no value was resampled.
    """

    volume: V
    moved: bool = False
    sentence: str = ""
    exact: bool = True


def brought_over(
    companion: V,
    kind: Kind,
    onto: Volume | Grid,
    name: str,
    onto_name: str = "the image",
    needed: NDArray[np.bool_] | None = None,
) -> Brought[V]:
    """Bring a companion onto the grid of an image or mask by world coordinates.

    Parameters
    ----------
    companion : Volume
        What goes with the image, with three axes in any order and direction.
    kind : {"labels", "points", "mask", "image"}
        Labels and masks take the value of the nearest voxel and 0 outside of the companion's
        field of view; each point goes to the voxel that it lies in; images and probabilities are
        interpolated linearly, and a probability is 0 outside.
    onto : Volume or Grid
        The image or mask that the companion goes with, or its grid.
    name, onto_name : str
        How messages call the companion and the image.
    needed : ndarray of bool, optional
        Voxels of `onto` that the companion's field of view must cover, in the axis order of
        `onto`.

    Returns
    -------
    Brought
        The companion on the grid of `onto`, and a sentence if it was on another grid.

    Raises
    ------
    ImageError
        One of the two headers gives no position (both codes are 0), the companion holds nothing
        where the other lies, a label or a point would be lost, or a needed voxel is not covered.
        The message states both geometries.

    Examples
    --------
    >>> levels = Volume(np.arange(8).reshape(1, 1, 8), Grid((1, 1, 8), np.eye(4)))
    >>> affine = np.eye(4)
    >>> affine[2, 3] = 3  # cropped: it begins 3 mm higher
    >>> onto = Grid((1, 1, 4), affine)
    >>> brought_over(levels, "labels", onto, "levels.nii.gz").volume.data.ravel()
    array([3, 4, 5, 6])
    """
    grid = onto if isinstance(onto, Grid) else onto.grid
    if same_grid(companion.grid, grid):
        return Brought(companion if companion.grid is grid else replace(companion, grid=grid))
    between = _Between(companion, grid, name, onto_name)
    if not has_position(companion) or (isinstance(onto, Volume) and not has_position(onto)):
        raise between.refused("a header without a position (sform and qform codes are 0)")
    _check_covered(companion.grid, grid, needed, between)
    data, left_out = _placed(companion, kind, grid, between)
    header = onto.header if isinstance(onto, Volume) else None
    moved = replace(companion, data=data, grid=grid, header=header)
    exact = _coincide(companion.grid, grid)
    return Brought(moved, True, between.sentence(_HOW[kind]) + left_out, exact)


def check_points(
    points: Volume, onto: Volume, name: str, onto_name: str = "the mask", reach: float = REACH
) -> str:
    """Check labelled points that are used by their position in mm, without a common grid.

    Returns a sentence for the user if the grids differ, else "".

    Raises
    ------
    ImageError
        One of the two headers gives no position, or a point lies more than `reach` mm outside of
        the field of view of `onto`.
    """
    if same_grid(points.grid, onto.grid):
        return ""
    between = _Between(points, onto.grid, name, onto_name)
    if not has_position(points) or not has_position(onto):
        raise between.refused("a header without a position (sform and qform codes are 0)")
    placed = points_of(points)
    places = apply_affine(np.linalg.inv(onto.grid.affine), placed.positions)
    last = np.array(onto.grid.shape) - 1
    away = np.linalg.norm((places - np.clip(places, 0, last)) * onto.grid.spacing, axis=1)
    if (away > reach).any():
        listed = ", ".join(f"{value:g}" for value in np.unique(placed.values[away > reach]))
        raise between.refused(f"point {listed} lies {away.max():.0f} mm outside of it")
    return between.sentence("its points are used by their position in mm")


def _coincide(companion: Grid, grid: Grid) -> bool:
    """Whether voxels of one size lie on each other, in any axis order and direction."""
    matrix = np.linalg.inv(companion.affine) @ grid.affine
    turn, offset = matrix[:3, :3], matrix[:3, 3]
    axes = np.rint(turn)
    one_to_one = (np.abs(axes).sum(axis=0) == 1).all() and (np.abs(axes).sum(axis=1) == 1).all()
    apart = np.abs(turn - axes) @ np.array(grid.shape) + np.abs(offset - np.rint(offset))
    return bool(one_to_one and (apart <= SAME).all())


_HOW: dict[Kind, str] = {
    "labels": "its labels were taken by their position in mm, from the nearest voxel",
    "points": "its points were placed by their position in mm",
    "mask": "it was brought over by its position in mm, from the nearest voxel",
    "image": "it was interpolated at the same positions in mm",
}


def has_position(volume: Volume) -> bool:
    """Whether the header of a volume's file gives orientation and position (sform or qform)."""
    header = volume.header
    return header is None or bool(int(header["sform_code"]) or int(header["qform_code"]))


def same_grid(first: Grid, second: Grid) -> bool:
    """Whether two grids have one shape and no voxel centre lies farther than `SAME` of a voxel
    from the one of the same index.
    """
    close = SAME * min(first.spacing)
    return first.shape == second.shape and corner_distance(first, second) <= close


def corner_distance(first: Grid, second: Grid) -> float:
    """The largest distance in mm between equal corners of two grids of one shape."""
    corners = _corners(first)
    apart = apply_affine(first.affine, corners) - apply_affine(second.affine, corners)
    return float(np.linalg.norm(apart, axis=1).max())


def _corners(grid: Grid) -> Floats:
    """The indices (8, 3) of the voxels at a grid's corners."""
    return np.array(list(product(*((0, n - 1) for n in grid.shape))), np.float64)


def points_of(volume: Volume) -> Points:
    """The voxels of a volume that are above 0: centres in mm (n, 3), RAS, and values (n,)."""
    voxels = np.argwhere(volume.data > 0)
    return Points(apply_affine(volume.grid.affine, voxels), volume.data[tuple(voxels.T)])


def described(grid: Grid) -> str:
    """A grid in words: voxels, their size in mm, SCT's orientation and the first voxel in mm."""
    shape = " x ".join(map(str, grid.shape))
    spacing = " x ".join(f"{mm:.4g}" for mm in grid.spacing)
    origin = ", ".join(f"{mm:.1f}" for mm in grid.affine[:3, 3])
    return f"{shape} voxels of {spacing} mm, {to_sct_letters(grid.axcodes)}, origin ({origin})"


@dataclass(frozen=True, eq=False)
class _Between:
    """The two geometries, as messages state them."""

    companion: Volume
    onto: Grid
    name: str
    onto_name: str

    def refused(self, why: str) -> ImageError:
        return ImageError(
            f"{self.name} cannot be brought onto the grid of {self.onto_name}: {why}. {self.name} "
            f"has {described(self.companion.grid)}; {self.onto_name} has {described(self.onto)}."
        )

    def sentence(self, how: str) -> str:
        ours, theirs = self.companion.grid, self.onto
        text = (
            f"{self.name} is not on the grid of {self.onto_name} ({described(ours)};"
            f" {self.onto_name}: {described(theirs)}): {how}."
        )
        swapped = ours.shape != theirs.shape and sorted(ours.shape) == sorted(theirs.shape)
        if swapped and not _coincide(ours, theirs):
            text += (
                " The two differ in the order of their axes, but not as their headers say: the "
                "orientation in one of them may be wrong."
            )
        return text


def _check_covered(
    source: Grid, onto: Grid, needed: NDArray[np.bool_] | None, between: _Between
) -> None:
    if needed is None:
        return
    places = apply_affine(np.linalg.inv(source.affine) @ onto.affine, np.argwhere(needed))
    outside = int((~_inside(places, source)).sum())
    if outside:
        raise between.refused(f"it does not cover {outside} of {len(places)} voxels of the cord")


def _placed(companion: Volume, kind: Kind, grid: Grid, between: _Between) -> tuple[Array, str]:
    """The data on `grid`, and a sentence about what lies outside of it."""
    if kind == "image":
        return _interpolated(companion, grid, between), ""
    present = companion.data != 0
    places = apply_affine(np.linalg.inv(grid.affine) @ companion.grid.affine, np.argwhere(present))
    inside = _inside(places, grid)
    if present.any() and not inside.any():
        raise between.refused(f"all that it holds lies outside of {between.onto_name}")
    values = companion.data[present]
    if kind == "points":
        data = _at_points(companion, places[inside], values[inside], grid, between)
        return data, _left_out(np.unique(values[~inside]), between)
    data = _nearest(companion, grid)
    _check_none_lost(values, places, data, grid, between)
    if present.any() and not data.any():
        raise between.refused("its voxels fall between those of the other grid")
    lost = np.setdiff1d(values, data) if kind == "labels" else np.array([])
    return data, _left_out(lost, between)


def _left_out(values: Array, between: _Between) -> str:
    if not values.size:
        return ""
    listed = ", ".join(f"{value:g}" for value in values)
    return f" Outside of {between.onto_name}, and left out: {listed}."


def _inside(places: Floats, grid: Grid) -> NDArray[np.bool_]:
    """Which positions (n, 3), in voxels, lie within the voxels of a grid."""
    shape = np.array(grid.shape)
    return np.asarray(((places > -0.5 - _TIE) & (places < shape - 0.5 + _TIE)).all(axis=1))


def _interpolated(companion: Volume, grid: Grid, between: _Between) -> Array:
    to_companion = np.linalg.inv(companion.grid.affine) @ grid.affine
    places = apply_affine(to_companion, _corners(grid))
    if (places.max(axis=0) < -0.5).any() or (
        places.min(axis=0) > np.array(companion.grid.shape) - 0.5
    ).any():
        raise between.refused("the two do not overlap")
    if not isinstance(companion, Probability):
        return companion.resampled_to(grid, order=1).data
    data: Array = companion.resampled_to(grid, order=1).data.copy()
    every = np.argwhere(np.ones(grid.shape, np.bool_))
    data[tuple(every[~_inside(apply_affine(to_companion, every), companion.grid)].T)] = 0
    return data


def _nearest(companion: Volume, grid: Grid) -> Array:
    """The value of the nearest voxel, 0 outside."""
    from scipy import ndimage  # 0.2 s, and most companions need none of it

    matrix = np.linalg.inv(companion.grid.affine) @ grid.affine
    data: Array = ndimage.affine_transform(
        companion.data, matrix[:3, :3], matrix[:3, 3] + _TIE, grid.shape, order=0,
        mode="grid-constant",
    )  # fmt: skip
    return data


def _at_points(
    companion: Volume, places: Floats, values: Array, grid: Grid, between: _Between
) -> Array:
    """An array of the grid's shape with each value in the voxel that its place lies in."""
    data = np.zeros(grid.shape, companion.data.dtype)
    last = np.array(grid.shape) - 1
    x, y, z = np.clip(np.floor(places + 0.5 + _TIE).astype(np.intp), 0, last).T
    data[x, y, z] = values
    if (data[x, y, z] != values).any():
        raise between.refused("two of its points with different values fall into one voxel")
    return data


def _check_none_lost(
    values: Array, places: Floats, data: Array, grid: Grid, between: _Between
) -> None:
    """A label well inside of the grid must not fall between its voxels."""
    lost = np.setdiff1d(values, data)
    well = ((places >= 1) & (places <= np.array(grid.shape) - 2)).all(axis=1)
    missing = np.intersect1d(lost, values[well])
    if missing.size:
        listed = ", ".join(f"{value:g}" for value in missing)
        raise between.refused(f"the label {listed} falls between the voxels of the other grid")
