"""A study that can be run in seconds: models that know a cord by its brightness.

As a script, `toy_study.py DATA FOLDER STAGE NUMBER` runs the comparison and is killed by SIGKILL
when that stage has progress of that number.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
from phantoms import Convention, phantom_bids
from scipy import ndimage

from sct_deepseg_general.datasets.recipe import Dataset, Part, Recipe, SplitRule
from sct_deepseg_general.evaluation.evaluate import Segmenter
from sct_deepseg_general.image.nifti import load, load_segmentation
from sct_deepseg_general.image.volume import Segmentation, Volume
from sct_deepseg_general.study.compare import compare
from sct_deepseg_general.study.results import StudyResults
from sct_deepseg_general.study.stages import TRAINER_CURVES, Study

SHAPE = (30, 28, 6)
CONVENTIONS = {
    "bright": Convention(people=("01", "02", "03", "04"), shape=SHAPE, contrasts=("T1w",)),
    "dark": Convention(
        people=("01", "02", "03", "04"), shape=SHAPE, sessions=("1",), codes="RPI",
        label_suffix="_label-SC_seg",
    ),
    "far": Convention(
        people=("01", "02", "03"), shape=SHAPE, contrasts=("T1w", "T2w"), codes="SAL", soft=True,
        label_suffix="_label-SC_softseg",
    ),
}  # fmt: skip
ASSIGNED: dict[str, Part] = {
    f"{name}/sub-{person}": "train" if person in {"01", "02"} else "test"
    for name in ("bright", "dark")
    for person in CONVENTIONS[name].people
}
RECIPE = Recipe(
    "toy",
    (Dataset("bright"), Dataset("dark"), Dataset("far", role="unseen")),
    split=SplitRule(assigned=ASSIGNED),
    description="Cylinders in noise.",
)


def make_data(root: Path) -> Path:
    for name, convention in CONVENTIONS.items():
        phantom_bids(root / name, convention)
    return root


def train(recipe: Recipe, raw: Path, output: Path) -> Path:
    """The brightness of the cord in each training image; leaves a training curve."""
    assert recipe.name == "toy"
    means = []
    for path in sorted((raw / "labelsTr").glob("*.nii.gz")):
        image = load(raw / "imagesTr" / path.name.replace(".nii.gz", "_0000.nii.gz"))
        means.append(float(image.data[load_segmentation(path).data > 0].mean()))
    folder = output / "model"
    folder.mkdir(exist_ok=True)
    (folder / "means.json").write_text(json.dumps(means))
    curves = output / TRAINER_CURVES
    curves.parent.mkdir(exist_ok=True)
    curves.write_text("epoch,loss,dice_dark\n0,1.0,0.1\n1,0.5,0.8\n")
    return folder


def load_model(folder: Path) -> Segmenter:
    means = json.loads((folder / "means.json").read_text())

    def segment(image: Volume) -> Segmentation:
        near = np.min([np.abs(image.data - mean) for mean in means], axis=0) < 10
        labels, count = ndimage.label(near)
        sizes = ndimage.sum_labels(near, labels, range(1, count + 1))
        mask = labels == 1 + int(np.argmax(sizes))
        return Segmentation(mask.astype(np.uint8), image.grid)

    return segment


def run(
    data: Path, folder: Path, kill: tuple[str, int] | None = None, *, notebook: bool = False
) -> StudyResults:
    def progress(stage: str, done: int, total: int) -> None:
        assert 0 < done <= total
        if (stage, done) == kill:
            os.kill(os.getpid(), signal.SIGKILL)

    return compare(Study(RECIPE, (data,), folder, notebook), train, load_model, progress=progress)


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), (sys.argv[3], int(sys.argv[4])))
