"""How the model's cord differs from each source's labels, and whether its probability is true.

For every labelled image: Dice and volume within the slices that the label has, by dataset; raters
draw the edge differently, and a bias of the area is read here. Then the reliability of the
probability: of the voxels near the cord that were given a probability p, the share that is
cord in the label (expected calibration error: Guo et al., ICML 2017), and what the logits would
have to be multiplied by to make it truer (a recipe's `sharpness`). Prints two tables.

    python benchmarks/accuracy/label_bias.py [-m MODEL] [-labels FOLDER ...] [-processes N]
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.support.labelled import Labelled, asking, each, labelled, predictor
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import from_sct_letters
from sct_deepseg_general.inference.pipeline import segment

BINS = 10
REACH = 0.02
"""Voxels of a lower probability that the label leaves out are background to everybody."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Agreement:
    """One image's; `given`, `cord` and `voxels` are sums over each bin of probability."""

    dice: float
    volume: float
    soft: float
    given: Floats
    cord: Floats
    voxels: Floats


def main() -> None:
    parser = asking(__doc__)
    parser.add_argument(
        "-labels", nargs="+", type=Path, default=[], help="other labels of the same images"
    )
    options = parser.parse_args()
    images = labelled(options.labels)
    found = list(each(partial(compared, options.model), images, options.processes))
    print_bias(images, found)
    for part in sorted({image.part for image in images}):
        print_reliability(part, [f for i, f in zip(images, found, strict=True) if i.part == part])


def compared(model: str | None, image: Labelled) -> Agreement:
    """The model's cord beside the label, in the slices that the label has."""
    upright = from_sct_letters("LPI")
    result = segment(nifti.load(image.image), predictor(model))
    label = nifti.load_segmentation(image.label).reoriented(upright).data > 0
    rows = label.any((0, 1))
    mask = (result.segmentation.reoriented(upright).data > 0)[:, :, rows]
    probability = result.probability.reoriented(upright).data[:, :, rows]
    truth = label[:, :, rows]
    near = (probability > REACH) | truth
    p, t = probability[near], truth[near]
    which = np.minimum((p * BINS).astype(int), BINS - 1)
    given, cord, voxels = (
        np.bincount(which, weights, BINS) for weights in (p, t.astype(float), np.ones(p.size))
    )
    dice = 2 * float((mask & truth).sum()) / float(mask.sum() + truth.sum())
    volume, soft = (100 * (float(v.sum()) / float(truth.sum()) - 1) for v in (mask, probability))
    return Agreement(dice, volume, soft, given, cord, voxels)


def print_bias(images: list[Labelled], found: list[Agreement]) -> None:
    print("| part | dataset | image | Dice | volume % | soft volume % |\n|---|---|---|---|---|---|")
    for image, one in zip(images, found, strict=True):
        dataset = image.label.parts[image.label.parts.index("derivatives") - 1]
        name = image.image.name.removesuffix(".nii.gz")
        figures = f"{one.dice:.3f} | {one.volume:+.1f} | {one.soft:+.1f}"
        print(f"| {image.part} | {dataset} | {name} | {figures} |")


def print_reliability(part: str, found: list[Agreement]) -> None:
    given, cord, voxels = (
        np.sum([getattr(one, name) for one in found], axis=0)
        for name in ("given", "cord", "voxels")
    )
    error = float(np.abs(given - cord).sum() / voxels.sum())
    print(f"\n{part}: expected calibration error {error:.3f} over {int(voxels.sum())} voxels\n")
    print("| probability | voxels | mean probability | share that is cord |\n|---|---|---|---|")
    for bin_, count in enumerate(voxels):
        if count:
            shares = f"{given[bin_] / count:.2f} | {cord[bin_] / count:.2f}"
            print(f"| {bin_ / BINS:.1f} to {(bin_ + 1) / BINS:.1f} | {int(count)} | {shares} |")
    print(f"\nThe logits are best multiplied by {best_sharpness(given, cord, voxels):.2f}.")


def best_sharpness(given: Floats, cord: Floats, voxels: Floats) -> float:
    """The factor of the logits with the least cross-entropy; arrays are sums over each bin."""
    logit = np.log(given / (voxels - given))[voxels > 0]
    inside, count = cord[voxels > 0], voxels[voxels > 0]
    factors = np.linspace(0.5, 3, 251)
    soft = np.logaddexp(0, factors[:, None] * logit)
    loss = (count * soft - inside * factors[:, None] * logit).sum(1)
    return float(factors[loss.argmin()])


if __name__ == "__main__":
    main()
