"""Label maps without images as cases for training.

Synthesis needs shapes only: it gives each tissue an intensity and sets the canal into the
surroundings of a real image.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.augmentation.sampling import TrainingCase
from sct_deepseg_general.datasets.recipe import Shapes
from sct_deepseg_general.datasets.shape_labels import CORD, FLUID
from sct_deepseg_general.image.nifti import load
from sct_deepseg_general.image.volume import Probability
from sct_deepseg_general.inference.preprocess import margin_box
from sct_deepseg_general.training.cases import Preparation, soft_array

__all__ = ["shape_cases"]


def shape_cases(
    shapes: Sequence[Shapes], folder: Path, preparation: Preparation
) -> list[TrainingCase]:
    """The maps in `folder` as cases for synthesis: target the cord, image the canal (0 to 1)."""
    trust = {one.name: one.trust for one in shapes}
    found = sorted(folder.glob("*.nii.gz"))
    named = [(path, path.name.split("_", maxsplit=1)[0]) for path in found]
    return [_case(path, name, preparation, trust[name]) for path, name in named if name in trust]


def _case(path: Path, name: str, preparation: Preparation, trust: float) -> TrainingCase:
    tissue = load(path, nan_background=False)
    box = margin_box(tissue.data == CORD, tissue.grid.spacing, preparation.margin)

    def fraction(least: int) -> NDArray[np.float32]:
        mask = Probability((tissue.data >= least).astype(np.float32), tissue.grid)
        return soft_array(mask, box, preparation)

    target = fraction(CORD)
    centres = np.argwhere(target > 0.5).astype(np.int32)
    named = path.name.removesuffix(".nii.gz")
    return TrainingCase(named, name, fraction(FLUID), target, centres, trust, shapes_only=True)
