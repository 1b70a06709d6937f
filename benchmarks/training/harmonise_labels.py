"""Labels of one definition: copies of the training data whose labels' edges agree with each other.

Writes BIDS datasets with the images of `shared/data/train` (as links) and soft labels whose edge
lies where the field's reference areas have it, for `train -data`; the originals are only read.
How far each edge is moved, and by what:

- published: the person's published areas, along the cord (T2w images of 1 mm);
- second mask: the mean of what the areas of a T1w mask of the same person ask for, and the rule;
- person: thick slices of such a person: the mean over the slices, and the rule;
- study: labels of spine-generic, by the published areas of others of that study, and the rule;
- rule: the place on the profile across the border (`datasets.harmonisation`). Of several images
  with one label, that counts whose border is nearest to it;
- as it is: there is no such border.

Unlabelled images get labels too: the mean probability of MODEL over the images of one session that
share a grid, moved in the same way. Prints a table.

    python benchmarks/training/harmonise_labels.py -o FOLDER [-m MODEL] [-without PERSON ...] [-dev]

With `-without` neither areas nor images of these people are used, as for measuring on them. With
`-dev` the labels are those of `shared/data/dev`, to measure on: all moved by the rule, with the
edge that `datasets.harmonisation` names.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.support.labelled import SUFFIXES, asking, predictor, shared
from benchmarks.support.reference_areas import discs, placed, published, slopes
from sct_deepseg_general.csa.pam50 import template_levels
from sct_deepseg_general.datasets.harmonisation.harmonise import EDGE, LONGEST, offsets_by_areas
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Probability, Volume
from sct_deepseg_general.inference.pipeline import segment
from sct_deepseg_general.inference.postprocess import Cleaning, segmented
from sct_deepseg_general.morphometry.border import half_way
from sct_deepseg_general.morphometry.contours import Contour, contour_of
from sct_deepseg_general.morphometry.morphometrics import measure

PUBLISHED = ("sub-errsm18", "sub-errsm22", "sub-errsm24")
SECOND_MASK = ("sub-errsm11", "sub-errsm21")
STUDY = {"spinegeneric": 0.15}
"""Millimetres outward: the cervical enlargement of seven people of the study is 0.89 to 0.95 (mean
0.92) times as large in their labels as in their published areas."""
THICK = 2.0
"""Slices (mm) from here on are too few to follow areas along the cord."""
UPPERMOST, LOWEST = 2, 9
"""The levels, C2 to T2, over which the rule is calibrated."""

Floats = NDArray[np.float64]
Reference = Callable[[str, Floats], Floats]
"""A person's areas (mm²) at places of the template."""


@dataclass(frozen=True, eq=False)
class Labelling:
    """An image of a dataset, its label, and where the new label goes."""

    source: Path
    """The dataset's folder."""
    person: str
    image: Path
    below: Path
    """The label's path in its dataset."""
    contour: Contour
    origin: str
    """What the label is of: equal for images that share one."""

    @property
    def dataset(self) -> str:
        return self.source.name

    @property
    def name(self) -> str:
        return f"{self.dataset}/{self.image.name.removesuffix('.nii.gz')}"

    @property
    def thick(self) -> bool:
        return self.contour.grid.spacing[2] > THICK


@dataclass(frozen=True, eq=False)
class Moved:
    """How an edge is moved: mm outward, one number or one for each slice."""

    how: str
    offset: float | Floats
    border: float
    """Where the image's half-way point lies, mm outside the original label."""


def main() -> None:
    parser = asking(__doc__ or "")
    parser.add_argument("-o", dest="output", type=Path, required=True)
    parser.add_argument("-without", nargs="+", default=[], metavar="PERSON")
    parser.add_argument("-dev", action="store_true")
    options = parser.parse_args()
    harmonise(options.output, options.model, options.without, dev=options.dev)


def harmonise(
    output: Path, model: str | None, without: Sequence[str] = (), *, dev: bool = False
) -> None:
    """Write the harmonised datasets and shapes, and print the table."""
    found = labellings(shared() / ("dev" if dev else "train"), model, unlabelled=not dev)
    every = [one for one in found if one.person not in without]
    borders = {one.name: half_way(one.contour, nifti.load(one.image)) for one in every}
    edge = EDGE if dev else calibrated(every, borders)
    print(f"The edge lies {edge:.3f} mm inside the half-way point.\n")
    print("| image | by | offset mm | half-way mm | area |\n|---|---|---|---|---|")
    for one in every:
        moved = moved_by(one, nearest(one, every, borders), edge)
        write(one, moved, output)
        print(row(one, moved))
    if not dev:
        write_shapes(output, every, borders, edge)


def labellings(root: Path, model: str | None, *, unlabelled: bool) -> Iterator[Labelling]:
    """All labelled images below `root`, and the others with a label that the model makes."""
    for dataset in sorted(path for path in root.iterdir() if path.is_dir()):
        images = sorted(
            path
            for path in dataset.glob("sub-*/**/*.nii.gz")
            if "derivatives" not in path.relative_to(dataset).parts
        )
        labels = {image: label_of(dataset, image) for image in images}
        for image in images:
            label = labels[image]
            if label is not None:
                data = nifti.load(label)
                yield labelling(dataset, image, label, data, drawing(data))
        without = [image for image in images if unlabelled and labels[image] is None]
        yield from made_labels(dataset, without, model)


def drawing(label: Volume) -> str:
    """Equal for labels with the same voxels, whatever else their files say."""
    return hashlib.sha256((label.data > 0.5).tobytes()).hexdigest()


def label_of(dataset: Path, image: Path) -> Path | None:
    folder = dataset / "derivatives" / "labels" / image.parent.relative_to(dataset)
    stem = image.name.removesuffix(".nii.gz")
    return next((p for s in SUFFIXES if (p := folder / f"{stem}{s}").is_file()), None)


def labelling(dataset: Path, image: Path, label: Path, data: Volume, origin: str) -> Labelling:
    person = image.relative_to(dataset).parts[0]
    below = label.relative_to(dataset)
    return Labelling(dataset, person, image, below, contour_of(data), origin)


def made_labels(dataset: Path, images: Sequence[Path], model: str | None) -> Iterator[Labelling]:
    """Labels for images without: the mean probability over those of one folder and grid."""
    seen = {image: segment(nifti.load(image), predictor(model)).probability for image in images}
    for image in images:
        own = seen[image]
        same = [p for i, p in seen.items() if i.parent == image.parent and p.grid.matches(own.grid)]
        mean = Probability(np.mean([p.data for p in same], axis=0), own.grid)
        kept = ndimage.binary_dilation(segmented(mean, Cleaning()).data, iterations=2)
        clean = Probability(np.where(kept, mean.data, 0).astype(np.float32), mean.grid)
        stem = image.name.removesuffix(".nii.gz")
        below = image.parent.relative_to(dataset)
        label = dataset / "derivatives" / "labels" / below / f"{stem}{SUFFIXES[0]}"
        yield labelling(dataset, image, label, clean, f"{image.parent} {len(same)}")


def calibrated(every: Sequence[Labelling], borders: Mapping[str, Floats]) -> float:
    """How far inside the half-way point published areas have the edge: the mean over people."""
    found = []
    for one in every:
        if one.person in PUBLISHED and not one.thick:
            mask = one.contour.fractions()
            level = levels_of(placed(mask, discs(one.image)))
            inside = borders[one.name] - one.contour.offsets(wanted_areas(one, published_at))
            found.append(float(np.nanmedian(inside[(level >= UPPERMOST) & (level <= LOWEST)])))
    if not found:
        raise DatasetError("Nobody with published areas is left to calibrate the edge on.")
    return float(np.mean(found))


def levels_of(places: Floats) -> NDArray[np.int64]:
    template = template_levels()
    known = np.isfinite(places) & (places >= 0) & (places < template.size)
    levels = np.zeros(places.size, np.int64)
    levels[known] = template[places[known].astype(int)]
    return levels


def nearest(one: Labelling, every: Sequence[Labelling], borders: Mapping[str, Floats]) -> float:
    """The median half-way point of the image with the same label that has the nearest one."""
    medians = [float(np.nanmedian(borders[o.name])) for o in every if o.origin == one.origin]
    return min(medians, key=abs)


def moved_by(one: Labelling, border: float, edge: float) -> Moved:
    rule = border - edge
    if one.person in (*PUBLISHED, *SECOND_MASK):
        reference = published_at if one.person in PUBLISHED else second_mask_at
        areas = wanted_areas(one, reference)
        if one.thick:
            own = float(np.nanmean(one.contour.offsets(areas)[1:-1]))
            return Moved("person", (own + rule) / 2, border)
        along = offsets_by_areas(one.contour, areas)
        if one.person in PUBLISHED:
            return Moved("published", along, border)
        return Moved("second mask", (along + rule) / 2, border)
    if one.dataset in STUDY:
        return Moved("study", (STUDY[one.dataset] + rule) / 2, border)
    return Moved("rule", rule, border) if abs(rule) <= LONGEST else Moved("as it is", 0.0, border)


def wanted_areas(one: Labelling, reference: Reference) -> Floats:
    """The reference's areas in the image's slices, which lie aslant to the cord."""
    mask = one.contour.fractions()
    hard = Volume((mask.data > 0.5).astype(np.uint8), mask.grid)
    return np.asarray(reference(one.person, placed(hard, discs(one.image))) / slopes(hard))


def published_at(person: str, places: Floats) -> Floats:
    areas = published(person)
    slices = np.array(sorted(areas), float)
    values = np.array([areas[int(z)] for z in slices])
    return np.asarray(np.interp(places, slices, values, np.nan, np.nan))


def second_mask_at(person: str, places: Floats) -> Floats:
    at, areas = second_mask(person)
    return np.asarray(np.interp(places, at, areas, np.nan, np.nan))


@cache
def second_mask(person: str) -> tuple[Floats, Floats]:
    """Places in the template and areas (mm²) of the person's T1w mask, smoothed by 3 mm."""
    below = f"derivatives/labels/{person}/anat/{person}_T1w_seg-manual.nii.gz"
    mask = nifti.load_segmentation(shared() / "labels" / "montreal" / below)
    image = shared() / "train" / "montreal" / person / "anat" / f"{person}_T2w.nii.gz"
    at, areas = placed(mask, discs(image)), measure(mask).area
    known = np.isfinite(at) & np.isfinite(areas)
    order = np.argsort(at[known])
    return at[known][order], ndimage.gaussian_filter1d(areas[known][order], 3.0)


def write(one: Labelling, moved: Moved, output: Path) -> None:
    """The new label, and a link to the image, as in the image's dataset."""
    root = output / one.dataset
    label, image = root / one.below, root / one.image.relative_to(one.source)
    for path in (label, image):
        path.parent.mkdir(parents=True, exist_ok=True)
    grid = nifti.load(one.image).grid
    nifti.save(one.contour.fractions(moved.offset).reoriented(grid.axcodes), label)
    image.unlink(missing_ok=True)
    image.symlink_to(one.image.resolve())


def row(one: Labelling, moved: Moved) -> str:
    before, after = one.contour.areas(), one.contour.areas(moved.offset)
    held = before > 20
    share = float(after[held].sum() / before[held].sum())
    values = np.atleast_1d(moved.offset)
    span = f"{values.min():+.2f} to {values.max():+.2f}" if values.size > 1 else f"{values[0]:+.2f}"
    return f"| {one.name} | {moved.how} | {span} | {moved.border:+.2f} | {share:.3f} |"


def write_shapes(
    output: Path, every: Sequence[Labelling], borders: Mapping[str, Floats], edge: float
) -> None:
    """The labels without images: those of the study, and the template's by its image's rule."""
    template = next(one for one in every if one.dataset == "template")
    rule = float(np.nanmedian(borders[template.name])) - edge
    source, target = shared() / "labels", output / "shapes"
    for folder, how, pattern, offset in (
        ("spinegeneric", "study", "*_T2w_seg-manual.nii.gz", STUDY["spinegeneric"]),
        ("pam50", "rule", "*_cord.nii.gz", rule),
    ):
        for path in sorted((source / folder).rglob("*.nii.gz")):
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.match(pattern):
                moved_shape(path, copy, offset)
            else:
                shutil.copyfile(path, copy)
        print(f"| shapes/{folder} | {how} | {offset:+.2f} | | |")


def moved_shape(path: Path, copy: Path, offset: float) -> None:
    label = nifti.load(path)
    moved = contour_of(label).fractions(offset).reoriented(label.grid.axcodes)
    nifti.save(moved, copy)


if __name__ == "__main__":
    main()
