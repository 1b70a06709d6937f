"""How the model's cord differs from each source's labels, and whether its probability is true.

For every labelled image: Dice and volume within the slices that the label has, by dataset; raters
draw the edge differently, and a bias of the area is read here. Then the reliability of the
probability: of the voxels near the cord that were given a probability p, the share that is
cord in the label (expected calibration error: Guo et al., ICML 2017), and by what the logits would
have to be multiplied, and what added, to make it truer (a recipe's `sharpness` and `shift`). Prints
two tables.

    python benchmarks/accuracy/label_bias.py [-m MODEL] [-labels FOLDER ...] [-processes N]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from benchmarks.support.labelled import Labelled, asking, each, labelled, predictor
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import from_sct_letters
from sct_deepseg_general.inference.pipeline import segment

BINS = 10
FINE = 10
"""Parts of a bin, over which logits are fitted."""
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
    """The model's cord beside the label, in the slices that the label has.

    A soft label counts by its fractions.
    """
    upright = from_sct_letters("LPI")
    result = segment(nifti.load(image.image), predictor(model))
    label = nifti.load_probability(image.label).reoriented(upright).data
    rows = (label > 0.5).any((0, 1))
    mask = (result.segmentation.reoriented(upright).data > 0)[:, :, rows]
    probability = result.probability.reoriented(upright).data[:, :, rows]
    truth = label[:, :, rows]
    near = (probability > REACH) | (truth > 0)
    p, t = probability[near], truth[near]
    which = np.minimum((p * BINS * FINE).astype(int), BINS * FINE - 1)
    given, cord, voxels = (
        np.bincount(which, weights, BINS * FINE) for weights in (p, t, np.ones(p.size))
    )
    dice = 2 * float(truth[mask].sum()) / float(mask.sum() + truth.sum())
    volume, soft = (100 * (float(v.sum()) / float(truth.sum()) - 1) for v in (mask, probability))
    return Agreement(dice, volume, soft, given, cord, voxels)


def print_bias(images: list[Labelled], found: list[Agreement]) -> None:
    print("| part | dataset | image | Dice | volume % | soft volume % |\n|---|---|---|---|---|---|")
    for image, one in zip(images, found, strict=True):
        dataset = image.label.parts[image.label.parts.index("derivatives") - 1]
        name = image.image.name.removesuffix(".nii.gz")
        figures = f"{one.dice:.3f} | {one.volume:+.1f} | {one.soft:+.1f}"
        print(f"| {image.part} | {dataset} | {name} | {figures} |")


def print_reliability(part: str, found: Sequence[Agreement]) -> None:
    given, cord, voxels = added(found)
    p, truth, count = (sums.reshape(BINS, FINE).sum(1) for sums in (given, cord, voxels))
    error = float(np.abs(p - truth).sum() / count.sum())
    print(f"\n{part}: expected calibration error {error:.3f} over {int(count.sum())} voxels\n")
    print("| probability | voxels | mean probability | share that is cord |\n|---|---|---|---|")
    for bin_, number in enumerate(count):
        if number:
            shares = f"{p[bin_] / number:.2f} | {truth[bin_] / number:.2f}"
            print(f"| {bin_ / BINS:.1f} to {(bin_ + 1) / BINS:.1f} | {int(number)} | {shares} |")
    times, shift = truer(given, cord, voxels)
    print(f"\nThe logits are best multiplied by {times:.2f}, then {shift:+.2f} added.")


def added(found: Sequence[Agreement]) -> tuple[Floats, Floats, Floats]:
    """`given`, `cord` and `voxels` of all images together."""
    given, cord, voxels = (
        np.sum([getattr(one, name) for one in found], axis=0)
        for name in ("given", "cord", "voxels")
    )
    return given, cord, voxels


def truer(given: Floats, cord: Floats, voxels: Floats) -> tuple[float, float]:
    """Factor and shift of the logits with the least cross-entropy; arrays are sums over each bin.

    Source: Platt scaling (Platt, 1999), here over voxels.
    """
    seen = voxels > 0
    mean = np.clip(given[seen] / voxels[seen], 1e-6, 1 - 1e-6)
    logit, inside, count = np.log(mean / (1 - mean)), cord[seen], voxels[seen]

    def loss(of: Floats) -> float:
        moved = of[0] * logit + of[1]
        return float((count * np.logaddexp(0, moved) - inside * moved).sum() / count.sum())

    found = optimize.minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead")
    return float(found.x[0]), float(found.x[1])


if __name__ == "__main__":
    main()
