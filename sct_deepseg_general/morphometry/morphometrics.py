"""Cross-sectional area and shape of the cord, slice by slice, from a mask.

The mask may have any orientation; inside, it is brought to nibabel LAS (SCT RPI), and slice
numbers count from the lowest slice of the image up, as SCT's do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.las import AXES, Upright, decimal_spacing, upright
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.morphometry.centreline import CentrelineFit, centres, fitted
from sct_deepseg_general.morphometry.fine_slice import fine_slice
from sct_deepseg_general.morphometry.region_interval import SLICES, RegionInterval
from sct_deepseg_general.morphometry.slice_shape import SliceShape, shape_of
from sct_deepseg_general.morphometry.slice_symmetry import SliceSymmetry

__all__ = ["AXES", "Morphometrics", "measure"]

Floats = NDArray[np.float64]

WIDEST = 100_000  # mm² in a slice; an array of that size at the pitch of a fine slice takes 80 MB


@dataclass(frozen=True, eq=False)
class Morphometrics:
    """The shape table: one entry for each axial slice of the image, from the lowest up.

    `shapes[z]` is None where the slice holds no cord. `spacing` is the voxel size (mm) from
    right to left, back to front and upwards. `symmetry`, where an image was given, has an entry
    for each slice (see `anatomy.symmetries`). `soft_area`, where there is one, is the area in
    mm² from the probability (see `soft_area.soft_areas`), and `area_lower`, `area_upper` an
    interval for the area; NaN where there is no cord. `regions` says how the interval of the mean
    of several slices follows, and `repeat` how far, as a share of a region's mean area, that of a
    second scan of the same person would lie off. `shift` is what was added to the areas (mm²) where
    those of another person stand for them (see `csa.person`).
    """

    shapes: tuple[SliceShape | None, ...]
    spacing: tuple[float, float, float]
    symmetry: tuple[SliceSymmetry | None, ...] | None = None
    soft_area: Floats | None = None
    area_lower: Floats | None = None
    area_upper: Floats | None = None
    regions: RegionInterval = SLICES
    repeat: float | None = None
    shift: float = 0.0

    @property
    def slices(self) -> NDArray[np.int64]:
        """Numbers of the slices that hold cord, ascending, shape (n,)."""
        return np.array([z for z, shape in enumerate(self.shapes) if shape], dtype=np.int64)

    @property
    def area(self) -> Floats:
        """Area in mm² of every slice of the image, shape (slices,), NaN where there is no cord."""
        return self.column("area")

    def column(self, name: str) -> Floats:
        """A measure of `SliceShape`, in its unit, for every slice of the image: shape (slices,),
        NaN where there is no cord.
        """
        if name not in {field.name for field in fields(SliceShape)}:
            raise AttributeError(f"{name} is no measure of a slice")
        return np.array([getattr(shape, name) if shape else np.nan for shape in self.shapes])

    def mean_interval(self, slices: NDArray[np.int64] | None = None) -> tuple[float, float] | None:
        """The interval (mm²) of the mean area over some slices, given by their numbers, shape (n,);
        by default over all that hold cord.

        None where the table has no intervals, none of the slices holds cord, or one of them that
        does has no interval, as where a mask was corrected by hand.
        """
        if self.area_lower is None or self.area_upper is None:
            return None
        area = self.area
        where = np.arange(area.size) if slices is None else np.asarray(slices)
        where = where[np.isfinite(area[where])]
        if not where.size:
            return None
        lower, upper = self.area_lower[where], self.area_upper[where]
        if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
            return None
        length = float(self.column("length")[where].sum())
        return self.regions.ends(area[where], lower, upper, length)

    def mean_repeat(self, area: float) -> tuple[float, float] | None:
        """Where the mean area (mm²) of a second scan would lie; None where that is not known."""
        if self.repeat is None:
            return None
        reach = (area - self.shift) * self.repeat
        return area - reach, area + reach

    @property
    def as_measured(self) -> Morphometrics:
        """The table with the areas of the person who was measured."""
        return self.shifted(-self.shift) if self.shift else self

    def shifted(self, by: float) -> Morphometrics:
        """The table with `by` mm² added to the area of every slice, the ends of its interval and
        the soft area.
        """

        def moved(values: Floats | None) -> Floats | None:
            return None if values is None else values + by

        shapes = (shape and replace(shape, area=shape.area + by) for shape in self.shapes)
        return replace(
            self,
            shapes=tuple(shapes),
            soft_area=moved(self.soft_area),
            area_lower=moved(self.area_lower),
            area_upper=moved(self.area_upper),
            shift=self.shift + by,
        )

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
    """Measure the area and shape of every slice of a mask.

    Parameters
    ----------
    segmentation : Volume
        The mask, binary or soft, with axes (x, y, z) in any order and direction.
    angle_correction : bool
        Whether slices are measured perpendicular to the centreline.
    fit : CentrelineFit, optional
        How the centreline is fitted; by default a smoothing spline.
    centreline_from : Volume, optional
        A mask on the same grid whose centreline is used instead.

    Returns
    -------
    Morphometrics
        Area (mm²), diameters (mm), angles (degrees) and shape of each slice, lowest first; NaN
        where there is no cord.

    Raises
    ------
    ImageError
        The mask holds values that are not finite or is far wider than a body, or
        `centreline_from` does not fit.

    Notes
    -----
    The slices are measured as SCT's `sct_process_segmentation` does: each is rescaled to [0, 1]
    by its own extremes, so that the level of a soft mask does not count (`soft_area` keeps it),
    holes stay open, and all objects of a slice are measured together.

    Examples
    --------
    >>> from sct_deepseg_general.image.nifti import load_map
    >>> from sct_deepseg_general.morphometry.morphometrics import measure
    >>> table = measure(load_map("t2_seg.nii.gz"))
    >>> table.slices.size, round(float(table.area[20]), 1)
    (55, 74.9)
    """
    cord = upright(segmentation)
    slices = segmentation.grid.reoriented(AXES).shape[2]
    if cord is None:
        spacing = decimal_spacing(segmentation.grid.reoriented(AXES).spacing)
        return Morphometrics((None,) * slices, spacing)
    _check_extent(cord)
    count = cord.data.shape[2]
    angles = np.zeros((2, count))
    if angle_correction:
        angles = _angles(cord, _guide(cord, centreline_from), fit)
    shapes: list[SliceShape | None] = [None] * slices
    for index in range(count):
        about_ap, about_rl = (float(angle) for angle in angles[:, index])
        shapes[cord.start[2] + index] = _shape(cord, index, about_ap, about_rl)
    return Morphometrics(tuple(shapes), cord.spacing)


def _check_extent(cord: Upright) -> None:
    across, along = (n * mm for n, mm in zip(cord.data.shape, cord.spacing[:2], strict=False))
    if across * along > WIDEST:
        raise ImageError(
            f"The mask spans {across:.0f} x {along:.0f} mm in a slice, more than a body: check "
            "the voxel sizes in its header."
        )


def _guide(cord: Upright, centreline_from: Volume | None) -> Upright:
    """The mask whose centreline gives the angles."""
    if centreline_from is None:
        return cord
    guide = upright(centreline_from)
    if guide is None:
        raise ImageError("The mask for the centreline is empty: give one that holds the cord.")
    if not guide.grid.matches(cord.grid):
        raise ImageError(
            f"The mask for the centreline has the shape {guide.grid.shape}, the mask to measure "
            f"{cord.grid.shape}, or they lie elsewhere: bring them to the same grid."
        )
    return guide


def _angles(cord: Upright, guide: Upright, fit: CentrelineFit | None) -> Floats:
    """Angles (radians) about AP and RL, shape (2, slices of `cord`)."""
    curve = fitted(centres(guide.mask), cord.spacing[2], fit)
    first = cord.start[2] - guide.start[2]
    last = first + cord.data.shape[2]
    if first < 0 or last > curve.z.size:
        raise ImageError(
            f"The mask for the centreline covers the slices {guide.start[2]} to "
            f"{guide.start[2] + curve.z.size - 1}, the mask to measure {cord.start[2]} to "
            f"{cord.start[2] + cord.data.shape[2] - 1}: extend it, or leave the correction out."
        )
    return np.stack(curve.angles(cord.spacing))[:, first:last]


def _shape(cord: Upright, index: int, about_ap: float, about_rl: float) -> SliceShape | None:
    fine = fine_slice(
        cord.data[:, :, index].astype(np.float64),
        cord.spacing[:2],
        (math.cos(about_ap), math.cos(about_rl)),
        cord.start[:2],
        cord.grid.shape[:2],
    )
    return shape_of(fine, (about_ap, about_rl), cord.spacing[2]) if fine else None
