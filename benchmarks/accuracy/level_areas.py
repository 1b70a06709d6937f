"""Areas by automatic level: beside those by known discs, and beside published ones.

Published areas (SCT's, level by level and slice by slice of the PAM50 template) are of people whose
images are at hand; where the two profiles fit best tells whether the levels agree. Prints tables.

    python -m benchmarks.accuracy.level_areas -models FOLDER [-m MODEL]

FOLDER holds the networks of people left out, as for `levels.py`.
"""

from __future__ import annotations

import csv
import time
import warnings
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from benchmarks.accuracy import levels
from benchmarks.accuracy.level_windows import area_along
from benchmarks.support.labelled import asking, shared
from sct_deepseg_general.csa.c2c3 import c2c3_of
from sct_deepseg_general.csa.measure import PER_SLICE, measured
from sct_deepseg_general.csa.pam50 import template_levels
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Segmentation
from sct_deepseg_general.level_training.table import KnownDiscs
from sct_deepseg_general.levels.course import course_of
from sct_deepseg_general.levels.detect import FoundLevels, find_levels
from sct_deepseg_general.levels.discs import as_volume
from sct_deepseg_general.levels.responses import DiscNetwork, embedded_network

Floats = NDArray[np.float64]


def main() -> None:
    parser = asking(__doc__ or "")
    parser.add_argument("-models", type=Path, required=True, help="networks of people left out")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    networks = levels.left_out(options.models, shared(), options.model)
    on_areas(shared(), networks, options.model)


def on_areas(data: Path, networks: dict[str, DiscNetwork], model: str | None) -> None:
    """Our area in each automatic level beside that published for the same person; C2-C3 by
    automatic and by known discs."""
    published, profiles = same_people(data), template_profiles(data)
    shifts = []
    print("| person | level | ours mm² | published mm² | % |\n|---|---|---|---|---|")
    ends = []
    for known in [*levels.images(data, "train"), *levels.images(data, "dev")]:
        person = known.person.removeprefix("sub-")
        if not known.image.endswith("T2w.nii.gz") or person == "PAM50":
            continue
        image = nifti.load(data / known.image)
        mask = levels.mask_of(image, model)
        started = time.perf_counter()
        found = find_levels(image, mask, networks.get(known.person) or embedded_network())
        seconds = time.perf_counter() - started
        if found.status != "ok":
            continue
        automatic = measured(mask, replace(PER_SLICE, discs=as_volume(found.discs, image.grid)))
        area, of_slices = automatic.morphometrics.area, automatic.levels
        of_slices = np.zeros(area.size, np.int64) if of_slices is None else of_slices
        for level in sorted(set(of_slices[of_slices > 0].tolist())):
            theirs = published.get((person, level))
            ours = float(np.nanmean(area[of_slices == level]))
            if theirs is not None and 2 <= level <= 10:
                print(
                    f"| {person} | {level} | {ours:.1f} | {theirs:.1f} | "
                    f"{100 * (ours / theirs - 1):+.1f} |"
                )
        if person in profiles:
            shifts.append((person, *best_shift(mask, known, profiles[person])))
        ends.append((person, c2c3_of(automatic).area, by_hand(known, found, mask), seconds))
    print("\n| person | C2-C3, discs found | discs known | % | seconds |\n|---|---|---|---|---|")
    for person, ours, hand, seconds in ends:
        if ours is not None and hand is not None:
            off = 100 * (ours / hand - 1)
            print(f"| {person} | {ours:.2f} | {hand:.2f} | {off:+.2f} | {seconds:.2f} |")
    print("\n| person | best fit moved by levels | unlike there % | unlike without % |")
    print("|---|---|---|---|")
    for person, shift, there, without in shifts:
        print(f"| {person} | {shift:+.2f} | {there:.1f} | {without:.1f} |")


def by_hand(known: KnownDiscs, found: FoundLevels, mask: Segmentation) -> float | None:
    """The area of C2-C3 with the known discs; the top of C2 is as far above C2/C3 as found."""
    points = {d.number: d.point for d in found.discs if d.origin == "estimated"}
    at = dict(zip(known.numbers.tolist(), known.points, strict=True))
    found_at = {d.number: np.array(d.point) for d in found.discs}
    moved = at[3] - found_at[3]
    discs = [replace(d, point=tuple(at[d.number])) for d in found.discs if d.number in at]
    above = [
        replace(d, point=tuple(np.add(points[d.number], [0, 0, moved[2]])))
        for d in found.discs
        if d.number in points
    ]
    labels = as_volume([*above, *discs], mask.grid)
    return c2c3_of(measured(mask, replace(PER_SLICE, discs=labels))).area


def same_people(data: Path) -> dict[tuple[str, int], float]:
    """Published mean area (mm²) by our name of the person and level."""
    values = defaultdict(list)
    with (data / "published" / "same_people_per_slice.tsv").open() as stream:
        for line in csv.DictReader(stream, delimiter="\t"):
            if line["structure"] == "spinal_cord" and line["area_mm2"] not in ("", "n/a"):
                values[line["our_name"].removeprefix("sub-"), int(float(line["level"]))].append(
                    float(line["area_mm2"])
                )
    return {key: float(np.mean(one)) for key, one in values.items()}


def template_profiles(data: Path) -> dict[str, tuple[Floats, Floats]]:
    """Published area (mm²) by our name of the person, and the level with fraction of each value.

    n is the upper border of level n, as a disc's number.
    """
    template = template_levels()
    level = np.full(template.size, np.nan)
    for number in range(1, int(template.max()) + 1):
        z = np.flatnonzero(template == number)
        level[z] = number + (z[-1] - z + 0.5) / z.size
    values = defaultdict(list)
    with (data / "published" / "same_people_per_slice.tsv").open() as stream:
        for line in csv.DictReader(stream, delimiter="\t"):
            at = level[int(line["pam50_slice"])]
            if line["structure"] == "spinal_cord" and line["area_mm2"] not in ("", "n/a"):
                values[line["our_name"].removeprefix("sub-")].append((at, float(line["area_mm2"])))
    sorted_pairs = {
        who: np.array(sorted(p for p in v if p[0] == p[0])) for who, v in values.items()
    }
    return {who: (pairs[:, 0], pairs[:, 1]) for who, pairs in sorted_pairs.items()}


def best_shift(
    mask: Segmentation, known: KnownDiscs, profile: tuple[Floats, Floats]
) -> tuple[float, float, float]:
    """By how many levels the numbers of the known discs must be moved for our area along the cord
    to be most like the published one but for a factor; and how unlike they are (SD over mean, %)
    there and without a move.
    """
    course = course_of(mask)
    area = area_along(mask, course)
    rows, order = course.rows_of(known.points), np.argsort(course.rows_of(known.points))
    at = np.interp(
        np.arange(area.size), rows[order], known.numbers[order].astype(float), left=np.nan
    )
    good = np.isfinite(at) & np.isfinite(area) & (at > 3) & (at < 11)
    ours = gaussian_filter1d(np.nan_to_num(area), 3)[good]
    unlike = {}
    for shift in np.arange(-1.5, 1.51, 0.05):
        theirs = np.interp(at[good] + shift, *profile)
        factor = (ours @ theirs) / (theirs @ theirs)
        unlike[round(float(shift), 2)] = float(100 * np.std(ours - factor * theirs) / ours.mean())
    best = min(unlike, key=unlike.__getitem__)
    return best, unlike[best], unlike[0.0]


if __name__ == "__main__":
    main()
