"""Cross-sectional area and shape of the cord, slice by slice, from a mask.

The mask may have any orientation; inside, it is brought to nibabel LAS (SCT RPI), and slice
numbers count from the lowest slice of the image up, as SCT's do.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.centreline import CentrelineFit, centres, fitted
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.fine_slice import NEAR_ZERO, fine_slice
from sct_deepseg_general.slice_shape import SliceShape, shape_of
from sct_deepseg_general.volume import Axcodes, Box, Volume

__all__ = ["AXES", "Morphometrics", "decimal_spacing", "measure", "support"]

AXES: Axcodes = ("L", "A", "S")
"""Where the measured axes point to; SCT writes it RPI."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Morphometrics:
    """The shape table: one entry for each axial slice of the image, from the lowest up.

    `shapes[z]` is None where the slice holds no cord. `spacing` is the voxel size (mm) from
    right to left, back to front and upwards. `soft_area`, where there is one, is the area in
    mm² from the probability (see `soft_area.soft_areas`), and `area_lower`, `area_upper` an
    interval for the area; NaN where there is no cord.
    """

    shapes: tuple[SliceShape | None, ...]
    spacing: tuple[float, float, float]
    soft_area: Floats | None = None
    area_lower: Floats | None = None
    area_upper: Floats | None = None

    @property
    def slices(self) -> NDArray[np.int64]:
        """Numbers of the slices that hold cord."""
        return np.array([z for z, shape in enumerate(self.shapes) if shape], dtype=np.int64)

    @property
    def area(self) -> Floats:
        """Area in mm² of every slice of the image, NaN where there is no cord."""
        return self.column("area")

    def column(self, name: str) -> Floats:
        """A measure of `SliceShape` for every slice of the image, NaN where there is no cord."""
        if name not in {field.name for field in fields(SliceShape)}:
            raise AttributeError(f"{name} is no measure of a slice")
        return np.array([getattr(shape, name) if shape else np.nan for shape in self.shapes])

    def with_interval(self, lower: Floats, upper: Floats) -> Morphometrics:
        """The same table with an interval (mm²) for the area of every slice of the image."""
        if len(lower) != len(self.shapes) or len(upper) != len(self.shapes):
            raise ImageError(
                f"An interval for {len(lower)} and {len(upper)} slices does not fit a table "
                f"of {len(self.shapes)}: give one value for each slice of the image."
            )
        return replace(self, area_lower=np.asarray(lower), area_upper=np.asarray(upper))


def measure(
    segmentation: Volume,
    angle_correction: bool = True,
    fit: CentrelineFit | None = None,
    centreline_from: Volume | None = None,
) -> Morphometrics:
    """The shape table of a mask, binary or soft, in any orientation.

    The slices are measured as SCT's `sct_process_segmentation` does: perpendicular to the
    centreline unless `angle_correction` is off, each rescaled to [0, 1] by its own extremes
    (so a soft mask's level does not count; see `soft_area` for an area that keeps it), holes
    left open, all objects of a slice together. `fit` chooses the centreline; it is fitted to
    `centreline_from`, a mask on the same grid, where one is given. An empty mask has no slice
    with a shape; a single slice is measured without correction.

    Raises:
        ImageError: values that are not finite, or a `centreline_from` that does not fit.
    """
    upright = segmentation.reoriented(AXES)
    spacing = decimal_spacing(upright.grid.spacing)
    box = support(upright)
    if box is None:
        return Morphometrics((None,) * upright.grid.shape[2], spacing)
    guide = _guide(upright, centreline_from)
    angles = _angles(guide, box, spacing, fit) if angle_correction else None
    shapes: list[SliceShape | None] = [None] * upright.grid.shape[2]
    for z in range(box.start[2], box.stop[2]):
        tilt = angles[:, z - box.start[2]] if angles is not None else None
        shapes[z] = _shape(upright, box, z, spacing, tilt)
    return Morphometrics(tuple(shapes), spacing)


def support(volume: Volume) -> Box | None:
    """The smallest box around what is not background; None if there is nothing."""
    inside: NDArray[np.bool_] = volume.data > NEAR_ZERO
    if not np.isfinite(volume.data[inside]).all():
        raise ImageError("The mask holds values that are not finite: save it again without them.")
    spans = [np.flatnonzero(inside.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    if spans[0].size == 0:
        return None
    x, y, z = ((int(span[0]), int(span[-1]) + 1) for span in spans)
    return Box((x[0], y[0], z[0]), (x[1], y[1], z[1]))


def decimal_spacing(spacing: tuple[float, float, float]) -> tuple[float, float, float]:
    """Voxel sizes without the digits that float32 adds: 0.30000001192 is 0.3."""
    x, y, z = (_decimal(value) for value in spacing)
    return x, y, z


def _decimal(value: float) -> float:
    digits = -int(np.floor(np.log10(np.spacing(np.float32(value))))) - 1
    return round(float(np.float32(value)), digits)


def _guide(upright: Volume, centreline_from: Volume | None) -> Volume:
    if centreline_from is None:
        return upright
    guide = centreline_from.reoriented(AXES)
    if not guide.grid.matches(upright.grid):
        raise ImageError(
            f"The centreline's mask has the shape {guide.grid.shape}, the mask to measure "
            f"{upright.grid.shape}: bring them to the same grid."
        )
    return guide


def _angles(
    guide: Volume, box: Box, spacing: tuple[float, float, float], fit: CentrelineFit | None
) -> Floats:
    """Angles (radians) about AP and RL, shape (2, slices of `box`)."""
    own = support(guide)
    if own is None:
        raise ImageError("The mask for the centreline is empty: give one that holds the cord.")
    mask = guide.data[own.slices] > NEAR_ZERO
    curve = fitted(centres(mask), spacing[2], fit)
    first, last = box.start[2] - own.start[2], box.stop[2] - own.start[2]
    if first < 0 or last > curve.z.size:
        raise ImageError(
            f"The mask for the centreline covers the slices {own.start[2]} to {own.stop[2] - 1}, "
            f"the mask to measure {box.start[2]} to {box.stop[2] - 1}: "
            "extend it or leave the angle correction out."
        )
    return np.stack(curve.angles(spacing))[:, first:last]


def _shape(
    upright: Volume,
    box: Box,
    z: int,
    spacing: tuple[float, float, float],
    tilt: Floats | None,
) -> SliceShape | None:
    part = upright.data[box.slices[0], box.slices[1], z].astype(np.float64)
    about_ap, about_rl = (float(v) for v in tilt) if tilt is not None else (0.0, 0.0)
    fine = fine_slice(
        part,
        spacing[:2],
        (float(np.cos(about_ap)), float(np.cos(about_rl))),
        box.start[:2],
        upright.grid.shape[:2],
    )
    return shape_of(fine, (about_ap, about_rl), spacing[2]) if fine else None
