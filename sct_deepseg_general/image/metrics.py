"""How well a segmentation agrees with a reference: overlap, volume and distances in mm.

Let P be the prediction's voxels and R the reference's.

Overlap, in [0, 1], where n() counts voxels: Dice 2 n(P∩R) / (n(P) + n(R)), Jaccard
n(P∩R) / n(P∪R), sensitivity n(P∩R) / n(R), specificity n(¬P∩¬R) / n(¬R), positive predictive
value n(P∩R) / n(P), negative predictive value n(¬P∩¬R) / n(¬P).
(Definitions as in Taha and Hanbury, BMC Medical Imaging 2015, 15:29.)

Volume, in percent of the reference: relative error 100 (n(P) - n(R)) / n(R), signed, and its
absolute value. Average the absolute one: signed errors cancel.

Distances, in mm with the voxels' own size on each axis. The surface of a mask is its voxels
that touch the outside by a face (the image's border is outside); d(p, S) is the distance
from the centre of voxel p to the nearest centre on the surface S.
- Hausdorff: the largest d in either direction (Huttenlocher et al., IEEE TPAMI 1993, 15:850).
- 95th percentile: the larger of the two directions' 95th percentiles.
- Contour mean distance: the larger of the two directions' means.
- Average symmetric surface distance: the mean of d over both surfaces together.

Nothing is left out of a mean. Both empty: perfect agreement (overlaps 1, errors and
distances 0). One empty: Dice, Jaccard, sensitivity and positive predictive value 0, and the
distances are the diagonal of the image's field of view, the largest that it can hold. With an
empty reference a prediction's relative volume error is +100 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.image.volume import Box, Segmentation

__all__ = ["Agreement", "Distances", "Overlap", "agreement", "distances", "overlap"]

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class Overlap:
    """Shares in [0, 1] and volume errors in percent of the reference."""

    dice: float
    jaccard: float
    sensitivity: float
    specificity: float
    ppv: float
    npv: float
    volume_error: float
    volume_error_abs: float


@dataclass(frozen=True)
class Distances:
    """Between two surfaces, in mm."""

    hausdorff: float
    hausdorff95: float
    contour_mean: float
    average_symmetric: float


@dataclass(frozen=True)
class Agreement:
    """Every metric of one prediction; `volume` and `reference_volume` in mm³."""

    overlap: Overlap
    distances: Distances
    volume: float
    reference_volume: float


def agreement(prediction: Segmentation, reference: Segmentation) -> Agreement:
    """All metrics of two segmentations on one grid.

    Parameters
    ----------
    prediction, reference : Segmentation
        Masks (x, y, z), 0 or 1, on the same grid.

    Returns
    -------
    Agreement
        Overlaps in [0, 1], volume errors in percent, distances in mm and volumes in mm³, as
        defined at the top of this module.

    Raises
    ------
    DatasetError
        The two grids differ, so that voxels do not coincide.

    Examples
    --------
    >>> from sct_deepseg_general.image.volume import Grid
    >>> data = np.zeros((8, 8, 8), np.uint8)
    >>> data[2:6, 2:6, :] = 1
    >>> mask = Segmentation(data, Grid((8, 8, 8), np.eye(4)))
    >>> agreement(mask, mask).overlap.dice
    1.0
    """
    if not prediction.grid.matches(reference.grid):
        raise DatasetError(
            f"The segmentation's grid {prediction.grid.shape} and the reference's "
            f"{reference.grid.shape} differ in shape or place: segment the image that the "
            f"reference was drawn on."
        )
    spacing = reference.grid.spacing
    found, truth = prediction.data > 0, reference.data > 0
    voxel = float(np.prod(spacing))
    return Agreement(
        overlap(found, truth),
        distances(found, truth, spacing),
        volume=float(found.sum()) * voxel,
        reference_volume=float(truth.sum()) * voxel,
    )


def overlap(prediction: Mask, reference: Mask) -> Overlap:
    """Overlap in [0, 1] and volume errors in percent of two boolean arrays of one shape."""
    both = int(np.count_nonzero(prediction & reference))
    found, truth = int(np.count_nonzero(prediction)), int(np.count_nonzero(reference))
    neither = reference.size - (found + truth - both)
    error = _percent(found, truth)
    return Overlap(
        dice=_share(2 * both, found + truth),
        jaccard=_share(both, found + truth - both),
        sensitivity=_share(both, truth, otherwise=float(found == 0)),
        specificity=_share(neither, reference.size - truth),
        ppv=_share(both, found, otherwise=float(truth == 0)),
        npv=_share(neither, reference.size - found),
        volume_error=error,
        volume_error_abs=abs(error),
    )


def distances(prediction: Mask, reference: Mask, spacing: Spacing) -> Distances:
    """Distances in mm between the surfaces of two boolean arrays (x, y, z) of one shape;
    `spacing` is the voxel size in mm along each axis.
    """
    box = Box.around(prediction | reference)
    if box is None:
        return Distances(0.0, 0.0, 0.0, 0.0)
    if not prediction.any() or not reference.any():
        diagonal = float(np.linalg.norm(np.multiply(reference.shape, spacing)))
        return Distances(diagonal, diagonal, diagonal, diagonal)
    first, second = _surface(prediction[box.slices]), _surface(reference[box.slices])
    to_second, to_first = _from_to(first, second, spacing), _from_to(second, first, spacing)
    directed = (to_second, to_first)
    return Distances(
        hausdorff=float(max(d.max() for d in directed)),
        hausdorff95=float(max(np.percentile(d, 95) for d in directed)),
        contour_mean=float(max(d.mean() for d in directed)),
        average_symmetric=float(np.concatenate(directed).mean()),
    )


def _surface(mask: Mask) -> Mask:
    from scipy import ndimage  # 0.2 s, and not every command measures distances

    inside: Mask = ndimage.binary_erosion(mask, border_value=0)
    return mask & ~inside


def _from_to(source: Mask, target: Mask, spacing: Spacing) -> NDArray[np.float64]:
    """For every voxel of `source`, how far it is to the nearest voxel of `target`, in mm."""
    from scipy import ndimage

    distance: NDArray[np.float64] = ndimage.distance_transform_edt(~target, sampling=spacing)
    return distance[source]


def _share(part: int, whole: int, otherwise: float = 1.0) -> float:
    return part / whole if whole else otherwise


def _percent(found: int, truth: int) -> float:
    if truth:
        return 100.0 * (found - truth) / truth
    return 100.0 if found else 0.0
