"""The same cord measured twice: scan and rescan, and with two contrasts.

Pairs of images of one session: run 1 and run 2 of the same sequence, and magnetisation transfer on
and off. The areas are compared slice by slice where both masks hold cord. Prints a table.

    python benchmarks/accuracy/repeatability.py [-m MODEL] [-processes N]
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.support.labelled import SAMPLES, asking, each, predictor, shared_images
from sct_deepseg_general.image import nifti
from sct_deepseg_general.inference.pipeline import segment
from sct_deepseg_general.morphometry.morphometrics import Morphometrics, measure
from sct_deepseg_general.morphometry.soft_area import surroundings
from sct_deepseg_general.quality.uncertainty import LEVEL, doubt
from sct_deepseg_general.zoo.archive import seal

RUNS = "run 1, run 2"
PAIRS = {RUNS: ("_run-1_", "_run-2_"), "MT on, MT off": ("_acq-MTon_", "_acq-MToff_")}
OUTERMOST = 2
"""Slices left out at each end, where a mask may hold part of the cord."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    kind: str
    first: Path
    second: Path


def main() -> None:
    parser = asking(__doc__)
    parser.add_argument("-write", type=Path, help="model folder to put the result into")
    options = parser.parse_args()
    asked = list(pairs())
    rows = list(each(partial(compared, options.model), asked, options.processes))
    print(
        "| images | pair | slices | first mm² | second mm² | difference mm² | % | SD of slices % |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for pair, (first, second, _) in zip(asked, rows, strict=True):
        print(line(pair, first, second))
    for kind in PAIRS:
        shares = [
            100 * (b.mean() / a.mean() - 1)
            for pair, (a, b, _) in zip(asked, rows, strict=True)
            if pair.kind == kind and a.size
        ]
        if shares:
            print(
                f"\n{kind}: {len(shares)} pairs, mean difference {np.mean(shares):+.1f} %, "
                f"mean absolute difference {np.mean(np.abs(shares)):.1f} %"
            )
    share = repeat(
        [
            (person(pair.first), float(b.mean() / a.mean() - 1))
            for pair, (a, b, _) in zip(asked, rows, strict=True)
            if pair.kind == RUNS and a.size
        ]
    )
    print(f"\nA second run lies within {100 * share:.1f} % at most {LEVEL:.0%} of the time.")
    edge = [e for pair, (*_, e) in zip(asked, rows, strict=True) if pair.kind == RUNS and e]
    print(f"The edge's doubt in these pairs is {100 * np.mean(edge):.1f} % of the area.")
    if options.write is not None:
        write(options.write, share, float(np.mean(edge)))


def repeat(differences: Sequence[tuple[str, float]]) -> float:
    """How far a second scan lies off at most `LEVEL` of the time, from (person, difference).

    Differences have mean 0, and every person the same weight: t times the root of the mean over
    people of their mean square difference, with as many degrees of freedom as people.
    """
    people = sorted({who for who, _ in differences})
    squares = [np.mean([d**2 for who, d in differences if who == one]) for one in people]
    return float(stats.t.ppf((1 + LEVEL) / 2, len(people)) * np.sqrt(np.mean(squares)))


def person(image: Path) -> str:
    return image.name.split("_", maxsplit=1)[0]


def write(folder: Path, share: float, edge: float) -> None:
    before = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    figures = {"repeat": round(share, 4), "repeat_edge": round(edge, 4)}
    intervals = {**(before["intervals"] or {}), **figures}
    kept = {key: value for key, value in before.items() if key != "files"}
    seal(folder, {**kept, "intervals": intervals})
    print(f"Written into {folder / 'model.json'} and sealed.")


def pairs() -> Iterator[Pair]:
    images = shared_images("train/*/sub-*/**/*.nii.gz") + shared_images("dev/*/sub-*/**/*.nii.gz")
    images = images or sorted((SAMPLES / "sub-sct").rglob("*.nii.gz"))
    for kind, (one, other) in PAIRS.items():
        for first in images:
            second = first.with_name(first.name.replace(one, other))
            if one in first.name and second.is_file():
                yield Pair(kind, first, second)


def compared(model: str | None, pair: Pair) -> tuple[Floats, Floats, float]:
    """The areas (mm²) of the slices that both images' masks hold, on one grid, and the edge's
    doubt as a share of the area.
    """
    warnings.simplefilter("ignore", RuntimeWarning)
    (first, one), (second, other) = (measured(model, path) for path in (pair.first, pair.second))
    if len(first.shapes) != len(second.shapes):
        return np.zeros(0), np.zeros(0), 0.0
    both = np.intersect1d(inner(first), inner(second))
    areas = first.area[both], second.area[both]
    if not both.size:
        return *areas, 0.0
    edge = float((one[both].sum() + other[both].sum()) / (areas[0].sum() + areas[1].sum()))
    return *areas, edge


def measured(model: str | None, path: Path) -> tuple[Morphometrics, Floats]:
    """The areas of an image's mask, and the edge's doubt in mm², slice by slice."""
    loaded = predictor(model)
    result = segment(nifti.load(path), loaded)
    table = measure(result.segmentation)
    around = surroundings(result.segmentation, table)
    return table, doubt(result.probability, around, table, loaded.model.threshold).edge


def inner(table: Morphometrics) -> NDArray[np.int64]:
    """The slices with cord but for the outermost, where there are enough."""
    slices = table.slices
    return slices[OUTERMOST:-OUTERMOST] if slices.size > 4 * OUTERMOST else slices


def line(pair: Pair, first: Floats, second: Floats) -> str:
    name = pair.first.name.removesuffix(".nii.gz")
    if not first.size:
        return f"| {name} | {pair.kind} | 0 |" + " |" * 5
    difference = second.mean() - first.mean()
    spread = float(np.std(100 * (second / first - 1)))
    return (
        f"| {name} | {pair.kind} | {first.size} | {first.mean():.1f} | {second.mean():.1f} | "
        f"{difference:+.1f} | {100 * difference / first.mean():+.1f} | {spread:.1f} |"
    )


if __name__ == "__main__":
    main()
