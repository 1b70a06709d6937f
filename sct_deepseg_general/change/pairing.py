"""Whether two images may be compared, by their names and their content."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sct_deepseg_general.bids.names import name_parts
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.files import stem_of
from sct_deepseg_general.image.volume import Volume

__all__ = ["check_names", "remarks_of", "same_image"]


def check_names(baseline: Path, followup: Path) -> None:
    """Check that BIDS names do not say that two images are of two people or two contrasts.

    Raises
    ------
    ImageError
        They say so.
    """
    first, second = (name_parts(stem_of(path)) for path in (baseline, followup))
    if first is None or second is None:
        return
    for what, one, other in (
        ("two people", f"sub-{first[0]['sub']}", f"sub-{second[0]['sub']}"),
        ("two contrasts", first[1], second[1]),
    ):
        if one != other:
            raise ImageError(
                f"{baseline.name} and {followup.name} are of {what} by their names ({one}, "
                f"{other}): give images of one person in one contrast, or correct the names."
            )


def same_image(first: Volume, second: Volume) -> bool:
    """Whether two images hold the same values (x, y, z) at the same places."""
    return bool(
        first.grid.shape == second.grid.shape
        and np.array_equal(first.grid.affine, second.grid.affine)
        and np.array_equal(first.data, second.data)
    )


def remarks_of(image: Volume, path: Path) -> list[str]:
    """What was done to an image before it is compared, as sentences."""
    remarks = []
    if image.frames > 1:
        remarks.append(f"{path} is a series of {image.frames} volumes: their mean is compared.")
    if image.undefined:
        remarks.append(f"{path} has {image.undefined} voxels without a value (NaN): background.")
    return remarks
