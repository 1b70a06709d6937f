"""Which vertebral level each axial slice belongs to, from labelled discs or labelled levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from nibabel import orientations
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.las import AXES, upright
from sct_deepseg_general.image.volume import Grid, Volume
from sct_deepseg_general.morphometry.centreline import Centreline, CentrelineFit, centres, fitted

__all__ = [
    "check_levels",
    "covered_name",
    "covers_of",
    "from_discs",
    "from_levels",
    "level_name",
    "missing_discs",
    "open_levels",
    "placed_centreline",
]

Levels = NDArray[np.int64]
Floats = NDArray[np.float64]

DISC_SMOOTHING = 20.0
"""SCT's smoothing for the centreline that discs are projected onto."""

MIXED = 0.3
"""Share of the slices of a level map that may hold levels which are no neighbours."""

LEAST_HEIGHT, MOST_HEIGHT = 3.0, 60.0
"""Distance of neighbouring discs in mm beyond which a label must be wrong, in children too."""

HIGHEST_VERTEBRA = 30
"""The coccyx; no level map has a higher number."""

HIGHEST_LEVEL = 48
"""49 and 50 mark the pontomedullary groove and junction, which are no levels."""


def from_levels(labels: Volume) -> Levels:
    """The level of each slice of a level map (LAS order), 0 where there is none.

    A slice that touches several levels belongs to the rounded mean of its labelled voxels.
    """
    data = labels.reoriented(AXES).data
    levels = np.zeros(data.shape[2], dtype=np.int64)
    for z in range(data.shape[2]):
        slice_ = data[:, :, z]
        present = slice_[np.isfinite(slice_) & (slice_ != 0)]
        if present.size:
            levels[z] = int(np.round(present.mean(dtype=np.float64)))
    return levels


def check_levels(level_map: Volume, name: str) -> None:
    """Check that a level map (x, y, z) numbers vertebrae in order along the slices.

    Raises
    ------
    ImageError
        There is no label, or one that no vertebra has; slices hold levels that are not neighbours;
        the numbers do not fall from one level to the next above; or a level is longer than a
        vertebra can be. The message names `name`.
    """
    levels = from_levels(level_map)
    present = np.flatnonzero(levels)
    if not present.size:
        raise ImageError(f"{name} holds no label: a level map has the level in each voxel.")
    if levels.max() > HIGHEST_VERTEBRA:
        raise ImageError(
            f"{name} holds the level {levels.max()}: vertebral levels are 1 (C1) to "
            f"{HIGHEST_VERTEBRA} (coccyx)."
        )
    _check_along(level_map, name)
    runs = _runs(levels)
    for (lower, _), (upper, _) in pairwise(runs):
        if upper >= lower:
            raise ImageError(_disorder([level for level, _ in runs], name))
    step = level_map.grid.reoriented(AXES).spacing[2]
    number, count = max(runs, key=lambda run: run[1])
    if count > 1 and count * step > MOST_HEIGHT:
        raise ImageError(
            f"Level {number} of {name} is {count * step:.0f} mm high, and a vertebra at most "
            f"{MOST_HEIGHT:g} mm: check that it is a map of vertebral levels."
        )


def _check_along(level_map: Volume, name: str) -> None:
    """Most slices must not hold levels that are no neighbours, as where axes were swapped."""
    data = np.where(level_map.data > 0, level_map.data, 0).astype(np.int64)
    data = replace(level_map, data=data).reoriented(AXES).data
    highest = data.max(axis=(0, 1))
    lowest = np.where(data > 0, data, HIGHEST_LEVEL).min(axis=(0, 1))
    labelled = highest > 0
    apart = labelled & (highest - lowest > 1)
    if apart.sum() > MIXED * labelled.sum():
        z = int(np.flatnonzero(apart)[0])
        raise ImageError(
            f"Slice {z} of {name} holds the levels {lowest[z]} to {highest[z]}, and {apart.sum()} "
            "slices are like it: its axes or its orientation may be wrong."
        )


def _runs(levels: Levels) -> list[tuple[int, int]]:
    """Level and number of slices of each run of one level, from below; gaps do not end a run."""
    runs: list[tuple[int, int]] = []
    for level in levels[levels > 0].tolist():
        if runs and runs[-1][0] == level:
            runs[-1] = (level, runs[-1][1] + 1)
        else:
            runs.append((level, 1))
    return runs


def _disorder(levels: Sequence[int], name: str) -> str:
    listed = ", ".join(map(str, levels[:12])) + (" ..." if len(levels) > 12 else "")
    upwards = len(levels) > 1 and (np.diff(levels) > 0).all()
    cause = "it is upside down, or its header is wrong" if upwards else "check its labels"
    return f"The levels of {name} are not in order from below ({listed}): {cause}."


def open_levels(discs: Volume) -> dict[int, str]:
    """The levels at the ends of the labelled discs, each with what is not known of it.

    Of discs 3 to 6, level 6 has no lower border and level 2 no upper one: what is measured reaches
    to the end of the mask.
    """
    values = sorted({int(v) for v in np.unique(discs.data) if 0 < v <= HIGHEST_LEVEL})
    if not values:
        return {}
    ends = {values[-1]: ("below", values[-1] + 1), values[0] - 1: ("above", values[0] - 1)}
    return {
        level: f"level {level} is open {side}, as disc {disc} is not labelled: it may be cut, or "
        "hold more than one vertebra"
        for level, (side, disc) in ends.items()
        if level
    }


def from_discs(discs: Volume, segmentation: Volume, centreline: Volume | None = None) -> Levels:
    """The level of each slice (LAS order) between labelled discs, 0 outside the segmentation.

    Disc n is the upper border of vertebra n (3 is the disc C2-C3). As in SCT, each disc goes to
    the nearest point of the centreline (of `centreline` where a mask is given), that voxel to
    the nearest voxel of the segmentation's centreline; slices up to a disc belong to the level
    below it, slices above the topmost disc to the level above.

    Parameters
    ----------
    discs
        A label map with one voxel for each disc, on any grid.
    segmentation
        The mask of the cord.
    centreline
        Another mask to take the centreline from.

    Returns
    -------
    Levels
        The number of the level (1 is C1) of each axial slice, from the lowest up.

    Raises
    ------
    ImageError
        There is no disc, no cord, or the discs are not in order.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sct_deepseg_general.image import nifti
    >>> cord = nifti.load_segmentation(Path("t2_seg.nii.gz"))
    >>> labels = np.zeros(cord.grid.shape, np.uint8)
    >>> labels[25, 17, 25] = 5  # C4/C5
    >>> np.unique(from_discs(Volume(labels, cord.grid), cord)).tolist()
    [4, 5]
    """
    points, values = _labels(discs)
    first = _traced(centreline or segmentation)
    own = first if centreline is None else _traced(segmentation)
    points, values = _without_far(points, values, own, segmentation.grid)
    seen = first.points[_nearest(first.points, points)]
    seen = _at_voxels(seen, (centreline or segmentation).grid)
    nearest = _nearest(own.voxels, seen)
    order = np.argsort(nearest, kind="stable")
    nearest, values = nearest[order], values[order]
    if (np.diff(values) >= 0).any():
        raise ImageError(
            f"The discs are not in order from below: {', '.join(map(str, values))}. "
            "Check their labels."
        )
    _check_apart(own.points[nearest], values)
    below = np.append(values, values[-1] - 1)
    levels = np.zeros(segmentation.grid.reoriented(AXES).shape[2], dtype=np.int64)
    levels[own.slices] = below[np.searchsorted(nearest, np.arange(own.slices.size))]
    return levels


def _without_far(points: Floats, values: Levels, own: _Traced, grid: Grid) -> tuple[Floats, Levels]:
    """The discs (n, 3; mm) without those beyond another disc that lies beyond the mask's end."""
    heights = apply_affine(np.linalg.inv(grid.reoriented(AXES).affine), points)[:, 2]
    bottom, top = float(own.slices[0]), float(own.slices[-1])
    lowest = heights[heights < bottom].max(initial=-np.inf)
    highest = heights[heights > top].min(initial=np.inf)
    kept = (heights >= lowest) & (heights <= highest)
    return points[kept], values[kept]


def _check_apart(points: Floats, values: Levels) -> None:
    """Neighbouring discs (n, 3), in mm, must be as far apart as a vertebra is high."""
    gaps = np.linalg.norm(np.diff(points, axis=0), axis=1) / -np.diff(values)
    for gap, (lower, upper) in zip(gaps, pairwise(values.tolist()), strict=True):
        if not LEAST_HEIGHT <= gap <= MOST_HEIGHT:
            raise ImageError(
                f"The discs {upper} and {lower} are {gap:.1f} mm apart for each level, and a "
                f"vertebra is {LEAST_HEIGHT:g} to {MOST_HEIGHT:g} mm high: check their labels."
            )


def level_name(level: int) -> str:
    """The name of a vertebral level: C1 to C7, T1 to T12, L1 to L5, S1 to S5 for 1 to 29."""
    for letter, count in (("C", 7), ("T", 12), ("L", 5), ("S", 5)):
        if level <= count:
            return f"{letter}{level}"
        level -= count
    return str(level)


def covered_name(level: int, covers: Mapping[int, Sequence[int]]) -> str:
    """The name of a level, "C3-C4" where it holds more than one vertebra."""
    numbers = covers.get(level, (level,))
    names = [level_name(numbers[0]), level_name(numbers[-1])]
    return "-".join(dict.fromkeys(names))


def missing_discs(discs: Volume) -> tuple[int, ...]:
    """Discs that are not labelled between the lowest and the highest that are.

    The level below a missing disc takes the slices of the one above it.
    """
    values = {int(value) for value in np.unique(discs.data[discs.data > 0])}
    values = {value for value in values if value <= HIGHEST_LEVEL}
    return tuple(n for n in range(min(values), max(values)) if n not in values) if values else ()


def covers_of(discs: Volume) -> dict[int, tuple[int, ...]]:
    """Levels that hold more than one vertebra, as a disc between them is not labelled.

    With the discs 3 and 5, level 3 reaches from the one to the other: it holds C3 and C4.
    """
    values = sorted({int(v) for v in np.unique(discs.data) if 0 < v <= HIGHEST_LEVEL})
    return {
        upper: tuple(range(upper, lower)) for upper, lower in pairwise(values) if lower > upper + 1
    }


def placed_centreline(curve: Centreline, grid: Grid) -> Floats:
    """The curve's points in mm (RAS), an array (slices, 3)."""
    voxels = np.stack([curve.x, curve.y, curve.z], axis=1)
    return np.asarray(voxels @ grid.affine[:3, :3].T + grid.affine[:3, 3])


@dataclass(frozen=True, eq=False)
class _Traced:
    """A mask's centreline: its slices (LAS), its points in mm, and the voxels it runs through.

    Voxels are counted along the image's own axes and cut off, not rounded.
    """

    slices: Levels
    points: Floats
    voxels: Floats


def _traced(mask: Volume) -> _Traced:
    cord = upright(mask)
    if cord is None:
        raise ImageError("The mask is empty: there is no cord to project the discs onto.")
    fit = CentrelineFit(smooth=DISC_SMOOTHING)
    curve = fitted(centres(cord.mask), cord.spacing[2], fit).moved(cord.start)
    along = np.stack([curve.x, curve.y, curve.z.astype(np.float64)], axis=1)
    own = np.trunc(_on_own_axes(along, mask.grid))
    return _Traced(
        curve.z, placed_centreline(curve, cord.grid), apply_affine(mask.grid.affine, own)
    )


def _on_own_axes(voxels: Floats, grid: Grid) -> Floats:
    """Voxels (n, 3) of the grid in LAS as voxels of the grid itself."""
    transform = orientations.ornt_transform(
        orientations.io_orientation(grid.affine), orientations.axcodes2ornt(AXES)
    )
    columns = []
    for axis, (target, direction) in enumerate(transform):
        column = voxels[:, int(target)]
        columns.append(column if direction > 0 else grid.shape[axis] - 1 - column)
    return np.stack(columns, axis=1)


def _at_voxels(points: Floats, grid: Grid) -> Floats:
    """Points (n, 3) in mm moved to the centres of the grid's voxels that they lie in."""
    voxels = np.rint(apply_affine(np.linalg.inv(grid.affine), points))
    inside = np.clip(voxels, 0, np.array(grid.shape) - 1)
    return np.asarray(apply_affine(grid.affine, inside))


def _labels(discs: Volume) -> tuple[Floats, Levels]:
    """Positions in mm (RAS) and values of the labelled voxels."""
    voxels = np.argwhere(discs.data > 0)
    values = np.round(discs.data[tuple(voxels.T)]).astype(np.int64)
    kept = values <= HIGHEST_LEVEL
    if not kept.any():
        raise ImageError("The disc file holds no disc: label single voxels with 1, 2, 3 and so on.")
    _check_single(values[kept])
    affine = discs.grid.affine
    return voxels[kept] @ affine[:3, :3].T + affine[:3, 3], values[kept]


def _check_single(values: Levels) -> None:
    """Each disc must be one voxel: of a blob, the order along the cord would be arbitrary."""
    numbers, counts = np.unique(values, return_counts=True)
    if counts.max() > 1:
        number, count = int(numbers[counts.argmax()]), int(counts.max())
        raise ImageError(
            f"Disc {number} has {count} voxels: label each disc with one voxel. A map of whole "
            "levels is given with -vertfile."
        )


def _nearest(points: Floats, to: Floats) -> Levels:
    """The index of the point nearest to each of `to`; a KD-tree, as SCT's, settles ties."""
    from scipy.spatial import KDTree

    return np.asarray(KDTree(points).query(to)[1], dtype=np.int64)
