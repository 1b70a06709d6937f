"""Measurement of one segmentation against its reference.

CSA is compared slice by slice, perpendicular to the cord, over the slices in which the
reference has cord: `csa_error` is the mean of predicted minus reference area (mm²) and
`csa_error_abs` the mean of its absolute value; a slice without prediction has area 0.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from sct_deepseg_general.evaluation.cases import EvaluationCase
from sct_deepseg_general.image.metrics import agreement
from sct_deepseg_general.image.volume import Segmentation
from sct_deepseg_general.morphometry.morphometrics import measure

__all__ = ["METRICS", "AreaProfile", "Measurement", "measurement_of"]

_UPRIGHT = ("L", "A", "S")  # the axes in which `measure` counts slices


@dataclass(frozen=True)
class AreaProfile:
    """CSA along the cord: `height` (mm, world superior) and areas (mm²) of each slice.

    Slices are those in which the reference has cord; `predicted` is 0 where there is none.
    """

    height: tuple[float, ...] = ()
    predicted: tuple[float, ...] = ()
    reference: tuple[float, ...] = ()


@dataclass(frozen=True)
class Measurement:
    """One model on one image: a row of the table, and the CSA profile behind it.

    Shares are in [0, 1], volumes in mm³, distances in mm, areas in mm², errors as named.
    """

    model: str
    test_set: str
    name: str
    person: str
    session: str
    run: str
    contrast: str
    image_sha256: str
    label_sha256: str
    status: str
    """"ok", "empty" or "failed"."""
    reason: str
    dice: float
    jaccard: float
    sensitivity: float
    specificity: float
    ppv: float
    npv: float
    volume_error: float
    """Percent of the reference, signed."""
    volume_error_abs: float
    hausdorff: float
    hausdorff95: float
    contour_mean: float
    average_symmetric: float
    volume: float
    reference_volume: float
    csa: float
    """Mean predicted area over the reference's slices."""
    reference_csa: float
    csa_error: float
    csa_error_abs: float
    seconds: float = 0.0
    profile: AreaProfile = AreaProfile()


METRICS = tuple(one.name for one in fields(Measurement) if one.type == "float")[:-1]
"""The numeric columns, less the time."""


def measurement_of(
    model: str,
    case: EvaluationCase,
    hashes: tuple[str, str],
    outcome: tuple[str, str],
    prediction: Segmentation,
    reference: Segmentation,
) -> Measurement:
    """The row of one prediction.

    Parameters
    ----------
    model : str
        The name of the model, or of the folder of masks.
    case : EvaluationCase
        The labelled image.
    hashes : tuple of str
        SHA-256 of the image's and of the label's file.
    outcome : tuple of str
        Status and reason.
    prediction, reference : Segmentation
        0/1 arrays on one grid, in the image's axes.

    Returns
    -------
    Measurement
        Overlap in [0, 1], volumes in mm³, distances in mm, areas in mm²; no time yet.
    """
    result = agreement(prediction, reference)
    profile = _profile(prediction, reference)
    found, truth = np.array(profile.predicted), np.array(profile.reference)
    return Measurement(
        model=model,
        test_set=case.test_set,
        name=case.name,
        person=case.person,
        session=case.session,
        run=case.run,
        contrast=case.contrast,
        image_sha256=hashes[0],
        label_sha256=hashes[1],
        status=outcome[0],
        reason=outcome[1],
        **vars(result.overlap),
        **vars(result.distances),
        volume=result.volume,
        reference_volume=result.reference_volume,
        csa=_mean(found),
        reference_csa=_mean(truth),
        csa_error=_mean(found - truth),
        csa_error_abs=_mean(np.abs(found - truth)),
        profile=profile,
    )


def _profile(prediction: Segmentation, reference: Segmentation) -> AreaProfile:
    truth, found = measure(reference), measure(prediction)
    slices = truth.slices
    grid = reference.grid.reoriented(_UPRIGHT)
    height = grid.affine[2, 3] + slices * grid.affine[2, 2]
    areas = np.nan_to_num(found.area[slices]), truth.area[slices]
    return AreaProfile(*(tuple(np.round(v, 4).tolist()) for v in (height, *areas)))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 0.0
