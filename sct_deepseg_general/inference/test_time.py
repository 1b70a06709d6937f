"""Altered copies of an image, whose segmentations show how sure the result is.

Each copy ("view") shows the same cord: mirrored, interpolated between the voxels, darker,
brighter, or with inverted contrast. It has a grid of its own, so that its probability returns to
the image's grid like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.image.volume import Array, Axcodes, Grid, Volume
from sct_deepseg_general.inference.preprocess import zscored

__all__ = ["VIEWS", "views"]

_TURNED = {"L": "R", "R": "L"}
_EXTREMES = (0.5, 99.5)  # percentiles between which a gamma curve runs

View = Callable[[Volume, Volume], Volume]


def views(crop: Volume, close: Volume) -> Iterator[Volume]:
    """The altered copies of a crop, from `preprocess.cut_out`, as volumes (x, y, z).

    `close` is the same crop from `preprocess.prepared`; each copy has its axes, apart from their
    direction, and its voxel size in mm, and is z-scored.
    """
    for view in VIEWS.values():
        yield view(crop, close)


def _mirrored(_: Volume, close: Volume) -> Volume:
    x, y, z = (_TURNED.get(code, code) for code in close.grid.axcodes)
    codes: Axcodes = (x, y, z)
    turned = close.reoriented(codes)
    return replace(turned, data=np.ascontiguousarray(turned.data))


def _between(share: float) -> View:
    def view(crop: Volume, close: Volume) -> Volume:
        affine = close.grid.affine.copy()
        affine[:3, 3] += affine[:3, :3] @ np.full(3, share)
        moved = crop.resampled_to(Grid(close.grid.shape, affine), order=1)
        return replace(moved, data=zscored(moved.data))

    return view


def _toned(curve: Callable[[NDArray[np.float32]], Array]) -> View:
    def view(_: Volume, close: Volume) -> Volume:
        low, high = np.percentile(close.data[::2, ::2, ::2], _EXTREMES)
        unit = np.clip((close.data - low) / max(float(high - low), 1e-6), 0, 1)
        return replace(close, data=zscored(curve(unit.astype(np.float32))))

    return view


VIEWS: dict[str, View] = {
    "mirrored": _mirrored,
    "between voxels, up": _between(0.5),
    "between voxels, down": _between(-0.5),
    "darker": _toned(lambda unit: unit**1.5),
    "brighter": _toned(lambda unit: unit ** (1 / 1.5)),
    "contrast turned round": _toned(lambda unit: 1 - unit),
}
"""The six alterations by name; with them the network takes about seven times as long."""
