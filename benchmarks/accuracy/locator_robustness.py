"""Does the locator find the cord in large fields of view whose contrast was changed at random?

Takes images in which the cord is a small part, with or without a label, changes the intensities of
each several times (random networks, remapping, inversion, bias field, noise: those of training) and
looks for the cord. The truth is where the embedded model sees the cord in the unchanged image.
Prints for each image how much of the cord was found, how much of what was found is cord, and how
often a fifth of the cord or more was missed.

    python benchmarks/accuracy/locator_robustness.py [-m MODEL] [-changes 12] [-processes N]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.support.labelled import asking, each, predictor, shared_images
from sct_deepseg_general.image.nifti import load
from sct_deepseg_general.image.volume import Volume, from_sct_letters
from sct_deepseg_general.inference.locate import Location, locate
from sct_deepseg_general.inference.pipeline import segment
from sct_deepseg_general.inference.predictor import Predictor
from sct_deepseg_general.training import contrast

IMAGES = (
    "train/montreal/sub-*/anat/*_T2w.nii.gz",
    "train/tutorial/sub-*/anat/*.nii.gz",
    "dev/unlabelled/sub-[!b]*/*/*.nii.gz",
    "dev/gmchallenge/sub-*/*/anat/*.nii.gz",
)
NEAR = 8.0
"""mm from the cord's middle to what was found of it"""
FAR = 15.0
"""mm from the cord's middle beyond which what was found is something else"""
MISSED = 0.8
"""The share of the cord found below which it counts as missed."""

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Search:
    """What the locator found in one changed image."""

    covered: float
    """Share of the cord's slices with something found near the cord's middle."""
    pure: float
    """Share of what was found that is near the cord."""


def main() -> None:
    parser = asking(__doc__ or "")
    parser.add_argument("-changes", type=int, default=12, help="of each image")
    options = parser.parse_args()
    images = [path for pattern in IMAGES for path in shared_images(pattern)]
    work = partial(searches, model=options.model, changes=options.changes)
    print("| image | found | least | of it cord | missed |\n|---|---|---|---|---|")
    total: list[Search] = []
    for path, found in zip(images, each(work, images, options.processes), strict=True):
        print(f"| {path.name.removesuffix('.nii.gz')} | {figures(found)} |", flush=True)
        total += found
    print(f"| {len(images)} images | {figures(total)} |")


def figures(found: list[Search]) -> str:
    covered = [one.covered for one in found]
    missed = sum(share < MISSED for share in covered)
    pure = fmean(one.pure for one in found)
    return f"{fmean(covered):.3f} | {min(covered):.2f} | {pure:.3f} | {missed} of {len(found)}"


def searches(path: Path, model: str | None, changes: int) -> list[Search]:
    """The image, changed so many times, and what the model's locator found each time."""
    torch.set_num_threads(1)
    looking = predictor(model)
    image = load(path).reoriented(from_sct_letters(looking.model.orientation))
    middle = _middle(image)
    return [_search(changed, looking, middle) for changed in _changed(image, changes)]


def _middle(image: Volume) -> Points:
    """The middle of the cord in each slice, mm, as the embedded model sees it."""
    mask = segment(image, predictor(None)).segmentation
    step, slices = np.array(mask.grid.spacing), np.flatnonzero(mask.data.any((0, 1)))
    return np.array([[*np.argwhere(mask.data[:, :, z]).mean(0), z] for z in slices]) * step


def _changed(image: Volume, count: int) -> Iterator[Volume]:
    plain = torch.from_numpy(np.ascontiguousarray(image.data.transpose(2, 1, 0), np.float32))
    plain = (plain - plain.mean()) / plain.std()
    for number in range(count):
        rng, how, x = np.random.default_rng(100 + number), number % 6, plain
        x = contrast.intensity_network(x, rng) if how in (0, 3) else x
        x = contrast.remapped(x, rng) if how in (1, 3) else x
        x = -x if how in (2, 4) else x
        x = contrast.bias_field(x, rng) if how in (4, 5) else x
        x = contrast.add_noise(x, rng) if number % 12 >= 6 else x
        yield replace(image, data=np.ascontiguousarray(x.numpy().transpose(2, 1, 0)))


def _search(image: Volume, looking: Predictor, middle: Points) -> Search:
    locator = looking.model.locator
    if locator is None:
        raise SystemExit("The model has no locator.")
    coarse, margin = looking.coarse_probability, looking.model.margin
    return _compared(locate(image, coarse, locator.spacing, locator.threshold, margin), middle)


def _compared(location: Location, middle: Points) -> Search:
    if location.coarse is None:
        return Search(0.0, 0.0)
    found = np.argwhere(location.coarse.data > 0) * np.array(location.coarse.grid.spacing)
    distance = np.linalg.norm(middle[:, None] - found[None], axis=-1)
    covered, pure = distance.min(1) < NEAR, distance.min(0) < FAR
    return Search(float(covered.mean()), float(pure.mean()))


if __name__ == "__main__":
    main()
