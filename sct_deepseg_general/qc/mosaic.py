"""The axial mosaic: a tile around the cord for each slice, in one sheet, with contours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.image.volume import Array
from sct_deepseg_general.qc.contours import svg_path
from sct_deepseg_general.qc.display import Display, Mask
from sct_deepseg_general.qc.raster import Bytes2D, grey, resized, window

__all__ = ["Mosaic", "Tile", "axial_mosaic", "thumbnail"]

_FIELD = 36.0  # mm, the canal and a margin
_WIDEST = 90.0  # mm, for a mask that has leaked
_MOST_TILES = 72
_TILE_PIXELS = 88
_COLUMNS = 12
_LONGEST_PATH = 1500  # characters a tile
_BEYOND = 2  # slices shown above and below the mask, where it may have missed the cord


@dataclass(frozen=True)
class Tile:
    """One slice: `number` counts from inferior; the borders of the mask, of the other mask and of
    each label are SVG paths in voxels.
    """

    number: int
    contour: str
    other: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Mosaic:
    """`sheet` and `heat` (rows, columns of pixels) hold the tiles, `columns` a row.

    `voxels` is a tile's (width, height) in voxels, the unit of the contours, `pixels` its
    (width, height) in the sheet. `of` is the number of slices the tiles were chosen from.
    """

    tiles: tuple[Tile, ...]
    columns: int
    voxels: tuple[int, int]
    pixels: tuple[int, int]
    sheet: Bytes2D
    heat: Bytes2D | None
    of: int


def axial_mosaic(display: Display) -> Mosaic:
    """The slices that hold cord (or, without any, all) evenly thinned to 72 tiles."""
    candidates = _candidates(display)
    chosen = _thinned(candidates, _MOST_TILES)
    voxels, pixels = _tile_size(display, _field(display))
    corners = [_corner(display, z, voxels) for z in chosen]
    cuts = [_cut(display.image[:, :, z], c, voxels) for z, c in zip(chosen, corners, strict=True)]
    shades = [grey(cut, limits) for cut, limits in zip(cuts, _limits(cuts), strict=True)]
    columns = min(_COLUMNS, len(chosen))
    return Mosaic(
        tiles=tuple(_tile(display, z, c, voxels) for z, c in zip(chosen, corners, strict=True)),
        columns=columns,
        voxels=voxels,
        pixels=pixels,
        sheet=_sheet(shades, columns, pixels),
        heat=_heat(display, chosen, corners, voxels, columns, pixels),
        of=len(candidates),
    )


def thumbnail(display: Display, side: int = 48) -> Bytes2D:
    """Three slices of the cord side by side with the contour drawn in, RGB of shape (side, 3 ·
    side, 3) in pixels.
    """
    candidates = np.flatnonzero(display.mask.any(axis=(0, 1)))
    candidates = candidates if candidates.size else np.arange(display.slices)
    chosen = [int(candidates[int(f * (candidates.size - 1))]) for f in (0.2, 0.5, 0.8)]
    voxels, _ = _tile_size(display, 0.75 * _field(display))
    corners = [_corner(display, z, voxels) for z in chosen]
    cuts = [_cut(display.image[:, :, z], c, voxels) for z, c in zip(chosen, corners, strict=True)]
    pictures = [
        _with_border(grey(cut, limits), _cut(display.mask[:, :, z], corner, voxels), side)
        for cut, limits, z, corner in zip(cuts, _limits(cuts), chosen, corners, strict=True)
    ]
    return np.concatenate(pictures, axis=1)


def _candidates(display: Display) -> list[int]:
    masks = display.mask if display.other is None else display.mask | display.other
    present = np.flatnonzero(masks.any(axis=(0, 1)))
    if not present.size:
        return list(range(display.slices))
    first = max(0, int(present[0]) - _BEYOND)
    last = min(display.slices - 1, int(present[-1]) + _BEYOND)
    return list(range(first, last + 1))


def _thinned(slices: list[int], most: int) -> list[int]:
    if len(slices) <= most:
        return slices
    return [slices[int(i)] for i in np.linspace(0, len(slices) - 1, most).round()]


def _field(display: Display) -> float:
    """The tile's side in mm: 36, or more where the mask would not fit."""
    half = 0.0
    for axis in (0, 1):
        there = np.argwhere(display.mask.any(axis=1 - axis))  # (position, slice)
        if there.size:
            off = np.abs(there[:, 0] - display.centres[there[:, 1], axis])
            half = max(half, float(off.max()) * display.spacing[axis])
    return float(np.clip(2.4 * half, _FIELD, _WIDEST))


def _tile_size(display: Display, field: float) -> tuple[tuple[int, int], tuple[int, int]]:
    px, py, _ = display.spacing
    voxels = (max(4, round(field / px)), max(4, round(field / py)))
    pixel = field / _TILE_PIXELS
    return voxels, (max(4, round(voxels[0] * px / pixel)), max(4, round(voxels[1] * py / pixel)))


def _corner(display: Display, z: int, voxels: tuple[int, int]) -> tuple[int, int]:
    x, y = display.centres[z]
    return round(x - voxels[0] / 2 + 0.5), round(y - voxels[1] / 2 + 0.5)


def _cut(plane: Array, corner: tuple[int, int], voxels: tuple[int, int]) -> Array:
    """The tile's part of an axial `plane` (x, y), as (rows, columns); zero outside the image."""
    (x, y), (width, height) = corner, voxels
    tile = np.zeros((height, width), dtype=plane.dtype)
    x0, x1 = max(0, x), min(plane.shape[0], x + width)
    y0, y1 = max(0, y), min(plane.shape[1], y + height)
    if x1 > x0 and y1 > y0:
        tile[y0 - y : y1 - y, x0 - x : x1 - x] = plane[x0:x1, y0:y1].T
    return tile


def _limits(cuts: list[Array]) -> list[tuple[float, float]]:
    """A window a tile: one black for all, a white that follows the coil's fall-off."""
    low, high = window(np.stack(cuts))
    whites = np.array([window(cut)[1] for cut in cuts])
    near = [np.median(whites[max(0, i - 2) : i + 3]) for i in range(len(whites))]
    span = np.clip(np.array(near) - low, 0.5 * (high - low), 1.2 * (high - low))
    return [(low, float(low + s)) for s in span]


def _tile(display: Display, z: int, corner: tuple[int, int], voxels: tuple[int, int]) -> Tile:
    other = "" if display.other is None else _path(display.other, z, corner, voxels)
    longest = _LONGEST_PATH // max(1, len(display.labels) // 2)  # a slice holds few of many labels
    labels = tuple(_path(label, z, corner, voxels, longest) for label in display.labels)
    contour = "" if labels else _path(display.mask, z, corner, voxels)
    return Tile(display.number(z), contour, other, labels)


def _path(
    mask: Mask,
    z: int,
    corner: tuple[int, int],
    voxels: tuple[int, int],
    longest: int = _LONGEST_PATH,
) -> str:
    return svg_path(_cut(mask[:, :, z], corner, voxels), longest)


def _sheet(shades: list[Bytes2D], columns: int, pixels: tuple[int, int]) -> Bytes2D:
    width, height = pixels
    rows = -(-len(shades) // columns)
    sheet = np.zeros((rows * height, columns * width), dtype=np.uint8)
    for i, shade in enumerate(shades):
        y, x = (i // columns) * height, (i % columns) * width
        sheet[y : y + height, x : x + width] = resized(shade, (height, width))
    return sheet


def _heat(
    display: Display,
    chosen: list[int],
    corners: list[tuple[int, int]],
    voxels: tuple[int, int],
    columns: int,
    pixels: tuple[int, int],
) -> Bytes2D | None:
    if display.probability is None:
        return None
    probability = display.probability
    cuts = [_cut(probability[:, :, z], c, voxels) for z, c in zip(chosen, corners, strict=True)]
    return _sheet([grey(cut, (0.0, 1.0)) for cut in cuts], columns, pixels)


def _with_border(shade: Bytes2D, mask: NDArray[np.bool_], side: int) -> Bytes2D:
    picture = np.repeat(resized(shade, (side, side))[..., None], 3, axis=2)
    inside = resized(mask.astype(np.uint8) * 255, (side, side)) > 127
    padded = np.pad(inside, 1)
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    picture[inside & ~core] = (255, 92, 56)
    return picture
