"""Laying overlapping tiles over an array and blending what a network says of each.

The rule is nnU-Net's (Isensee et al., Nature Methods 2021): tiles at most half a tile apart,
a Gaussian weight with a standard deviation of an eighth of the tile, zero padding where the
array is smaller than the tile. Arrays are (z, y, x) float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["blended", "gaussian", "needed", "positions"]

SHARE = 0.5
"""Share of the weight below which the other tiles say enough, 0 to 1."""

Float = NDArray[np.float32]
Forward = Callable[[Float], Float]


def blended(
    data: Float,
    tile: Sequence[int],
    forward: Forward,
    wanted: NDArray[np.bool_] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Float:
    """The difference of the logits (cord minus background) over the whole of `data`.

    `forward` maps a tile (z, y, x) to that difference. With `wanted`, a mask of the shape of
    `data`, only the tiles that `needed` names are run; voxels that no tile covers get -inf.
    """
    padded, inner = _padded(data, tile)
    mask = None if wanted is None else _padded(wanted, tile)[0]
    starts = positions(padded.shape, tile) if mask is None else needed(mask, tile)
    total = np.zeros(padded.shape, np.float32)
    weights = np.zeros(padded.shape, np.float32)
    weight = gaussian(tuple(tile))
    for done, start in enumerate(starts):
        window = _window(start, tile)
        total[window] += forward(np.ascontiguousarray(padded[window])) * weight
        weights[window] += weight
        if progress is not None:
            progress(done + 1, len(starts))
    result = np.full(padded.shape, -np.inf, np.float32)
    np.divide(total, weights, out=result, where=weights > 0)
    return np.asarray(result[inner])


def positions(shape: Sequence[int], tile: Sequence[int], step: float = 0.5) -> list[Any]:
    """The first corners of the tiles, evenly spread, at most `step` of a tile apart."""
    return list(product(*(_steps(n, t, step) for n, t in zip(shape, tile, strict=True))))


def needed(wanted: NDArray[np.bool_], tile: Sequence[int], share: float = SHARE) -> list[Any]:
    """The tiles of `positions` that a mask needs: each of its voxels stays covered.

    A tile is left out if nowhere in the mask its weight is as much as `share` of the weight
    of all the tiles that are still there. The lightest are asked first.
    """
    weight = gaussian(tuple(tile))
    windows = {start: _window(start, tile) for start in positions(wanted.shape, tile)}
    inside = {start: wanted[window] for start, window in windows.items()}
    windows = {start: window for start, window in windows.items() if inside[start].any()}
    weights = np.zeros(wanted.shape)  # float64: what is left of a difference may be small
    for window in windows.values():
        weights[window] += weight

    def greatest_share(start: Any) -> float:
        mask = inside[start]
        return float((weight[mask] / weights[windows[start]][mask]).max())

    for start in sorted(windows, key=greatest_share):
        if greatest_share(start) < share:
            weights[windows.pop(start)] -= weight
    return list(windows)


@lru_cache(maxsize=4)
def gaussian(tile: tuple[int, ...]) -> Float:
    """The weight of each voxel of a tile, 10 at the centre, nowhere 0."""
    axes = [np.exp(-0.5 * ((np.arange(n) - n // 2) / (n / 8)) ** 2) for n in tile]
    weight = axes[0][:, None, None] * axes[1][None, :, None] * axes[2][None, None, :]
    weight = 10 * weight / weight.max()
    return np.asarray(np.maximum(weight, weight[weight > 0].min()), np.float32)


def _steps(length: int, tile: int, step: float) -> Iterator[int]:
    count = int(np.ceil((length - tile) / (tile * step))) + 1
    width = (length - tile) / max(count - 1, 1)
    return (int(np.round(width * i)) for i in range(count))


def _padded(data: NDArray[Any], tile: Sequence[int]) -> tuple[NDArray[Any], Any]:
    missing = [max(0, t - n) for n, t in zip(data.shape, tile, strict=True)]
    if not any(missing):
        return data, (slice(None),) * 3
    pads = [(m // 2, m - m // 2) for m in missing]
    inner = tuple(slice(a, a + n) for (a, _), n in zip(pads, data.shape, strict=True))
    return np.pad(data, pads), inner


def _window(start: Sequence[int], tile: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(a, a + t) for a, t in zip(start, tile, strict=True))
