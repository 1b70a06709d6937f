"""An image as the model expects it, and its probability back on the image's grid.

The model's axes and spacing come from its record. The image is reoriented (no value
changes), cropped to the box around the cord, resampled once (linearly; first averaged over the
larger voxels where the model asks for it) and z-scored over that crop. Training prepares its
cases with the same functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sct_deepseg_general.image.volume import Array, Box, Grid, Probability, Volume

__all__ = ["averaged", "cut_out", "margin_box", "prepared", "restored", "zscored"]


def prepared(
    oriented: Volume, box: Box, spacing: Sequence[float], *, averaging: bool = False
) -> Volume:
    """The crop (x, y, z) of an image in the model's axes, at `spacing` mm, z-scored, float32."""
    resampled = cut_out(oriented, box, spacing, averaging=averaging).resampled(spacing, order=1)
    return replace(resampled, data=zscored(resampled.data))


def cut_out(oriented: Volume, box: Box, spacing: Sequence[float], *, averaging: bool) -> Volume:
    """The crop (x, y, z) on the image's voxels, float32, to be interpolated at `spacing` mm."""
    crop = oriented.cropped(box)
    crop = replace(crop, data=np.asarray(crop.data, np.float32))
    return averaged(crop, spacing) if averaging else crop


def averaged(volume: Volume, spacing: Sequence[float]) -> Volume:
    """Smooth a volume (x, y, z) as voxels of `spacing` mm would average it; an axis whose voxels
    are larger already stays as it is.

    Interpolation alone would use few of the small voxels: noise stays, and partial volume is
    lost. The average over a larger voxel is approximated by a Gaussian with the additional
    variance of its box, (f² - 1) / 12 voxels² for voxels f times as large.
    """
    from scipy import ndimage  # 0.2 s, not for -h

    factors = np.maximum(np.array(spacing) / np.array(volume.grid.spacing), 1.0)
    widths = np.sqrt((factors**2 - 1) / 12)
    data = np.asarray(volume.data, np.float32)
    return replace(volume, data=ndimage.gaussian_filter(data, widths, mode="nearest"))


def restored(probability: Probability, oriented: Grid, box: Box, image: Grid) -> Probability:
    """A probability (x, y, z; 0 to 1) on the model's grid, interpolated to the image's grid; 0
    outside of the box.

    `oriented` is the image's grid in the model's axes, `box` the crop on it.
    """
    crop = probability.resampled_to(oriented.cropped(box))
    data = np.zeros(oriented.shape, np.float32)
    data[box.slices] = np.clip(crop.data, 0, 1)
    back = Probability(data, oriented).reoriented(image.axcodes)
    return Probability(np.ascontiguousarray(back.data), image)


def zscored(data: Array) -> Array:
    """(data - mean) / standard deviation of an array of any shape, float32; zeros if constant."""
    mean, deviation = data.mean(dtype=np.float64), data.std(dtype=np.float64)
    return np.asarray((data - mean) / max(float(deviation), 1e-8), np.float32)


def margin_box(mask: Array, spacing: Sequence[float], margin: float) -> Box:
    """The box, in voxels, around a mask's non-zero voxels (x, y, z) with `margin` mm more on each
    side, cut at the border of the grid; the whole grid if the mask is empty.
    """
    whole, tight = Grid(mask.shape, np.eye(4)).box, Box.around(mask)
    if tight is None:
        return whole
    return tight.grown([int(np.ceil(margin / mm)) for mm in spacing], whole.stop)
