"""The files that go with a mask, brought onto its grid before anything is measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from sct_deepseg_general.csa.measure import CsaRequest
from sct_deepseg_general.csa.selection import number_list
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.companion import Kind, brought_over, check_points, same_grid
from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.image.volume import Volume

__all__ = ["on_grid_of"]

_KINDS: Mapping[str, tuple[str, Kind]] = {
    "level_map": ("the level map", "labels"),
    "image": ("the image", "image"),
    "centreline": ("the mask for the centreline", "mask"),
    "soft": ("the probability map", "image"),
}
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
        A companion cannot be brought over (see `companion.brought_over`), or the level map is a
        file of discs.
    """
    names = names or {}
    sentences: list[str] = []
    for field, (words, kind) in _KINDS.items():
        volume: Volume | None = getattr(request, field)
        if volume is None:
            continue
        name = names.get(field, words)
        if field == "level_map":
            _check_levels(volume, name)
            sentences.extend(_uncovered(volume, onto, name))
        moved = brought_over(volume, kind, onto, name, onto_name)
        request = replace(request, **{field: moved.volume})  # type: ignore[arg-type]
        sentences.append(moved.sentence)
    for field, words in _POINTS.items():
        points: Volume | None = getattr(request, field)
        if points is not None:
            sentences.append(check_points(points, onto, names.get(field, words), onto_name))
    return request, tuple(filter(None, sentences))


def _check_levels(level_map: Volume, name: str) -> None:
    """A level map holds whole levels; single voxels are discs, which mean something else."""
    values, counts = np.unique(level_map.data[level_map.data > 0], return_counts=True)
    if values.size and counts.max() == 1:
        raise ImageError(
            f"{name} holds single voxels, not whole levels: give labels of discs with -discfile."
        )


def _uncovered(level_map: Volume, onto: Volume, name: str) -> Iterator[str]:
    """Slices (LAS) that a level map on another grid does not reach, so that levels may be cut."""
    if same_grid(level_map.grid, onto.grid):
        return
    every = Volume(np.ones(level_map.grid.shape, np.uint8), level_map.grid, level_map.header)
    reached = brought_over(every, "mask", onto, name).volume.reoriented(AXES)
    empty = np.flatnonzero(~reached.data.any(axis=(0, 1)))
    if empty.size:
        yield (
            f"{name} does not reach the slices {number_list(empty.tolist())}: levels at its ends "
            "may be cut."
        )
