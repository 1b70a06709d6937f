"""Two people with a dark tube for a cord, and a recipe that trains on them in seconds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import nibabel as nib
import numpy as np

from sct_deepseg_general.datasets.recipe import Dataset, Recipe, SplitRule, Training

TRAINING = Training(
    spacing=(1.5, 1.5, 3.0),
    patch=(16, 16, 16),
    features=(4, 8),
    epochs=2,
    iterations=2,
    learning_rate=0.002,
    margin=20.0,
)


RECIPE = Recipe(
    name="tiny",
    datasets=(Dataset("tubes"),),
    split=SplitRule(test=0.0),
    training=TRAINING,
    locator=dataclasses.replace(TRAINING, spacing=(4.0, 4.0, 4.0), margin=100.0),
)


def write_tubes(root: Path) -> None:
    """Two people with a dark tube of radius 5 mm in bright surroundings, 1 x 1 x 3 mm."""
    rng = np.random.default_rng(0)
    for person in ("sub-01", "sub-02"):
        x, y, _ = np.meshgrid(*(np.arange(n) for n in (40, 40, 14)), indexing="ij")
        mask = (np.hypot(x - 20, y - 20) < 5).astype(np.uint8)
        image = (1000 - 600.0 * mask + rng.normal(scale=40, size=mask.shape)).astype(np.float32)
        affine = np.diag([1.0, 1, 3, 1])
        places = (
            (root / person / "anat" / f"{person}_T2w.nii.gz", image),
            (
                root / "derivatives/labels" / person / "anat" / f"{person}_T2w_seg-manual.nii.gz",
                mask,
            ),
        )
        for path, data in places:
            path.parent.mkdir(parents=True)
            nib.save(nib.Nifti1Image(data, affine), path)
