"""Does the quality check see what is wrong, and leave alone what is right?

Results are spoiled in many ways: masks (see `spoiled.MASKS`) are judged with the image and the
coarse pass of the true result; images (see `spoiled.IMAGES`) go through the whole pipeline, and so
do images of the brain. Good results are those of the labelled images, and of mild changes of them,
with a Dice of at least 0.85. Prints the share caught (warn or fail) by kind, and the share of good
results with a warning.

    python benchmarks/quality/failure_detection.py [-m MODEL] [-processes N]
"""

from __future__ import annotations

import sys
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.spoiled import IMAGES, MASKS, MILD, on_label, sure_of
from benchmarks.support.labelled import asking, each, labelled, predictor, shared_images
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.image.volume import Box, Segmentation, Volume
from sct_deepseg_general.inference.pipeline import InferenceResult, segment
from sct_deepseg_general.morphometry.morphometrics import measure
from sct_deepseg_general.quality.assess import assess_result
from sct_deepseg_general.quality.findings import Quality

GOOD = 0.85
"""Dice from which a result is good."""
LARGE, LARGER = 1_000_000, 2_000_000
"""Voxels from which an image is not changed mildly, and not spoiled: it would take minutes."""
MOST_BASES = 8
ALWAYS_WRONG = ("cut field of view", "signal lost")
"""The image itself is not fit to measure, however well the rest of the cord is found."""


@dataclass(frozen=True)
class Case:
    """One result: what was done to it, whether it is good, and what the check said."""

    kind: str
    name: str
    good: bool
    status: str
    reasons: tuple[str, ...]
    dice: float = float("nan")


@dataclass(frozen=True)
class Work:
    """An image, with its label where it has one, and whether to spoil it too."""

    image: Path
    label: Path | None
    spoil: bool


def main() -> None:
    options = asking(__doc__).parse_args()
    work = partial(cases, options.model)
    found = []
    for some in each(work, works(), options.processes):
        found += some
        print(f"{len(found)} results", end="\r", file=sys.stderr, flush=True)
    print("\n".join(report(found)))


def works() -> Iterator[Work]:
    """The labelled images, some of which (one a dataset and contrast) are spoiled, and brains.

    Those that the embedded model has not seen come first.
    """
    seen: set[tuple[str, str]] = set()
    for one in sorted(labelled(), key=lambda one: one.part):
        dataset = one.label.parts[one.label.parts.index("derivatives") - 1]
        kind = (dataset, one.image.name.rpartition("_")[2])
        small = nifti.load(one.image).data.size < LARGER
        spoil = small and kind not in seen and len(seen) < MOST_BASES
        seen |= {kind} if spoil else set()
        yield Work(one.image, one.label, spoil)
    for path in shared_images("dev/unlabelled/sub-brain/anat/*.nii.gz"):
        yield Work(path, None, spoil=True)


def cases(model: str | None, work: Work) -> list[Case]:
    """Everything that is made of one image."""
    warnings.simplefilter("ignore", RuntimeWarning)
    image = nifti.load(work.image)
    name = work.image.name.removesuffix(".nii.gz")
    if work.label is None:
        return [whole(model, part, "brain", f"{name} {how}") for how, part in brains(image)]
    label = nifti.load_segmentation(work.label)
    result = segment(image, predictor(model))
    found = [case_of(model, result, "as it is", name, label)]
    if image.data.size < LARGE:
        for kind, change in MILD.items():
            changed = change(image, label, generator(kind, name))
            found.append(whole(model, changed, kind, name, on_label(kind, label, changed)))
    if work.spoil:
        found += spoiled_masks(model, result, name)
        found += spoiled_images(model, image, label, name)
    return found


def brains(image: Volume) -> Iterator[tuple[str, Volume]]:
    """A brain, as it is and as other scans would have it."""
    upright = image.reoriented(AXES)
    x, y, z = upright.grid.shape
    yield "whole", image
    yield "upper half", upright.cropped(Box((0, 0, z // 2), (x, y, z)))
    yield "left half", upright.cropped(Box((0, 0, 0), (x // 2, y, z)))
    yield "slices of 5 mm", upright.resampled((1.0, 1.0, 5.0))
    yield "contrast turned round", replace(image, data=image.data.max() - image.data)
    yield "slab", upright.cropped(Box((0, 0, z // 2), (x, y, z // 2 + 30)))


def spoiled_masks(model: str | None, result: InferenceResult, name: str) -> Iterator[Case]:
    mask = result.segmentation.reoriented(AXES).data > 0
    grid = result.segmentation.grid
    for kind, spoil in MASKS.items():
        wrong = spoil(mask, grid.reoriented(AXES).spacing, generator(kind, name))
        segmentation, probability = sure_of(wrong, grid)
        worse = replace(result, segmentation=segmentation, probability=probability)
        yield Case(f"mask: {kind}", name, False, *verdict(judgement(model, worse)))


def spoiled_images(
    model: str | None, image: Volume, label: Segmentation, name: str
) -> Iterator[Case]:
    for kind, spoil in IMAGES.items():
        worse = spoil(image, label, generator(kind, name))
        truth = on_label(kind, label, worse) if worse.grid.matches(image.grid) else None
        truth = None if kind in ALWAYS_WRONG or kind in NO_CORD else truth
        yield whole(model, worse, f"image: {kind}", name, truth)


NO_CORD = ("noise", "clouds", "beside the cord", "shuffled")


def whole(
    model: str | None, image: Volume, kind: str, name: str, label: Segmentation | None = None
) -> Case:
    """An image through the whole pipeline; without a label there is nothing right to find."""
    return case_of(model, segment(image, predictor(model)), kind, name, label)


def case_of(
    model: str | None, result: InferenceResult, kind: str, name: str, label: Segmentation | None
) -> Case:
    dice = float("nan") if label is None else dice_of(result.segmentation, label)
    return Case(kind, name, dice >= GOOD, *verdict(judgement(model, result)), dice)


def judgement(model: str | None, result: InferenceResult) -> Quality:
    loaded = predictor(model).model
    return assess_result(result, measure(result.segmentation), loaded, loaded.threshold)


def verdict(quality: Quality) -> tuple[str, tuple[str, ...]]:
    return quality.status, quality.reasons


def dice_of(mask: Segmentation, label: Segmentation) -> float:
    a, b = mask.data > 0, label.data > 0
    return float(2 * (a & b).sum() / max(1, a.sum() + b.sum()))


def generator(*words: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(" ".join(words).encode()))


def report(found: list[Case]) -> Iterator[str]:
    mild = {"as it is", *MILD}
    good = [case for case in found if case.good and case.kind in mild]
    lucky = [case for case in found if case.good and case.kind not in mild]
    wrong = [case for case in found if not case.good and case.kind not in mild]
    yield "| spoiled | results | fail | warn | missed |"
    yield "|---|---|---|---|---|"
    for kind in dict.fromkeys(case.kind for case in wrong):
        yield row(kind, [case for case in wrong if case.kind == kind])
    yield row("all", wrong)
    yield ""
    yield f"Caught: {share([case.status != 'ok' for case in wrong])} of {len(wrong)}."
    false = [case for case in good if case.status != "ok"]
    untouched = [case for case in good if case.kind == "as it is"]
    yield (
        f"Good results with a warning: {len(false)} of {len(good)} "
        f"({share([case.status != 'ok' for case in good])}); of the images as they are: "
        f"{sum(case.status != 'ok' for case in untouched)} of {len(untouched)}."
    )
    poor = [case for case in found if case.kind in mild and not case.good]
    warned = sum(case.status != "ok" for case in poor)
    yield f"Not counted, Dice below {GOOD}: {len(poor)}, of them {warned} with a warning."
    warned = sum(case.status != "ok" for case in lucky)
    yield f"Spoiled images with a good result all the same: {len(lucky)}, {warned} with a warning."
    yield from listing("Missed", [case for case in wrong if case.status == "ok"])
    yield from listing("Good, with a warning", false)


def row(kind: str, some: list[Case]) -> str:
    counts = (sum(case.status == status for case in some) for status in ("fail", "warn", "ok"))
    return f"| {kind} | {len(some)} | " + " | ".join(map(str, counts)) + " |"


def share(of: list[bool]) -> str:
    values: NDArray[np.bool_] = np.array(of, bool)
    return f"{100 * values.mean():.1f} %" if values.size else "-"


def listing(title: str, some: list[Case]) -> Iterator[str]:
    if some:
        yield f"\n{title}:"
    for case in some:
        told = f", Dice {case.dice:.3f}" if np.isfinite(case.dice) else ""
        yield f"  {case.kind}, {case.name}{told}: {'; '.join(case.reasons) or 'ok'}"


if __name__ == "__main__":
    main()
