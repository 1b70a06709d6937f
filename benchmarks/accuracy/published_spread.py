"""Why the ratios of our areas to published ones differ between people and levels.

The ratios of `published_areas.py`, of people with published areas and levels C2 to T2:

- what part of their variance is of the person, of the level, and of neither (two-way analysis of
  variance),
- how much random errors of the discs, and one shift of all discs of a person, change them,
- whether other masks of the same people, drawn by hand on the same image and on a T1w image, have
  the same course of the ratios over the levels,
- how much the published areas themselves vary between sessions of one person within 1.1 years.

    python -m benchmarks.accuracy.published_spread [-m MODEL] [-processes N]
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.published_areas import IMAGES
from benchmarks.support.labelled import asking, each, predictor, shared
from benchmarks.support.reference_areas import (
    LEVELS,
    disc_places,
    discs,
    level_ratios,
    names_of,
    placed,
)
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.inference.pipeline import segment
from sct_deepseg_general.morphometry.morphometrics import measure

Floats = NDArray[np.float64]
SLICE = 0.5
"""mm of a slice of the template."""
FARTHEST = 10.0
"""How far (mm) all discs of a person are moved to look for a better place."""
SEED, TRIALS = 0, 40
AGES = 1.1
"""Years between two sessions of a person, at most."""
WHOLE = 0.9
"""Share of a level's slices from which on it is whole."""


@dataclass(frozen=True, eq=False)
class Course:
    """A person's areas (mm²) along the template, from one mask."""

    person: str
    places: Floats
    areas: Floats

    def ratios(self, moved: Floats | float = 0.0) -> Floats:
        """Ours over published by level, with the places moved (template's slices); NaN where a
        level is not there.
        """
        by_level = {
            r.level: r.value for r in level_ratios(self.places + moved, self.areas, self.person)
        }
        return np.array([by_level.get(level, np.nan) for level in LEVELS])


@dataclass(frozen=True)
class Components:
    """Standard deviations of ratios, shape (people, levels)."""

    total: float
    person: float
    level: float
    rest: float


def main() -> None:
    options = asking(__doc__ or "").parse_args()
    people = list(each(partial(of_model, options.model), IMAGES, options.processes))
    print("\n".join(report(people)))


def report(people: list[Course]) -> Iterator[str]:
    table = np.array([one.ratios() for one in people])
    parts = components(table)
    yield (
        f"SD over people and levels {parts.total:.3f}: of the person {parts.person:.3f}, of the "
        f"level {parts.level:.3f}, of neither {parts.rest:.3f}."
    )
    for deviation in (1.0, 2.0):
        yield f"Discs off by {deviation:g} mm (SD) give an SD of {by_discs(people, deviation):.3f}."
    yield "\n| person | SD over levels | all discs moved by mm | SD then |\n|---|---|---|---|"
    moved = []
    for one in people:
        shift, best = best_shift(one)
        moved.append(best)
        before = relative_spread(one.ratios())
        yield f"| {one.person} | {before:.3f} | {shift:+.1f} | {relative_spread(best):.3f} |"
    yield f"\nSD over people and levels with the discs moved so: {np.nanstd(moved):.3f}."
    yield "\n| person | mask | " + " | ".join(names_of()) + " | SD | correlation with ours |"
    yield "|---" * (len(LEVELS) + 4) + "|"
    for one in people:
        yield from other_masks(one)
    yield "\n| published by | pairs of sessions | SD of a level in a session |\n|---|---|---|"
    for name, (pairs, deviation) in repeats(published_levels()).items():
        yield f"| {name} | {pairs} | {deviation:.3f} |"


def of_model(model: str | None, person: str) -> Course:
    image = shared() / IMAGES[person]
    return course(segment(nifti.load(image), predictor(model)).segmentation, image, person)


def course(mask: Volume, image: Path, person: str) -> Course:
    hard = Volume((mask.data > 0.5).astype(np.uint8), mask.grid)
    return Course(person, placed(hard, discs(image)), measure(mask).area)


def components(table: Floats) -> Components:
    """The components of variance of a table (people, levels) without gaps, as SD.

    Source: expected mean squares of the two-way layout without replication.
    """
    people, levels = table.shape
    of_person, of_level = table.mean(1) - table.mean(), table.mean(0) - table.mean()
    rest = table - table.mean() - of_person[:, None] - of_level
    error = float((rest**2).sum()) / ((people - 1) * (levels - 1))
    person = float(of_person.var(ddof=1)) - error / levels
    level = float(of_level.var(ddof=1)) - error / people
    return Components(float(table.std()), max(person, 0) ** 0.5, max(level, 0) ** 0.5, error**0.5)


def by_discs(people: list[Course], deviation: float) -> float:
    """SD of the ratios that comes with discs off by `deviation` mm, each by itself."""
    rng, borders = np.random.default_rng(SEED), disc_places()
    at = np.array(sorted(borders.values()))
    tables = []
    for _ in range(TRIALS):
        off = [rng.normal(0, deviation / SLICE, at.size) for _ in people]
        tables.append(
            [one.ratios(np.interp(one.places, at, o)) for one, o in zip(people, off, strict=True)]
        )
    return float(np.nanmean(np.nanstd(np.array(tables), axis=0)))


def best_shift(one: Course) -> tuple[float, Floats]:
    """The shift (mm) of all discs with the least spread of the ratios, and these."""
    steps = np.arange(-FARTHEST, FARTHEST + SLICE, SLICE)
    found = [(relative_spread(one.ratios(mm / SLICE)), mm) for mm in steps]
    _, shift = min(found, key=lambda pair: (pair[0], abs(pair[1])))
    return float(shift), one.ratios(shift / SLICE)


def relative_spread(ratios: Floats) -> float:
    return float(np.nanstd(ratios) / np.nanmean(ratios))


def other_masks(ours: Course) -> Iterator[str]:
    """A row for each other mask of a person, where there are some."""
    person = ours.person
    image = shared() / IMAGES[person]
    yield row(ours, "ours", ours)
    for name, root, contrast in (
        ("T2w, by hand", shared() / "train" / "montreal", "T2w"),
        ("T1w, by hand", shared() / "labels" / "montreal", "T1w"),
    ):
        below = f"derivatives/labels/{person}/anat/{person}_{contrast}_seg-manual.nii.gz"
        if (root / below).is_file():
            yield row(course(nifti.load_probability(root / below), image, person), name, ours)


def row(one: Course, name: str, ours: Course) -> str:
    own, beside = one.ratios(), ours.ratios()
    both = np.isfinite(own) & np.isfinite(beside)
    alike = "" if one is ours else f"{np.corrcoef(own[both], beside[both])[0, 1]:+.2f}"
    figures = " | ".join(f"{value:.2f}" if np.isfinite(value) else "" for value in own)
    return f"| {one.person} | {name} | {figures} | {relative_spread(own):.3f} | {alike} |"


Session = dict[int, tuple[float, int]]
"""The area (mm²) and the number of slices of each level."""


def published_levels() -> dict[tuple[str, str], list[tuple[float, str, Session]]]:
    """The sessions (age, name, levels) of each person of each dataset of the published levels."""
    found: dict[tuple[str, str, str, float], Session] = defaultdict(dict)
    path = shared() / "published" / "pam50_levels.tsv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        for one in csv.DictReader(stream, delimiter="\t"):
            if one["structure"] == "spinal_cord" and one["area_mm2"] not in ("", "n/a"):
                age = float(one["age"]) if one["age"] not in ("", "n/a") else float("nan")
                key = (
                    f"{one['dataset']} {one['contrast']}",
                    one["participant"],
                    one["session"],
                    age,
                )
                found[key][int(one["level"])] = (float(one["area_mm2"]), int(one["slices"]))
    people: dict[tuple[str, str], list[tuple[float, str, Session]]] = defaultdict(list)
    for (dataset, person, session, age), levels in found.items():
        people[dataset, person].append((age, session, levels))
    return people


def repeats(
    people: Mapping[tuple[str, str], list[tuple[float, str, Session]]],
) -> dict[str, tuple[int, float]]:
    """Pairs of sessions, and the SD (share) of a level in one session around its person's mean over
    levels, for each dataset.
    """
    whole: dict[int, int] = defaultdict(int)
    for sessions in people.values():
        for _, _, levels in sessions:
            for level, (_, slices) in levels.items():
                whole[level] = max(whole[level], slices)
    squares: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for (dataset, _), sessions in people.items():
        ordered = sorted(sessions, key=lambda one: (one[0], one[1]))
        for (age, _, first), (later, _, second) in pairwise(ordered):
            if later - age > AGES:  # False too where an age is not known
                continue
            logs = [
                np.log(second[level][0] / first[level][0])
                for level in LEVELS
                if level in first
                and level in second
                and min(first[level][1], second[level][1]) > WHOLE * whole[level]
            ]
            if len(logs) > 2:
                squares[dataset].append((float(np.var(logs) * len(logs)), len(logs) - 1))
    return {
        dataset: (len(own), float(np.sqrt(sum(s for s, _ in own) / sum(n for _, n in own) / 2)))
        for dataset, own in squares.items()
    }


if __name__ == "__main__":
    main()
