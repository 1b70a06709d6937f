"""Overlapping tiles over an array, and the blending of a network's output for each.

The rule is nnU-Net's (Isensee et al., Nature Methods 2021): tiles at most half a tile apart,
a Gaussian weight with a standard deviation of an eighth of the tile, zero padding where the
array is smaller than the tile. nnU-Net lays them on a lattice over the whole array; where the
region of interest is known, they follow that instead. Arrays are (z, y, x) float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "blended",
    "blended_channels",
    "fitted_tile",
    "following",
    "gaussian",
    "positions",
    "tiles_of",
]

EDGE = 4
"""Voxels between the region of interest and the border of the tiles that follow it."""

LEAST_TILE = 32
"""Least side, in voxels, of the locator's tiles where the image is smaller than its patch."""
TILE_STEP = 16
"""Sides of such tiles are multiples of this, as a U-Net of up to five stages needs."""

Float = NDArray[np.float32]
Forward = Callable[[Float], Float]
Each = Callable[[Callable[[Any], Float], Iterable[Any]], Iterable[Float]]
"""What `map` is: a function's results, in the order of what it is given."""


def blended(
    data: Float,
    tile: Sequence[int],
    forward: Forward,
    region: NDArray[np.bool_] | None = None,
    progress: Callable[[int, int], None] | None = None,
    each: Each = map,
) -> Float:
    """The difference of the logits (cord minus background), (z, y, x), over the whole of `data`.

    `forward` maps a tile (z, y, x) to that difference. With `region`, a mask of the shape of
    `data`, only the tiles `following` it are run; voxels that no tile covers get -inf. `each` may
    run several tiles at a time; they are added up in the same order, to the same bits.
    """
    padded, inner = _padded(data, tile)
    mask = None if region is None else _padded(region, tile)[0]
    starts = positions(padded.shape, tile) if mask is None else following(mask, tile)
    total = np.zeros(padded.shape, np.float32)
    weights = np.zeros(padded.shape, np.float32)
    weight = gaussian(tuple(tile))

    def run(start: Any) -> Float:
        return forward(np.ascontiguousarray(padded[_window(start, tile)]))

    for done, (start, values) in enumerate(zip(starts, each(run, starts), strict=True)):
        window = _window(start, tile)
        total[window] += values * weight
        weights[window] += weight
        if progress is not None:
            progress(done + 1, len(starts))
    result = np.full(padded.shape, -np.inf, np.float32)
    np.divide(total, weights, out=result, where=weights > 0)
    return np.asarray(result[inner])


def blended_channels(
    data: Float,
    tile: Sequence[int],
    forward: Forward,
    progress: Callable[[int, int], None] | None = None,
    each: Each = map,
) -> NDArray[np.float16]:
    """The logits of a network with any number of channels, to the bit as nnU-Net sums them.

    Parameters
    ----------
    data : array
        The image (channels, z, y, x).
    tile : sequence of int
        The size of a tile (z, y, x); z is 1 for a network of slices, which sees each slice.
    forward : callable
        Maps a tile (channels, z, y, x) to its logits (label channels, z, y, x), float32.
    progress : callable, optional
        Called with (tiles done, tiles in all).
    each : callable
        As `map`; may run several tiles at a time.

    Returns
    -------
    array
        The logits (label channels, z, y, x) over the whole of `data`, float16.

    Notes
    -----
    nnU-Net keeps the weighted sum and the sum of the weights in half precision, which moves the
    border of labels by a voxel here and there. So that labels are equal to its own, this does.
    """
    padded, inner = zip(*(_padded(channel, tile) for channel in data), strict=True)
    image, shape = np.stack(padded), padded[0].shape
    starts = positions(shape, tile)
    weights = np.zeros(shape, np.float16)
    weight = _half_gaussian(tuple(tile))
    wide = weight.astype(np.float32)
    total = np.zeros((0, *shape), np.float16)

    def run(start: Any) -> Float:
        seen = (slice(None), *_window(start, tile))
        return forward(np.ascontiguousarray(image[seen]))

    for done, (start, logits) in enumerate(zip(starts, each(run, starts), strict=True)):
        if not len(total):  # the first tile tells how many channels there are
            total = np.zeros((len(logits), *shape), np.float16)
        window = _window(start, tile)
        for sums, channel in zip(total, logits, strict=True):
            sums[window] = sums[window] + channel * wide
        weights[window] += weight
        if progress is not None:
            progress(done + 1, len(starts))
    wide = weights.astype(np.float32)
    for sums in total:
        sums[...] = sums / wide
    whole = (slice(None), *inner[0])
    return np.asarray(total[whole])


def tiles_of(data: Float, tile: Sequence[int]) -> Iterator[Float]:
    """The tiles (channels, z, y, x) of an image of those axes that `blended_channels` runs."""
    padded = np.stack([_padded(channel, tile)[0] for channel in data])
    for start in positions(padded.shape[1:], tile):
        seen = (slice(None), *_window(start, tile))
        yield np.ascontiguousarray(padded[seen])


@lru_cache(maxsize=4)
def _half_gaussian(tile: tuple[int, ...]) -> NDArray[np.float16]:
    """nnU-Net's weight of each voxel of a tile, in half precision; nowhere 0."""
    from scipy import ndimage  # 0.2 s, not for -h

    axes = []
    for n in tile if tile[0] > 1 else tile[1:]:
        centre = np.zeros(n)
        centre[n // 2] = 1
        axes.append(ndimage.gaussian_filter1d(centre, n / 8, mode="constant"))
    product = axes[0]
    for axis in axes[1:]:
        product = product[..., None] * axis
    weight = (product / (product.max() / 10)).astype(np.float16)
    weight = np.maximum(weight, weight[weight > 0].min())
    return np.asarray(weight.reshape(tile), np.float16)


def positions(shape: Sequence[int], tile: Sequence[int], step: float = 0.5) -> list[Any]:
    """The first corners (z, y, x), in voxels, of the tiles: evenly spread, at most `step` of a
    tile apart.
    """
    return list(product(*(_steps(n, t, step) for n, t in zip(shape, tile, strict=True))))


def following(region: NDArray[np.bool_], tile: Sequence[int]) -> list[Any]:
    """The first corners (z, y, x), in voxels, of the fewest tiles that cover a mask (z, y, x).

    Along the axis they are half a tile apart. At each step they are centred on what the mask
    covers there, one where it fits in with `EDGE` voxels to spare, else several, at most half a
    tile apart. Those without a voxel of the mask are left out.
    """
    starts = []
    for low in _steps(region.shape[0], tile[0], 0.5):
        part = region[low : low + tile[0]]
        if part.any():
            rows = _spanning(np.flatnonzero(part.any((0, 2))), region.shape[1], tile[1])
            columns = _spanning(np.flatnonzero(part.any((0, 1))), region.shape[2], tile[2])
            starts += [(low, row, column) for row, column in product(rows, columns)]
    return [start for start in starts if region[_window(start, tile)].any()]


def fitted_tile(shape: Sequence[int], patch: Sequence[int]) -> tuple[int, ...]:
    """The smallest tile, in voxels (z, y, x) and at most the patch, that holds such a `shape`.

    Its sides are multiples of `TILE_STEP` and at least `LEAST_TILE`, so that a small image is
    not mostly padding; a side of the patch that is no such multiple stays as it is.
    """
    return tuple(_fitted_side(n, most) for n, most in zip(shape, patch, strict=True))


def _fitted_side(n: int, most: int) -> int:
    if most % TILE_STEP:
        return most
    return min(most, max(LEAST_TILE, -(-n // TILE_STEP) * TILE_STEP))


def _spanning(index: NDArray[np.intp], length: int, tile: int) -> list[int]:
    """First voxels of the tiles that cover an index's voxels, and up to `EDGE` more beside them."""
    low, high = max(0, int(index[0]) - EDGE), min(length, int(index[-1]) + 1 + EDGE)
    missing = max(0, high - low - tile)
    count = int(np.ceil(missing / (tile * 0.5))) + 1
    if count == 1:
        return [_inside((low + high - tile) / 2, length - tile)]
    return [_inside(low + i * missing / (count - 1), length - tile) for i in range(count)]


def _inside(start: float, last: int) -> int:
    return min(max(0, round(start)), last)


@lru_cache(maxsize=4)
def gaussian(tile: tuple[int, ...]) -> Float:
    """The weight of each voxel of a tile, 10 at the centre, nowhere 0."""
    axes = [np.exp(-0.5 * ((np.arange(n) - n // 2) / (n / 8)) ** 2) for n in tile]
    weight = axes[0][:, None, None] * axes[1][None, :, None] * axes[2][None, None, :]
    weight = 10 * weight / weight.max()
    return np.asarray(np.maximum(weight, weight[weight > 0].min()), np.float32)


def _steps(length: int, tile: int, step: float) -> Iterator[int]:
    if tile == 1:
        yield from range(length)
        return
    count = int(np.ceil((length - tile) / (tile * step))) + 1
    width = (length - tile) / max(count - 1, 1)
    yield from (int(np.round(width * i)) for i in range(count))


def _padded(data: NDArray[Any], tile: Sequence[int]) -> tuple[NDArray[Any], Any]:
    missing = [max(0, t - n) for n, t in zip(data.shape, tile, strict=True)]
    if not any(missing):
        return data, (slice(None),) * 3
    pads = [(m // 2, m - m // 2) for m in missing]
    inner = tuple(slice(a, a + n) for (a, _), n in zip(pads, data.shape, strict=True))
    return np.pad(data, pads), inner


def _window(start: Sequence[int], tile: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(a, a + t) for a, t in zip(start, tile, strict=True))
