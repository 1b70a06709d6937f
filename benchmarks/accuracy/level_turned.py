"""How often numbers are given in images whose header exchanges head and feet, or front and back.

Prints the largest growth of the cord from its uppermost whole level, C2 or C3, to a lower one among
the published sessions, the source of the limit in `levels/growth.py`; then how many views are given
numbers as they are and turned, and how many are withheld because the cord grows towards the feet.

    python -m benchmarks.accuracy.level_turned -models FOLDER [-count 150]

FOLDER holds a network for each person left out (`levels.py` trains them where they are missing).
A view is a part of a person's image (`level_windows.py`), turned as a wrong header turns it.
"""

from __future__ import annotations

import csv
import gzip
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

import numpy as np

from benchmarks.accuracy.level_windows import Seen, Window, all_right, seen_of, windows_of
from benchmarks.accuracy.levels import LEFT_OUT, images, left_out, mask_of
from benchmarks.support.labelled import asking, shared
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.image.volume import Grid, Segmentation, Volume
from sct_deepseg_general.levels.course import Course
from sct_deepseg_general.levels.detect import evidence_of
from sct_deepseg_general.levels.doubt import Evidence, contrast_reasons, number_reasons
from sct_deepseg_general.levels.growth import LARGEST_GROWTH, growth
from sct_deepseg_general.levels.numbering import numbered
from sct_deepseg_general.levels.responses import DiscNetwork
from sct_deepseg_general.levels.strip import Strip

WHOLE = 0.9
"""Share of the most slices of a level in the template from which on it is whole."""
HIGHEST = (2, 3)
TURNS = {
    "as they are": (False, False),
    "head to foot": (True, False),
    "front to back": (False, True),
    "both": (True, True),
}
"""Whether head and feet, and front and back, are exchanged."""

Session = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class Outcome:
    """Whether a view is given numbers without the check of growth, its growth, and whether the
    numbers are right."""

    given: bool
    growth: float
    right: bool


def main() -> None:
    parser = asking(__doc__ or "")
    parser.add_argument("-models", type=Path, required=True, help="networks of people left out")
    parser.add_argument("-count", type=int, default=150, help="views of each person")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    data = shared()
    tell_published(data / "published" / "pam50_levels.tsv.gz")
    networks = left_out(options.models, data, options.model)
    seen = list(people(data, options.model))
    print(
        "\n| view | views | numbered without the check | of these withheld by it | "
        "left with right numbers | left with wrong numbers |"
    )
    print("|---|---|---|---|---|---|")
    for name, (feet, back) in TURNS.items():
        views = [
            upside_down(view) if feet else view
            for pair in seen
            for view in windows_of(pair[back], options.count)
            if view.neck
        ]
        print(line(name, [judged(view, networks[view.person]) for view in views]))


# --- published sessions


def tell_published(path: Path) -> None:
    found = {key: most for key, levels in sessions(path).items() if (most := grown(levels))}
    people_seen = {key[:1] + key[2:3] for key in found}
    values = np.sort(list(found.values()))
    print(
        f"{len(found)} published sessions of {len(people_seen)} people: largest growths "
        f"{', '.join(f'{value:.3f}' for value in values[:-6:-1])}; above {LARGEST_GROWTH:g}: "
        f"{(values > LARGEST_GROWTH).sum()}"
    )


def sessions(path: Path) -> dict[Session, dict[int, float]]:
    """The mean area (mm²) of each whole level of each published session."""
    rows = defaultdict(dict)
    most: dict[int, int] = defaultdict(int)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if row["structure"] != "spinal_cord" or row["area_mm2"] in ("", "n/a"):
                continue
            names = ("dataset", "contrast", "participant", "session", "age")
            level, slices = int(row["level"]), int(row["slices"])
            rows[tuple(row[name] for name in names)][level] = (float(row["area_mm2"]), slices)
            most[level] = max(most[level], slices)
    return {
        key: {n: area for n, (area, count) in own.items() if count >= WHOLE * most[n]}
        for key, own in rows.items()
    }


def grown(levels: dict[int, float]) -> float | None:
    """The larger growth from C2 or from C3 on; None with fewer than two levels."""
    runs = [list(takewhile(levels.__contains__, range(first, 30))) for first in HIGHEST]
    found = [growth([levels[level] for level in run]) for run in runs if len(run) > 1]
    return max(found, default=None)


# --- views


def people(data: Path, model: str | None) -> Iterator[tuple[Seen, Seen]]:
    """Each person's strip, as it is and with front and back exchanged."""
    for known in images(data, "train"):
        if known.person not in LEFT_OUT or not known.image.endswith("T2w.nii.gz"):
            continue
        image = nifti.load(data / known.image).reoriented(AXES)
        mask = mask_of(image, model)
        own = seen_of(known, image, mask)
        turned = back_to_front(image), Segmentation(mask.data[:, ::-1], mask.grid)
        yield own, replace(seen_of(known, *turned), rows=own.rows)


def back_to_front(image: Volume) -> Volume:
    """An image (LAS) as a header shows it that exchanges front and back."""
    return Volume(image.data[:, ::-1], Grid(image.grid.shape, image.grid.affine))


def upside_down(view: Window) -> Window:
    """A view as a header shows it that exchanges head and feet."""
    course = view.strip.course
    turned = Course(course.points, course.up, course.front, course.inside[::-1])
    rows = {number: len(view.area) - 1 - row for number, row in view.rows.items()}
    strip = Strip(view.strip.data[::-1], turned)
    return replace(view, strip=strip, area=view.area[::-1], rows=rows)


def judged(view: Window, network: DiscNetwork) -> Outcome:
    responses = network.responses(view.strip)
    found = numbered(responses)
    evidence = evidence_of(view.strip, view.thickness, responses, found, view.area)
    given = not reasons(replace(evidence, growth=0.0), network)
    return Outcome(given, evidence.growth, all_right(found, view))


def reasons(evidence: Evidence, network: DiscNetwork) -> tuple[str, ...]:
    limits, certainty = network.model.limits, network.model.certainty
    contrast = contrast_reasons(evidence, limits)
    return contrast or number_reasons(evidence, limits, certainty, anchored=False)


def line(name: str, found: Iterable[Outcome]) -> str:
    outcomes = list(found)
    given = [one for one in outcomes if one.given]
    left = [one for one in given if one.growth <= LARGEST_GROWTH]
    right = sum(one.right for one in left)
    figures = (len(outcomes), len(given), len(given) - len(left), right, len(left) - right)
    return f"| {name} | " + " | ".join(map(str, figures)) + " |"


if __name__ == "__main__":
    main()
