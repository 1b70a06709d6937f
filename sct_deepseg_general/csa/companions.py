"""The files that go with a mask, brought onto its grid before anything is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sct_deepseg_general.csa.measure import CsaRequest
from sct_deepseg_general.csa.selection import number_list
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.companion import Kind, brought_over, check_points, same_grid
from sct_deepseg_general.image.kinds import check_background, check_is_mask
from sct_deepseg_general.image.labels import labels_in
from sct_deepseg_general.image.las import AXES, upright
from sct_deepseg_general.image.volume import NEAR_ZERO, Volume
from sct_deepseg_general.levels.slices import check_levels, from_levels
from sct_deepseg_general.morphometry.centreline import centres

__all__ = ["centreline_aside", "on_grid_of"]

_KINDS: Mapping[str, tuple[str, Kind]] = {
    "level_map": ("the level map", "labels"),
    "image": ("the image", "image"),
    "centreline": ("the mask for the centreline", "mask"),
    "soft": ("the probability map", "image"),
}
_COVERING = ("image", "soft")
"""What is measured inside of the mask, and must cover it."""

ASIDE = 10.0
"""Distance in mm between the centres of mask and centreline from which the user is told."""

_POINTS = {"discs": "the disc file", "pmj": "the PMJ file"}


def on_grid_of(
    onto: Volume,
    request: CsaRequest,
    onto_name: str = "the mask",
    names: Mapping[str, str] | None = None,
) -> tuple[CsaRequest, tuple[str, ...]]:
    """Bring every companion of a request onto the grid of a mask, or of the image it is made of.

    Parameters
    ----------
    onto : Volume
        The mask, or the image that the mask will have the grid of.
    request : CsaRequest
        Level map, discs, PMJ, image, centreline and probability, each on a grid of its own. Discs
        and the PMJ are used by their position in mm and stay on their grid.
    onto_name : str
        How messages call the mask.
    names : mapping of str to str, optional
        How messages call the companions, by the names of the request's fields.

    Returns
    -------
    request : CsaRequest
        The request with all volumes on the grid of `onto`.
    sentences : tuple of str
        What the user should know, one for each companion that was on another grid.

    Raises
    ------
    ImageError
        A companion cannot be brought over (see `companion.brought_over`); the level map is a file
        of discs or is out of order; or the centreline's mask is no mask.
    """
    names = names or {}
    sentences: list[str] = []
    for field, (words, kind) in _KINDS.items():
        volume: Volume | None = getattr(request, field)
        if volume is None:
            continue
        name = names.get(field, words)
        if field == "level_map":
            _check_whole(volume, name)
        if field == "centreline":
            _check_centreline(volume, name)
        needed = onto.data > NEAR_ZERO if field in _COVERING else None
        moved = brought_over(volume, kind, onto, name, onto_name, needed)
        request = replace(request, **{field: moved.volume})  # type: ignore[arg-type]
        sentences.append(moved.sentence)
        if field == "level_map":
            check_levels(moved.volume, name)
            cut, sentence = _cut(volume, moved.volume, name)
            request = replace(request, cut_levels=cut)
            sentences.append(sentence)
    for field, words in _POINTS.items():
        points: Volume | None = getattr(request, field)
        if points is not None:
            sentences.append(check_points(points, onto, names.get(field, words), onto_name))
    return request, tuple(filter(None, sentences))


def _check_whole(level_map: Volume, name: str) -> None:
    """A level map holds whole levels; single voxels are discs, which mean something else."""
    values, counts = np.unique(level_map.data[level_map.data > 0], return_counts=True)
    if values.size and counts.max() == 1:
        raise ImageError(
            f"{name} holds single voxels, not whole levels: give labels of discs with -discfile."
        )


def _cut(level_map: Volume, moved: Volume, name: str) -> tuple[dict[int, str], str]:
    """Levels that end where a level map on another grid ends, each with a remark; and a sentence
    about the slices (LAS) that the map does not reach.
    """
    if same_grid(level_map.grid, moved.grid):
        return {}, ""
    every = Volume(np.ones(level_map.grid.shape, np.uint8), level_map.grid, level_map.header)
    reached = brought_over(every, "mask", moved, name).volume.reoriented(AXES)
    empty = ~reached.data.any(axis=(0, 1))
    if not empty.any():
        return {}, ""
    levels = from_levels(moved)
    beside = np.convolve(empty, [1, 0, 1], "same") > 0
    cut = {int(n): f"level {n} may be cut: {name} ends there" for n in levels[beside] if n}
    slices = number_list(np.flatnonzero(empty).tolist())
    return cut, f"{name} does not reach the slices {slices}: levels at its ends may be cut."


def _check_centreline(guide: Volume, name: str) -> None:
    """What a centreline is taken from must be a mask, or a curve drawn in voxels."""
    labels = labels_in(guide)
    if labels:
        raise ImageError(
            f"{name} is a map of the labels {number_list(labels)}: a centreline is taken from a "
            "mask of the cord."
        )
    check_is_mask(guide, name)
    check_background(guide, name)


def centreline_aside(guide: Volume, mask: Volume, name: str) -> str:
    """A sentence if the mask of a centreline lies beside the mask to measure; "" if not.

    Parameters
    ----------
    guide, mask
        The two masks (x, y, z), on one grid.
    name
        How the sentence calls the centreline's mask.
    """
    first, second = upright(guide), upright(mask)
    if first is None or second is None:
        return ""
    one, other = (centres(cord.mask) for cord in (first, second))
    one_z, other_z = one.z + first.start[2], other.z + second.start[2]
    both, at, to = np.intersect1d(one_z, other_z, return_indices=True)
    if not both.size:
        return ""
    across = (one.x[at] + first.start[0] - other.x[to] - second.start[0]) * first.spacing[0]
    deep = (one.y[at] + first.start[1] - other.y[to] - second.start[1]) * first.spacing[1]
    apart = np.hypot(across, deep)
    if apart.max() <= ASIDE:
        return ""
    return (
        f"{name} lies up to {apart.max():.0f} mm beside the mask, in slice "
        f"{both[apart.argmax()]}: check that it belongs to it."
    )
