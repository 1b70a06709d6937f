"""Whether a result is plausible: a status, and the reasons in words.

Each check concerns one property that a wrong segmentation lacks. `QualityLimits` holds the numbers,
in mm and mm²; `fail` means that the result should not be used, `warn` that it should be inspected
first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sct_deepseg_general.image.blank import blank_ends, blank_planes
from sct_deepseg_general.image.companion import has_position
from sct_deepseg_general.image.las import AXES, InLas
from sct_deepseg_general.image.volume import (
    NEAR_ZERO,
    Array,
    Box,
    Grid,
    Probability,
    Segmentation,
    Volume,
)
from sct_deepseg_general.inference.pipeline import InferenceResult
from sct_deepseg_general.morphometry.morphometrics import Morphometrics
from sct_deepseg_general.quality.appearance import (
    Appearance,
    appearance,
    coarse_overlap,
    longest_above,
)
from sct_deepseg_general.quality.findings import (
    Finding,
    Quality,
    QualityLimits,
    Status,
    below,
    spelled,
    summed_up,
)
from sct_deepseg_general.quality.mask_checks import mask_findings, on_faint, on_fragments
from sct_deepseg_general.zoo.model import Model

__all__ = ["QualityEvidence", "assess", "assess_mask", "assess_result"]

_WORDS = {
    "confidence": "mean probability",
    "entropy": "entropy at the outline",
    "evenness": "variation inside over outside",
    "flatness": "depth over width",
    "in_plane": "voxel size in mm",
    "coarse": "probability of the first detection",
}


@dataclass(frozen=True, eq=False)
class QualityEvidence:
    """What is assessed: volumes (x, y, z) on one grid, best in LAS, which saves turning them.

    `table` is the shape of each slice (mm, mm²), `threshold` the probability from which a voxel
    is cord, and `box` the crop in voxels of the grid `oriented` (model axes).
    """

    segmentation: Segmentation
    probability: Probability
    table: Morphometrics
    threshold: float
    found: bool
    """Whether the locator detected a cord."""
    box: Box
    oriented: Grid
    image: Volume | None = None
    coarse: Volume | None = None
    """The mask of the first detection, on a grid of its own."""
    coarse_confidence: float = float("nan")
    agreement: tuple[float, ...] = ()
    """Dice with the mask of each altered copy of the image, if there were any."""
    placed: bool = True
    """Whether the header of the image's file gives an orientation."""
    typical: Mapping[str, tuple[float, float]] | None = None
    """The model's ranges of `appearance`; None: not known."""


def assess(evidence: QualityEvidence, limits: QualityLimits | None = None) -> Quality:
    """Check whether a result is plausible.

    Parameters
    ----------
    evidence : QualityEvidence
        The segmentation with the image, the probability (0 to 1) and the table it was measured
        to.
    limits : QualityLimits, optional
        The limits of what is plausible, in mm and mm².

    Returns
    -------
    Quality
        "ok", "warn" or "fail", with the reasons, the mean probability inside the mask and the
        slices that the reasons name. An empty mask is "fail" without further checks.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sct_deepseg_general.image import nifti
    >>> from sct_deepseg_general.morphometry.morphometrics import measure
    >>> mask = nifti.load_segmentation(Path("t2_seg.nii.gz"))
    >>> certain = Probability(mask.data.astype(np.float32), mask.grid)
    >>> evidence = QualityEvidence(
    ...     mask, certain, measure(mask), 0.5, True, mask.grid.box, mask.grid
    ... )
    >>> assess(evidence).status
    'ok'
    """
    limits = limits or QualityLimits()
    if not evidence.segmentation.data.any():
        reasons = ("no cord was found in the image", *_cause(evidence, "fail"))
        return Quality("fail", reasons, 0.0)
    mask = evidence.segmentation.reoriented(AXES)
    blank = _blank(evidence.image, mask)
    quality = summed_up(
        [
            *_on_probability(evidence, limits, blank),
            *_on_coarse(evidence, limits),
            *_on_appearance(evidence, limits),
            *mask_findings(mask, evidence.table, limits, blank),
            *_on_crop(evidence, mask),
            *_on_undefined(evidence.image, mask),
            *_on_ends(evidence.image, mask),
        ],
        _confidence(evidence),
    )
    return replace(quality, reasons=(*quality.reasons, *_cause(evidence, quality.status)))


def assess_result(
    result: InferenceResult,
    table: Morphometrics,
    model: Model,
    threshold: float,
    agreement: Sequence[float] = (),
    body: InLas | None = None,
) -> Quality:
    """Check the quality of a result.

    Parameters
    ----------
    result
        The segmentation, and how the cord was found.
    table
        The area (mm²) and shape of every slice.
    model
        The model; its typical images are compared with this one.
    threshold
        Probability from 0 to 1 above which a voxel is cord.
    agreement
        Dice of the mask and the mask of each altered copy of the image, if there are some.
    body
        The result in LAS, where it is at hand.
    """
    body = body or result.in_las()
    return assess(
        QualityEvidence(
            segmentation=body.segmentation,
            probability=body.probability,
            table=table,
            threshold=threshold,
            found=result.location.found,
            box=result.location.box,
            oriented=result.oriented,
            image=body.image,
            coarse=result.location.coarse,
            coarse_confidence=result.location.confidence,
            agreement=tuple(agreement),
            placed=has_position(result.image),
            typical=model.typical,
        )
    )


def assess_mask(
    mask: Volume,
    table: Morphometrics,
    image: Volume | None = None,
    limits: QualityLimits | None = None,
) -> Quality:
    """Check whether a mask, of any origin, is plausible as that of a spinal cord.

    Parameters
    ----------
    mask : Volume
        A mask or soft mask (x, y, z), in any axis order. Of a soft mask, what is at least half of
        its maximum is cord.
    table : Morphometrics
        The shape of every slice of the mask, from `morphometrics.measure`.
    image : Volume, optional
        The image on the same grid: slices without signal are named.
    limits : QualityLimits, optional
        The limits of what is plausible, in mm and mm².

    Returns
    -------
    Quality
        "ok", "warn" or "fail", with the reasons and the slices that they name; the confidence is
        NaN, as there is no probability. An empty mask is "fail".

    Examples
    --------
    >>> from pathlib import Path
    >>> from sct_deepseg_general.image import nifti
    >>> from sct_deepseg_general.morphometry.morphometrics import measure
    >>> mask = nifti.load_segmentation(Path("t2_seg.nii.gz"))
    >>> assess_mask(mask, measure(mask)).status
    'ok'
    >>> inverted = Volume(1 - mask.data, mask.grid)
    >>> assess_mask(inverted, measure(mask)).reasons[0]
    'the mask may be inverted: it covers 98% of the image'
    """
    limits = limits or QualityLimits()
    nothing = float("nan")
    highest = float(mask.data.max())
    if not highest > NEAR_ZERO or not table.slices.size:
        return Quality("fail", ("the mask is empty",), nothing)
    binary = (mask.data >= highest / 2).astype(np.uint8)
    upright = Segmentation(binary, mask.grid).reoriented(AXES)
    blank = _blank(image.reoriented(AXES) if image else None, upright)
    found = [
        *mask_findings(upright, table, limits, blank),
        *on_fragments(np.delete(upright.data, list(blank), axis=2), limits),
        *on_faint(mask.data),
        *_on_ends(image, upright),
    ]
    return summed_up(found, nothing)


def _blank(image: Volume | None, mask: Segmentation) -> tuple[int, ...]:
    """The slices (LAS) without signal, within the extent of a mask in LAS."""
    return () if image is None else blank_planes(image.reoriented(AXES), mask.data).slices


def _on_ends(image: Volume | None, mask: Segmentation) -> Iterator[Finding]:
    """Slices without signal beside the cord, as at an end of the field of view: no fault, but the
    cord is not measured there.
    """
    lost = () if image is None else blank_ends(image.reoriented(AXES), mask.data)
    if lost:
        text = f"the image has no signal in slices {spelled(lost)}, next to the cord: not measured"
        yield Finding("ok", text)


def _cause(evidence: QualityEvidence, status: Status) -> tuple[str, ...]:
    """The orientation, which may have caused a failure."""
    if status != "fail":
        return ()
    if evidence.placed:
        return ("if the image shows a cord, the orientation may be wrong in the header",)
    return ("the orientation may be wrong: the header gives none (sform and qform codes are 0)",)


def _on_undefined(image: Volume | None, mask: Segmentation) -> Iterator[Finding]:
    """Voxels of the mask that the file gives no value for (NaN), read as the lowest value."""
    if image is None or not image.undefined:
        return
    inside = image.reoriented(AXES).data[mask.data > 0]
    count = int((inside == image.data.min()).sum())
    if count:
        yield Finding("warn", f"{count} voxels of the mask have no value (NaN) in the image")


def _confidence(evidence: QualityEvidence) -> float:
    inside = evidence.segmentation.data > 0
    return float(evidence.probability.data[inside].mean())


def _on_probability(
    evidence: QualityEvidence, limits: QualityLimits, blank: tuple[int, ...]
) -> Iterator[Finding]:
    confidence = _confidence(evidence)
    status = below(confidence, limits.least_confidence)
    if status != "ok":
        yield Finding(status, f"low confidence: mean probability {confidence:.2f} in the mask")
    cord = evidence.probability.reoriented(AXES).data >= evidence.threshold
    yield from on_fragments(np.delete(cord, list(blank), axis=2), limits)
    least = min(evidence.agreement, default=1.0)
    status = below(least, limits.agreement)
    if status != "ok":
        yield Finding(status, f"altered copies of the image give another mask: Dice {least:.2f}")


def _on_coarse(evidence: QualityEvidence, limits: QualityLimits) -> Iterator[Finding]:
    """The first detection is made by another network: where the two differ, one is wrong."""
    if not evidence.found:
        yield Finding("warn", "the first detection found no cord in the image")
    elif evidence.coarse_confidence < limits.least_coarse:
        sure = evidence.coarse_confidence
        yield Finding(
            "warn", f"the first detection of the cord is uncertain: probability {sure:.2f}"
        )
    if evidence.coarse is None:
        return
    both = coarse_overlap(evidence.segmentation, evidence.coarse)
    status = below(both.detected, limits.overlap)
    if status != "ok":
        text = f"only {both.detected:.0%} of the mask lies where the cord was first detected"
        yield Finding(status, text)
    status = below(both.covered, limits.covered)
    if status != "ok":
        yield Finding(status, f"the mask covers {both.covered:.0%} of the first detection")
    least, most = limits.volume
    if not least <= both.volume <= most:
        yield Finding("warn", f"the mask is {both.volume:.1f} times the first detection's volume")


def _on_appearance(evidence: QualityEvidence, limits: QualityLimits) -> Iterator[Finding]:
    if evidence.image is None:
        return
    looks = appearance(evidence.image, evidence.probability, evidence.segmentation)
    looks = replace(looks, coarse=evidence.coarse_confidence)
    mixed, uneven = limits.evenness
    if looks.evenness > uneven:
        status: Status = "fail" if looks.evenness > mixed else "warn"
        yield Finding(status, f"mixed tissue in the mask: {_varies(looks.evenness)}")
    elif stretch := _mixed_stretch(looks, evidence.table.spacing[2], limits):
        place = f"slices {stretch[0]} to {stretch[-1]}"
        text = f"mixed tissue in {place}: roots below the cord's end, or something else"
        yield Finding("warn", text, stretch)
    least, most = limits.flatness
    if not least <= looks.flatness <= most:
        yield Finding(
            "warn", f"not the shape of a cord: the median depth over width is {looks.flatness:.2f}"
        )
    for name, value in looks.unusual(evidence.typical or {}).items():
        low, high = (evidence.typical or {})[name]
        words = f"{_WORDS.get(name, name)} {value:.2f}; training images {low:.2f} to {high:.2f}"
        yield Finding("warn", f"unusual image: {words}")


def _varies(evenness: float) -> str:
    return f"it varies {evenness:.1f} times as much as its surroundings"


def _mixed_stretch(looks: Appearance, step: float, limits: QualityLimits) -> tuple[int, ...]:
    """The slices, `step` mm apart, of the longest stretch of mixed tissue, where it is too long."""
    stretch = longest_above(looks.along, limits.evenness[1], round(10 / step))
    length, count = limits.mixed_length
    return stretch if len(stretch) >= max(count, length / step) else ()


def _on_crop(evidence: QualityEvidence, mask: Segmentation) -> Iterator[Finding]:
    box = evidence.box.on_axes(evidence.oriented, mask.grid)
    if _touches(mask.data, box, mask.grid.shape):
        yield Finding("warn", "the cord touches the border of the crop: rerun with -exact")


def _touches(data: Array, box: Box, shape: tuple[int, int, int]) -> bool:
    """Whether the mask reaches a face of the box that is not a face of the image."""
    inside = data[box.slices]
    for axis in range(3):
        planes = np.moveaxis(inside, axis, 0)
        if box.start[axis] > 0 and planes[0].any():
            return True
        if box.stop[axis] < shape[axis] and planes[-1].any():
            return True
    return False
