"""An image on its grid, as values: `Grid`, `Volume`, `Probability`, `Segmentation`.

Axis letters are nibabel's everywhere inside the package: a letter says where an axis
points *to*. SCT's letters say where it comes *from*, so SCT's RPI is nibabel's LAS;
`from_sct_letters` and `to_sct_letters` convert where text meets the user or SCT.

Nothing here is mutated: every operation returns a new value. The type of a value decides
how it is interpolated: images and probabilities linearly, segmentations by nearest
neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, ClassVar

import nibabel as nib
import numpy as np
from nibabel import orientations
from nibabel.affines import apply_affine, voxel_sizes
from numpy.typing import NDArray
from typing_extensions import Self

from sct_deepseg_general.errors import ImageError

__all__ = [
    "NEAR_ZERO",
    "Array",
    "Axcodes",
    "Box",
    "Grid",
    "Probability",
    "Segmentation",
    "Volume",
    "from_sct_letters",
    "to_sct_letters",
]

NEAR_ZERO = 1e-6
"""What resampling leaves of a zero; values up to here are background."""

Array = NDArray[Any]
Axcodes = tuple[str, str, str]
Shape = tuple[int, int, int]

_OPPOSITE = {"L": "R", "R": "L", "A": "P", "P": "A", "I": "S", "S": "I"}


def from_sct_letters(letters: str) -> Axcodes:
    """SCT's orientation letters ("RPI") as nibabel's axis codes (("L", "A", "S"))."""
    codes = tuple(_OPPOSITE.get(letter, "?") for letter in letters.upper())
    axes = {frozenset((code, _OPPOSITE[code])) for code in codes if code in _OPPOSITE}
    if len(codes) != 3 or len(axes) != 3:
        raise ImageError(f"'{letters}' is not an orientation: give three letters such as RPI.")
    return (codes[0], codes[1], codes[2])


def to_sct_letters(codes: Sequence[str]) -> str:
    """Axis codes of nibabel as SCT's orientation letters; the inverse of `from_sct_letters`."""
    return "".join(_OPPOSITE[code] for code in codes)


@dataclass(frozen=True)
class Box:
    """A box of voxels: `start` inclusive, `stop` exclusive, in the grid's axis order."""

    start: Shape
    stop: Shape

    @property
    def shape(self) -> Shape:
        """Its number of voxels along each axis."""
        return _shape3(b - a for a, b in zip(self.start, self.stop, strict=True))

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The slices that cut it out of an array (x, y, z)."""
        x, y, z = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return x, y, z

    @classmethod
    def around(cls, mask: Array) -> Box | None:
        """The smallest box that holds all non-zero voxels of a 3D array; None if there are none."""
        inside: NDArray[np.bool_] = np.asarray(mask != 0)
        flat: NDArray[np.bool_] = np.asarray(inside.any(axis=2))
        spans = [np.flatnonzero(one) for one in (flat.any(axis=1), flat.any(axis=0))]
        spans.append(np.flatnonzero(inside.any(axis=(0, 1))))
        if spans[0].size == 0:
            return None
        (x0, x1), (y0, y1), (z0, z1) = ((int(one[0]), int(one[-1]) + 1) for one in spans)
        return cls((x0, y0, z0), (x1, y1, z1))

    def joined(self, other: Box) -> Box:
        """The smallest box of voxels that holds both boxes of one grid."""
        start = _shape3(min(pair) for pair in zip(self.start, other.start, strict=True))
        return Box(start, _shape3(max(pair) for pair in zip(self.stop, other.stop, strict=True)))

    def on_axes(self, source: Grid, target: Grid) -> Box:
        """The box of `source` as a box of `target`, the same grid in another axis order."""
        to_target = np.linalg.inv(target.affine) @ source.affine
        ends = np.array([self.start, [stop - 1 for stop in self.stop]], dtype=float)
        voxels = np.rint(apply_affine(to_target, ends)).astype(int)
        return Box(_shape3(voxels.min(axis=0)), _shape3(voxels.max(axis=0) + 1))

    def grown(self, voxels: Sequence[int], within: Shape) -> Box:
        """The box with `voxels` more on both sides of each axis, cut at the shape `within`."""
        start = _shape3(max(0, a - v) for a, v in zip(self.start, voxels, strict=True))
        stop = _shape3(min(n, b + v) for b, v, n in zip(self.stop, voxels, within, strict=True))
        return Box(start, stop)


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the voxels are: `shape` and the 4 x 4 `affine` from voxel indices to mm (RAS+)."""

    shape: Shape
    affine: NDArray[np.float64]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel sizes in mm, rounded to float32 as a NIfTI header holds them."""
        x, y, z = (float(v) for v in voxel_sizes(self.affine).astype(np.float32))
        return x, y, z

    @property
    def axcodes(self) -> Axcodes:
        """Where the axes point to, in nibabel's letters."""
        x, y, z = orientations.ornt2axcodes(_orientation(self.affine))
        return x, y, z

    @property
    def box(self) -> Box:
        """The whole grid as a box of voxels."""
        return Box((0, 0, 0), self.shape)

    def matches(self, other: Grid, tolerance: float = 1e-3) -> bool:
        """Same shape, and affines equal within `tolerance` (mm, element by element)."""
        apart = np.abs(self.affine - other.affine)
        return self.shape == other.shape and bool((apart <= tolerance).all())

    def reoriented(self, codes: Axcodes) -> Grid:
        """The same voxels in another axis order and direction; itself if these are its axes."""
        if codes == self.axcodes:
            return self
        transform = _orientation_transform(self.affine, codes)
        shape = [0, 0, 0]
        for source, (target, _) in enumerate(transform):
            shape[int(target)] = self.shape[source]
        affine = self.affine @ orientations.inv_ornt_aff(transform, self.shape)
        return Grid(_shape3(shape), affine)

    def cropped(self, box: Box) -> Grid:
        """The part of the grid in a box of voxels."""
        affine = self.affine.copy()
        affine[:3, 3] = apply_affine(self.affine, box.start)
        return Grid(box.shape, affine)

    def resampled(self, spacing: Sequence[float]) -> Grid:
        """The grid nearest to `spacing` (mm per axis) that keeps the field of view.

        The number of voxels is round(n * p / spacing) and the affine is scaled by the ratio
        of the numbers, so that the centre of voxel (0, 0, 0) stays and the new spacing differs
        a little from `spacing`, as with SCT's `sct_resample -mm`.
        """
        axes = zip(self.shape, self.spacing, spacing, strict=True)
        shape = _shape3(max(1, int(np.round(n * p / new))) for n, p, new in axes)
        scale = [n / new for n, new in zip(self.shape, shape, strict=True)]
        return Grid(shape, self.affine @ np.diag([*scale, 1.0]))


@dataclass(frozen=True, eq=False)
class Volume:
    """An image: `data` (x, y, z in the grid's axis order) on a `grid`.

    `header` is the NIfTI header the image came with, kept so that a result can be written
    with the same geometry to the byte. Turning the axes keeps its codes and units; where the
    voxels become others there is none, and a file gets sform code 2 and qform code 0. SCT's
    `sct_image -setorient` and `sct_resample` do the same. `frames` counts the time points
    that were averaged.
    """

    data: Array
    grid: Grid
    header: nib.Nifti1Header | None = field(default=None, repr=False)
    frames: int = 1
    undefined: int = 0
    """Voxels that the file gives no value for (NaN), and that hold the lowest value instead."""

    order: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.data.shape != self.grid.shape:
            raise ImageError(f"data of shape {self.data.shape} on a grid of {self.grid.shape}")

    def reoriented(self, codes: Axcodes) -> Self:
        """The same voxels in another axis order and direction; itself if these are its axes."""
        if codes == self.grid.axcodes:
            return self
        transform = _orientation_transform(self.grid.affine, codes)
        data = orientations.apply_orientation(self.data, transform)
        grid = self.grid.reoriented(codes)
        return replace(self, data=data, grid=grid, header=_turned(self.header, grid))

    def cropped(self, box: Box) -> Self:
        """The voxels (x, y, z) in a box, on the part of the grid that it covers."""
        return replace(self, data=self.data[box.slices], grid=self.grid.cropped(box), header=None)

    def resampled(self, spacing: Sequence[float], order: int | None = None) -> Self:
        """Interpolated to a grid of about `spacing` mm, see `Grid.resampled`."""
        return self.resampled_to(self.grid.resampled(spacing), order)

    def resampled_to(self, grid: Grid, order: int | None = None) -> Self:
        """Interpolated at the voxels of `grid`; outside, the nearest value.

        `order` 0 is nearest neighbour, 1 linear, 2 quadratic spline (SCT's "spline"); left
        out, the value's type decides. Integers become float64 for orders above 0.
        """
        order = self.order if order is None else order
        data = self.data
        if order > 0 and data.dtype.kind in "biu":
            data = data.astype(np.float64)
        matrix = np.linalg.inv(self.grid.affine) @ grid.affine
        if order == 0 and _along_axes(matrix, grid.shape):
            data = _nearest(data, matrix, grid.shape)
        else:
            from scipy import ndimage  # 0.2 s, and not every command resamples

            data = ndimage.affine_transform(
                data, matrix[:3, :3], matrix[:3, 3], grid.shape, order=order, mode="nearest"
            )
        header = self.header if self.grid.matches(grid, 1e-6) else None
        return replace(self, data=data, grid=grid, header=header)


@dataclass(frozen=True, eq=False)
class Probability(Volume):
    """The probability of cord, float32 in [0, 1]; interpolated linearly."""


@dataclass(frozen=True, eq=False)
class Segmentation(Volume):
    """The cord, uint8, 0 or 1; interpolated by nearest neighbour."""

    order: ClassVar[int] = 0


def _along_axes(matrix: NDArray[np.float64], shape: Shape) -> bool:
    """Whether the axes of one grid are those of another, to a millionth of a voxel."""
    across = np.abs(matrix[:3, :3] - np.diag(np.diagonal(matrix)[:3]))
    return bool((across @ np.array(shape) < 1e-6).all())


def _nearest(data: Array, matrix: NDArray[np.float64], shape: Shape) -> Array:
    """The nearest values where the axes are parallel, one axis after the other.

    Bit for bit what scipy's general transform gives, several times faster. (Linear values taken
    so would differ from SCT's in the last bit.)
    """
    for axis in sorted(range(3), key=lambda a: shape[a] / data.shape[a]):
        at = np.arange(shape[axis]) * matrix[axis, axis] + matrix[axis, 3]
        nearest = np.floor(np.clip(at, 0, data.shape[axis] - 1) + 0.5).astype(np.intp)
        data = data.take(nearest, axis)
    return data


def _turned(header: nib.Nifti1Header | None, grid: Grid) -> nib.Nifti1Header | None:
    """The header on a turned grid, with the codes and units it had."""
    if header is None:
        return None
    turned = header.copy()
    turned.set_data_shape(grid.shape)
    qform, sform = int(header["qform_code"]), int(header["sform_code"])
    turned.set_qform(grid.affine, qform)
    turned.set_sform(grid.affine, sform if sform or qform else 2)
    return turned


def _orientation_transform(affine: NDArray[np.float64], codes: Axcodes) -> Array:
    transform: Array = orientations.ornt_transform(
        _orientation(affine), orientations.axcodes2ornt(codes)
    )
    return transform


def _orientation(affine: NDArray[np.float64]) -> Array:
    """The orientation of an affine as nibabel has it, worked out once for each."""
    return _orientation_of(np.asarray(affine, np.float64).tobytes())


@lru_cache(maxsize=64)
def _orientation_of(affine: bytes) -> Array:
    orientation: Array = orientations.io_orientation(np.frombuffer(affine).reshape(4, 4))
    orientation.flags.writeable = False
    return orientation


def _shape3(values: Any) -> Shape:
    x, y, z = (int(v) for v in values)
    return x, y, z
