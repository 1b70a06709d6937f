"""Is a known loss of the cord's area recovered?

Each image is made into two visits: both moved and turned at random, interpolated once, with 3 %
noise; in the second the cord is smaller by a known share. Three estimates over the same stretch
of cord (from the discs, else all that is shared): the difference of areas half-way, the
boundary shift integral, and plain re-segmentation of each visit by itself.

    python -m benchmarks.quality.synthetic_atrophy -discs levels/discs.tsv -root data/ -repeats 1
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine

from benchmarks.quality.atrophy import Visit, motion_of, visited
from sct_deepseg_general.change.levels import Discs
from sct_deepseg_general.change.measure import ALL, Scan, compared
from sct_deepseg_general.change.straight import course_of
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Segmentation, Volume
from sct_deepseg_general.inference.pipeline import segment
from sct_deepseg_general.inference.predictor import Predictor, load_predictor
from sct_deepseg_general.morphometry.morphometrics import measure
from sct_deepseg_general.zoo.zoo import resolve

LOSSES = (0.0, 0.005, 0.01, 0.02, 0.05)
NOISE = 0.03
IMAGES = (
    "dev/unlabelled/sub-errsm20/anat/sub-errsm20_T2w.nii.gz",
    "dev/unlabelled/sub-full/anat/sub-full_T2w.nii.gz",
    "dev/scttesting/sub-sct/anat/sub-sct_T2w.nii.gz",
    "dev/unlabelled/sub-unf02/anat/sub-unf02_T2star.nii.gz",
    "train/montreal/sub-errsm18/anat/sub-errsm18_T2w.nii.gz",
    "train/montreal/sub-errsm24/anat/sub-errsm24_T2w.nii.gz",
)
HIGHEST, LOWEST = 2, 8
"""Levels compared: C2 to C7, whose lower border is disc 8."""


@dataclass(frozen=True)
class Row:
    image: str
    loss: float
    part: str
    area: float
    boundary: float
    plain: float

    @property
    def true(self) -> float:
        """The change in per cent of the mean of both areas, as `change` gives it."""
        return -200 * self.loss / (2 - self.loss)


def discs_of(path: Path, image: str, lowest: int = LOWEST) -> Discs:
    """The cervical discs of an image, mm in RAS, from the table of discs."""
    lines = [line.split("\t") for line in path.read_text().splitlines()[1:]]
    return {
        int(one[1]): np.array([float(v) for v in one[5:8]])
        for one in lines
        if one[0] == image and HIGHEST <= int(one[1]) <= lowest
    }


def rows(root: Path, discs: Path, predictor: Predictor, repeats: int) -> Iterator[Row]:
    for name in IMAGES:
        image = nifti.load(root / name)
        cord = segment(image, predictor).segmentation
        points = discs_of(discs, name)
        for repeat in range(repeats):
            for loss in LOSSES:
                yield one_row(name, image, cord, points, predictor, loss, repeat)


def one_row(
    name: str, image: Volume, cord: Segmentation, points: Discs,
    predictor: Predictor, loss: float, repeat: int,
) -> Row:  # fmt: skip
    rng = np.random.default_rng([repeat, round(1000 * loss), len(name)])
    course = course_of(cord)
    scans = []
    for share in (0.0, loss):
        turn, shift = rng.uniform(-3, 3, 3), rng.uniform(-3, 3, 3)
        visit = Visit(share, tuple(turn), tuple(shift), NOISE, int(rng.integers(1 << 30)))
        back = np.linalg.inv(motion_of(visit, course))
        moved = {n: apply_affine(back, point) for n, point in points.items()}
        scans.append(Scan(visited(image, cord, course, visit), moved))
    found = compared(scans[0], scans[1], predictor)
    changes = {change.name: change for change in found.changes}
    part = "C2-C3" if "C2-C3" in changes else ALL
    levels = [c for c in found.changes if c.name[0] == "C" and c.name != "C2-C3"]
    if len(levels) > 1:
        part, change = f"{levels[0].name} to {levels[-1].name}", None
        weight = np.array([c.length for c in levels])
        first, second = (np.average([getattr(c, n) for c in levels], weights=weight)
                         for n in ("first", "second"))  # fmt: skip
        known = [c.boundary is not None for c in levels]
        boundary = (np.average([c.boundary for c, k in zip(levels, known, strict=True) if k],
                               weights=weight[known]) if any(known) else np.nan)  # fmt: skip
        mean = (first + second) / 2
        return Row(name, loss, part, 100 * (second - first) / mean, 100 * boundary / mean,
                   plain(scans, predictor, len(levels)))  # fmt: skip
    change = changes[part]
    boundary = np.nan if change.boundary is None else change.boundary_percent
    return Row(name, loss, part, change.percent, boundary, plain(scans, predictor, 0))


def plain(scans: list[Scan], predictor: Predictor, levels: int) -> float:
    """Change in per cent of the areas of each visit segmented by itself, between the discs."""
    means = []
    for scan in scans:
        cord = segment(scan.image, predictor).segmentation
        table = measure(cord)
        area = table.area
        if levels:
            grid = cord.grid.reoriented(("L", "A", "S"))
            z = [apply_affine(np.linalg.inv(grid.affine), p)[2] for p in scan.discs.values()]
            area = area[int(np.ceil(min(z))) : int(np.floor(max(z))) + 1]
        else:
            held = table.slices
            area = area[held[1] : held[-1]]
        means.append(np.nanmean(area) if np.isfinite(area).any() else np.nan)
    return float(200 * (means[1] - means[0]) / (means[0] + means[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-root", type=Path, required=True)
    parser.add_argument("-discs", type=Path, required=True)
    parser.add_argument("-m", default=None)
    parser.add_argument("-repeats", type=int, default=1)
    given = parser.parse_args()
    predictor = load_predictor(resolve(given.m))
    print("image\tpart\ttrue %\tarea %\tboundary %\tplain %")
    seen = []
    for row in rows(given.root, given.discs, predictor, given.repeats):
        seen.append(row)
        name = Path(row.image).name.removesuffix(".nii.gz")
        print(f"{name}\t{row.part}\t{row.true:.2f}\t{row.area:+.2f}\t{row.boundary:+.2f}"
              f"\t{row.plain:+.2f}", flush=True)  # fmt: skip
    for name in ("area", "boundary", "plain"):
        errors = np.array([getattr(r, name) - r.true for r in seen])
        known = errors[np.isfinite(errors)]
        print(f"{name}: {known.size} pairs, mean error {known.mean():+.2f}, SD {known.std():.2f}, "
              f"within 0.3: {100 * np.mean(np.abs(known) <= 0.3):.0f} %, largest "
              f"{np.abs(known).max():.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
