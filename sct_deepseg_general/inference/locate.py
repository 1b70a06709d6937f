"""Finding the cord: a coarse segmentation of the whole image gives the box to crop to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.image.volume import Array, Box, Grid, Probability, Volume
from sct_deepseg_general.inference.preprocess import margin_box, prepared

__all__ = ["Location", "body_box", "box_on_grid", "everywhere", "locate"]

Coarse = Callable[[Volume], Probability]
AIR = 0.1
BESIDE = 20.0  # mm of air that are kept beside the body
FAINT = 0.6  # share of the threshold down to which the cord is followed
MINOR = 0.2  # a second object counts as cord from this share of the largest one's mass


@dataclass(frozen=True, eq=False)
class Location:
    """Where the cord is: `box` on the oriented image's grid, found by the `coarse` mask."""

    box: Box
    coarse: Volume | None
    found: bool
    confidence: float
    """Mean coarse probability inside the cord, 0 to 1; NaN where the cord was not looked for."""


def everywhere(oriented: Volume) -> Location:
    """The whole image, in which the cord was not looked for (`-exact`, or no locator)."""
    return Location(oriented.grid.box, None, found=True, confidence=float("nan"))


def locate(
    oriented: Volume,
    coarse_probability: Coarse,
    spacing: tuple[float, float, float],
    threshold: float,
    margin: float,
) -> Location:
    """Find the box around the cord in a coarse segmentation of the whole image.

    Parameters
    ----------
    oriented : Volume
        The image (x, y, z) in the model's axes.
    coarse_probability : callable
        Takes a prepared volume and gives the probability of cord on its grid, in [0, 1].
    spacing : tuple of float
        Voxel size of the coarse segmentation along each axis, in mm.
    threshold : float
        Probability from which a voxel counts as cord, in (0, 1).
    margin : float
        Distance in mm that the box keeps from the cord.

    Returns
    -------
    Location
        The box in voxels of `oriented`. If nothing reaches `threshold`, it is the whole image
        and `found` is false.

    Examples
    --------
    >>> from sct_deepseg_general.image.volume import Grid
    >>> data = np.zeros((40, 40, 40), np.float32)
    >>> data[18:22, 18:22] = 1
    >>> image = Volume(data, Grid((40, 40, 40), np.eye(4)))
    >>> locate(image, lambda one: Probability(1.0 * (one.data > 1), one.grid), (1, 1, 1), 0.5, 10)
    ... # doctest: +ELLIPSIS
    Location(box=Box(start=(8, 8, 0), stop=(32, 32, 40)), ... found=True, confidence=1.0)
    """
    whole = oriented.grid.box
    coarse = _over_the_body(prepared(oriented, whole, spacing), coarse_probability)
    mask = _objects(coarse.data, threshold, FAINT * threshold)
    if not mask.any():
        return Location(whole, None, found=False, confidence=float(coarse.data.max()))
    box = _on_grid(margin_box(mask, coarse.grid.spacing, margin), coarse.grid, oriented.grid)
    found = Volume(mask.astype(np.float32), coarse.grid)
    sure = mask & (coarse.data >= threshold)
    return Location(box, found, found=True, confidence=float(coarse.data[sure].mean()))


def _over_the_body(image: Volume, coarse_probability: Coarse) -> Probability:
    """The coarse probability on the grid of `image`, 0 in the air beside the body."""
    box = body_box(image)
    body = image.cropped(box)
    data = np.zeros(image.grid.shape, np.float32)
    data[box.slices] = coarse_probability(body).data
    return Probability(data, image.grid)


def body_box(image: Volume) -> Box:
    """The box, in voxels, of an image (x, y, z; model axes) without the air beside the body.

    Air is what is darker, over 3 voxels each way, than `AIR` of the way from the lowest value to
    the 99th percentile. Along the body nothing is cut: far from the coil it may be as dark as air.
    """
    from scipy import ndimage  # 0.2 s, not for -h

    low, high = float(image.data.min()), float(np.percentile(image.data, 99))
    smooth = ndimage.uniform_filter(image.data, 3, mode="nearest")
    body = smooth > low + AIR * (high - low)
    box = margin_box(body, image.grid.spacing, BESIDE)
    return Box((*box.start[:2], 0), (*box.stop[:2], image.grid.shape[2]))


def _objects(probability: NDArray[np.float32], threshold: float, faint: float) -> NDArray[np.bool_]:
    """The object with the most probability, and those nearly as large.

    An object is what is connected at `faint` and reaches `threshold` somewhere. Of it is kept
    what reaches `threshold`, and slices (third axis) where nothing does: whether the cord goes
    on there, the network decides.
    """
    from scipy import ndimage  # 0.2 s, not for -h

    sure = probability >= threshold
    labels, count = ndimage.label(probability >= faint, np.ones((3, 3, 3)))
    index = np.arange(1, count + 1)
    masses = ndimage.sum_labels(probability, labels, index)
    masses = np.where(ndimage.maximum(sure, labels, index), masses, 0)
    kept = index[masses >= max(MINOR * masses.max(initial=0), np.finfo(float).tiny)]
    objects = np.isin(labels, kept)
    return objects & (sure | ~(objects & sure).any((0, 1)))


def _on_grid(box: Box, source: Grid, target: Grid) -> Box:
    """A box of one grid on another grid of the same axes, cut at that grid's border."""
    ratio = np.array(target.shape) / np.array(source.shape)
    low = np.floor(np.array(box.start) * ratio).astype(int)
    high = np.ceil(np.array(box.stop) * ratio).astype(int)
    x0, y0, z0 = (int(v) for v in low)
    x1, y1, z1 = (int(v) for v in np.minimum(high, target.shape))
    return Box((x0, y0, z0), (x1, y1, z1))


def box_on_grid(low: Array, high: Array, source: Grid, target: Grid) -> Box:
    """A box of one grid on another grid with any axes, rounded outwards and cut at its border.

    Parameters
    ----------
    low, high : arrays of three floats
        The box in voxels of `source`, from its lower face to its upper face: voxel i reaches
        from i to i + 1.
    source, target : Grid
        Grids whose axes are parallel up to order and direction.
    """
    faces = np.array([low, high]) - 0.5  # the centre of voxel 0 is at 0
    matrix = np.linalg.inv(target.affine) @ source.affine
    corners = faces @ matrix[:3, :3].T + matrix[:3, 3] + 0.5
    first = np.clip(np.floor(corners.min(0) + 1e-3), 0, np.array(target.shape) - 1).astype(int)
    last = np.clip(np.ceil(corners.max(0) - 1e-3), first + 1, target.shape).astype(int)
    x0, y0, z0 = (int(v) for v in first)
    x1, y1, z1 = (int(v) for v in last)
    return Box((x0, y0, z0), (x1, y1, z1))
