"""What contrast randomisation makes of one image: the picture in docs/training.md.

The first row holds the sample image and single changes of it, the second one hard cases, the others
what training draws from it with the recipe's mix; the outline is the target.

    python benchmarks/training/contrast_figure.py docs/contrast.png
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.support.labelled import ROOT, SAMPLES
from sct_deepseg_general.augmentation import contrast, hard_cases, synthesis
from sct_deepseg_general.augmentation.contrast import ContrastMix
from sct_deepseg_general.augmentation.sampling import Patch, SpatialRange, TrainingCase, draw_patch
from sct_deepseg_general.datasets import recipe
from sct_deepseg_general.image.nifti import load, load_probability
from sct_deepseg_general.image.volume import from_sct_letters
from sct_deepseg_general.inference.preprocess import margin_box, prepared
from sct_deepseg_general.training.cases import Preparation, array_of, soft_array

COLUMNS, ROWS = 8, 5
SHAPE = (32, 64, 64)


Change = Callable[[Tensor, Tensor, np.random.Generator], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Shown:
    """A patch in the figure."""

    title: str
    image: Tensor
    target: Tensor


def main() -> None:
    training = recipe.read(ROOT / "model_zoo" / "sc-general" / "recipe.json").training
    x, y, z = training.spacing or (0.8, 0.8, 1.5)
    preparation = Preparation((x, y, z), 60.0, averaging=training.averaging)
    mix, spacing, case = ContrastMix.from_dict(dict(training.mix)), (z, y, x), sample(preparation)
    rng = np.random.default_rng(1)
    still = SpatialRange(0, (1.0, 1.0), 0, 0, 0, (0, 0, 0))
    plain = draw_patch(case, SHAPE, spacing, still, rng)
    shown = single(plain, spacing, rng) + hard(plain, spacing)
    while len(shown) < COLUMNS * ROWS:
        patch = draw_patch(case, SHAPE, spacing, SpatialRange(shift=5.0, anywhere=0.0), rng)
        image, target = contrast.randomised(patch, spacing, mix, rng)
        shown.append(Shown("", image, target))
    draw(shown, Path(sys.argv[1]))


def sample(preparation: Preparation) -> TrainingCase:
    """The T2w sample, prepared as for training."""
    labels = SAMPLES / "derivatives" / "labels" / "sub-sct" / "anat"
    upright = from_sct_letters("LPI")
    image = load(SAMPLES / "sub-sct" / "anat" / "sub-sct_T2w.nii.gz").reoriented(upright)
    label = load_probability(next(labels.glob("sub-sct_T2w_*seg*.nii.gz"))).reoriented(upright)
    box = margin_box(label.data > 0.5, image.grid.spacing, preparation.margin)
    target = soft_array(label, box, preparation)
    centres = np.array([[n // 2 for n in target.shape]], np.int32)
    close = prepared(image, box, preparation.spacing, averaging=preparation.averaging)
    return TrainingCase("sample", "sample", array_of(close), target, centres)


def single(patch: Patch, spacing: tuple[float, ...], rng: np.random.Generator) -> list[Shown]:
    image, target = patch.image, patch.target
    return [
        Shown("as it is", image, target),
        Shown("random network", contrast.intensity_network(image, rng), target),
        Shown("remapped", contrast.remapped(image, rng), target),
        Shown("from labels", synthesis.synthetic(image, target, rng), target),
        Shown("bias field", contrast.bias_field(image, rng), target),
        Shown("thick voxels", contrast.low_resolution(image, spacing, 17.0, rng), target),
        Shown("ghosts", contrast.ghosted(image, rng), target),
        Shown("distorted", *contrast.distorted(image, target, rng)),
    ]


def hard(patch: Patch, spacing: tuple[float, ...]) -> list[Shown]:
    """Each hard case, of many drawn the one that shows most of it in the middle slice."""
    near = synthesis.TissueMix(isointense=1.0)
    row = patch.image.shape[0] // 2
    kinds: list[tuple[str, Change]] = [
        ("flattened", hard_cases.reshaped),
        ("lesions", hard_cases.lesions),
        ("low contrast", hard_cases.faded),
        ("isointense fluid", lambda i, t, g: (synthesis.synthetic(i, t, g, tissue=near), t)),
        ("metal", hard_cases.metal_void),
        ("blank slice", hard_cases.blank_slices),
        ("thick slices", lambda i, t, g: (contrast.low_resolution(i, spacing, 17.0, g), t)),
        ("enlarged", hard_cases.reshaped),
    ]
    cord, fluid = patch.target[row] > 0.5, (patch.target[row] == 0) & (patch.image[row] > 2)

    def strength(title: str, image: Tensor, target: Tensor) -> float:
        if title in {"flattened", "enlarged"}:
            return float(target[row].sum()) * (1 if title == "enlarged" else -1)
        if title == "isointense fluid":
            return -abs(float(image[row][cord].mean() - image[row][fluid].mean()))
        change = (image - patch.image)[row]
        return float(change[cord].abs().mean()) if title != "lesions" else float(change.abs().max())

    shown = []
    for title, change in kinds:
        drawn = (change(patch.image, patch.target, np.random.default_rng(n)) for n in range(40))
        best = max(drawn, key=lambda made: strength(title, *made))  # used at once
        shown.append(Shown(title, *best))
    return shown


def draw(shown: list[Shown], path: Path) -> None:
    figure = Figure(figsize=(COLUMNS * 1.3, ROWS * 1.4), layout="constrained")
    for axes, one in zip(figure.subplots(ROWS, COLUMNS).ravel(), shown, strict=True):
        row = one.target.shape[0] // 2 if one.title else int(_cord(one).argmax())
        axes.imshow(one.image[row], cmap="gray", origin="lower")
        axes.contour(one.target[row], [0.5], colors="tab:red", linewidths=0.8)
        axes.set_title(one.title, fontsize=8)
        axes.axis("off")
    figure.savefig(path, dpi=80)


def _cord(one: Shown) -> Tensor:
    return one.target.clamp(min=0).sum((1, 2))


if __name__ == "__main__":
    main()
