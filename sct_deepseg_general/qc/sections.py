"""Sagittal and coronal sections that follow the cord's centreline from slice to slice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sct_deepseg_general.image.volume import Array
from sct_deepseg_general.qc.contours import svg_path
from sct_deepseg_general.qc.display import DiscMark, Display
from sct_deepseg_general.qc.raster import Bytes2D, grey, resized, window

__all__ = ["Section", "coronal_section", "sagittal_section"]

_MOST_PIXELS = 460
_MARGIN = 12.0  # mm around cord and box
_NARROWEST = 60.0  # mm
_NEAR = 12.0  # mm
_LONGEST_PATH = 6000  # characters a label


@dataclass(frozen=True, eq=False)
class Section:
    """A plane with all slices as rows, superior first.

    `voxels` is its (width, height) in voxels, the unit of the contours and of `box`
    (left, top, width, height); `millimetres` is its (width, height) in mm.
    """

    voxels: tuple[int, int]
    millimetres: tuple[float, float]
    image: Bytes2D
    heat: Bytes2D | None
    contour: str
    other: str
    discs: tuple[tuple[float, float, int, bool], ...]
    """Column and row (voxels), number and whether it was seen, of each disc; sagittal only."""
    box: tuple[int, int, int, int] | None
    labels: tuple[str, ...] = ()
    """The border of each label, where there are any; `contour` is "" then."""


def sagittal_section(display: Display) -> Section:
    """Anterior on the left; each row is cut at the cord's centre in that slice."""
    return _section(display, across=1)


def coronal_section(display: Display) -> Section:
    """The patient's left on the left; each row is cut at the cord's centre in that slice."""
    return _section(display, across=0)


def _section(display: Display, across: int) -> Section:
    first, last = _extent(display, across)
    spacing = display.spacing[across], display.spacing[2]
    image = _rows(display.image, display, across)[:, first:last]
    size = _pixels(image.shape, spacing)
    mask = _rows(display.mask, display, across)[:, first:last]
    other = display.other
    return Section(
        voxels=(last - first, display.slices),
        millimetres=((last - first) * spacing[0], display.slices * spacing[1]),
        image=resized(grey(image, _window(image, display, across, first)), size),
        heat=_heat(display, across, (first, last), size),
        contour="" if display.labels else svg_path(mask),
        other="" if other is None else svg_path(_rows(other, display, across)[:, first:last]),
        discs=tuple(_mark(disc, across, first) for disc in display.discs) if across else (),
        box=_rectangle(display, across, first),
        labels=tuple(
            svg_path(_rows(label, display, across)[:, first:last], _LONGEST_PATH)
            for label in display.labels
        ),
    )


def _mark(disc: DiscMark, across: int, first: int) -> tuple[float, float, int, bool]:
    column, row = disc.place[across] - first + 0.5, disc.place[2] + 0.5
    return round(column, 1), round(row, 1), disc.number, disc.detected


def _rows(data: Array, display: Display, across: int) -> Array:
    """The plane (slices, positions across), cut at the centre of the other in-plane axis."""
    through = 1 - across
    at = np.clip(np.rint(display.centres[:, through]), 0, data.shape[through] - 1).astype(int)
    every = np.arange(display.slices)
    return data[:, at, every].T if through == 1 else data[at, :, every]


def _extent(display: Display, across: int) -> tuple[int, int]:
    """First and last voxel shown: all where narrow enough, else about the cord and the box."""
    voxels, step = display.mask.shape[across], display.spacing[across]
    wanted = max(_NARROWEST, 0.75 * display.slices * display.spacing[2])
    there = np.flatnonzero(display.mask.any(axis=(1 - across, 2)))
    if not there.size or voxels * step <= wanted:
        return 0, voxels
    low, high = int(there[0]), int(there[-1]) + 1
    if display.box is not None:
        low, high = min(low, display.box.start[across]), max(high, display.box.stop[across])
    half = max((high - low) * step + 2 * _MARGIN, wanted) / step / 2
    middle = (low + high) / 2
    return max(0, int(middle - half)), min(voxels, int(np.ceil(middle + half)))


def _window(image: Array, display: Display, across: int, first: int) -> tuple[float, float]:
    """Black and white from the cord's neighbourhood: fat near the coil may saturate."""
    if not display.mask.any():
        return window(image)
    off = np.arange(image.shape[1]) + first - display.centres[:, across][:, None]
    return window(image[np.abs(off) * display.spacing[across] < _NEAR], 0.5, 99.0)


def _pixels(shape: tuple[int, ...], spacing: tuple[float, float]) -> tuple[int, int]:
    width, height = shape[1] * spacing[0], shape[0] * spacing[1]
    pixel = max(width, height) / _MOST_PIXELS
    return max(1, round(height / pixel)), max(1, round(width / pixel))


def _heat(
    display: Display, across: int, extent: tuple[int, int], size: tuple[int, int]
) -> Bytes2D | None:
    if display.probability is None:
        return None
    plane = _rows(display.probability, display, across)[:, slice(*extent)]
    return resized(grey(plane, (0.0, 1.0)), size)


def _rectangle(display: Display, across: int, first: int) -> tuple[int, int, int, int] | None:
    if display.box is None:
        return None
    start, shape = display.box.start, display.box.shape
    return start[across] - first, start[2], shape[across], shape[2]
