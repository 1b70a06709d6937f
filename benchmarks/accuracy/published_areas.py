"""Our areas beside those that others published of the same people, level by level.

For each person with published areas (`benchmarks/support/reference_areas.py`) the mean area of a
vertebral level, C2 to T2, is divided by the published one; a person's figure is the mean over the
levels. Of a model, or of label files in its place.

    python benchmarks/accuracy/published_areas.py [-m MODEL] [-labels FOLDER] [-processes N]

FOLDER holds BIDS datasets with labels below `derivatives/labels`, such as
`shared/data/train`; people without a label in it are left out.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.support.labelled import asking, each, predictor, shared
from benchmarks.support.reference_areas import LEVELS, Ratio, names_of, ratios
from sct_deepseg_general.image import nifti
from sct_deepseg_general.inference.pipeline import segment

IMAGES = {
    "sub-errsm18": "train/montreal/sub-errsm18/anat/sub-errsm18_T2w.nii.gz",
    "sub-errsm20": "dev/unlabelled/sub-errsm20/anat/sub-errsm20_T2w.nii.gz",
    "sub-errsm22": "train/montreal/sub-errsm22/anat/sub-errsm22_T2w.nii.gz",
    "sub-errsm24": "train/montreal/sub-errsm24/anat/sub-errsm24_T2w.nii.gz",
}


def main() -> None:
    parser = asking(__doc__ or "")
    parser.add_argument("-labels", type=Path, help="measure the labels in this folder instead")
    options = parser.parse_args()
    if options.labels is not None:
        found = [of_label(person, options.labels) for person in IMAGES]
    else:
        found = list(each(partial(of_model, options.model), IMAGES, options.processes))
    print("\n".join(table([one for one in found if one])))


def of_model(model: str | None, person: str) -> list[Ratio]:
    image = shared() / IMAGES[person]
    return ratios(segment(nifti.load(image), predictor(model)).segmentation, image, person)


def of_label(person: str, folder: Path) -> list[Ratio]:
    image = shared() / IMAGES[person]
    stem = image.name.removesuffix(".nii.gz")
    labels = sorted(folder.glob(f"*/derivatives/labels/{person}/anat/{stem}_seg-manual.nii.gz"))
    return ratios(nifti.load_probability(labels[0]), image, person) if labels else []


def table(people: list[list[Ratio]]) -> list[str]:
    """A row for each person, and a line for all."""
    lines = [f"| person | {' | '.join(names_of())} | mean | SD |", "|---" * (len(LEVELS) + 3) + "|"]
    for own in people:
        by_level = {one.level: f"{one.value:.2f}" for one in own}
        values = [one.value for one in own]
        figures = " | ".join(by_level.get(level, "") for level in LEVELS)
        lines.append(
            f"| {own[0].person} | {figures} | {np.mean(values):.3f} | {np.std(values):.3f} |"
        )
    every = [one.value for own in people for one in own]
    return [*lines, "", f"All {len(every)}: mean {np.mean(every):.3f}, SD {np.std(every):.3f}."]


if __name__ == "__main__":
    main()
