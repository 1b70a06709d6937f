"""Change between scan and rescan of one person, where there is none.

The pairs of gmchallenge: run 1 and run 2 of a session, and two sessions of one person; each as
run 1 against run 2. Also, what different people look like: their alignment must be refused.
Prints the `change` field of the model's record: root mean squares of the change, each person with
the same weight, however many pairs there are of them.

    python -m benchmarks.quality.scan_rescan_change -root data/train/gmchallenge
        [-m MODEL] [-same] [-write MODEL_FOLDER]
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.support.model_record import write_fields
from sct_deepseg_general.change.measure import ALL, Scan, Slices, compared
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image import nifti
from sct_deepseg_general.inference.pipeline import segment
from sct_deepseg_general.inference.predictor import Predictor, load_predictor
from sct_deepseg_general.morphometry.morphometrics import measure
from sct_deepseg_general.zoo.zoo import resolve

PIECE = 15.0
"""Length (mm) of about one level."""


def plain(pair: tuple[Path, Path], predictor: Predictor) -> float:
    """Change in per cent of the mean area, each image segmented by itself."""
    areas = [measure(segment(nifti.load(p), predictor).segmentation).area[2:-2] for p in pair]
    a, b = (np.nanmean(area) for area in areas)
    return float(200 * (b - a) / (a + b))


def pieces(slices: Slices) -> list[float]:
    """Change in per cent over pieces of 15 mm."""
    step = float(np.median(np.diff(slices.position)))
    count = max(1, round(slices.position.size * step / PIECE))
    parts = zip(np.array_split(slices.first, count), np.array_split(slices.second, count),
                strict=True)  # fmt: skip
    return [float(200 * (b.mean() - a.mean()) / (a.mean() + b.mean())) for a, b in parts]


def person(path: Path) -> str:
    return path.name.split("_")[0]


@dataclass(frozen=True)
class Pair:
    """The changes (per cent) of one pair of images of one person."""

    person: str
    area: float
    boundary: float
    plain: float
    pieces: tuple[float, ...]


def by_person(pairs: Sequence[Pair], name: str) -> float:
    """Root mean square of a change, each person with the same weight; NaN is left out."""
    squares = []
    for who in sorted({pair.person for pair in pairs}):
        own = np.hstack([getattr(pair, name) for pair in pairs if pair.person == who])
        own = own[np.isfinite(own)]
        squares.extend([np.mean(own**2)] if own.size else [])
    return float(np.sqrt(np.mean(squares)))


def record_of(pairs: Sequence[Pair]) -> dict[str, float]:
    """The `change` field of a model's record."""
    named = {"area_sd": "area", "level_sd": "pieces", "boundary_sd": "boundary"}
    deviations = {key: round(by_person(pairs, name), 2) for key, name in named.items()}
    return {**deviations, "pairs": len(pairs), "people": len({pair.person for pair in pairs})}


def summary(pairs: Sequence[Pair]) -> Iterator[str]:
    """A line for each estimate: root mean square over pairs and over people, and the largest."""
    for name in ("area", "boundary", "plain", "pieces"):
        every = np.hstack([getattr(pair, name) for pair in pairs])
        every = every[np.isfinite(every)]
        yield (
            f"{name}: {every.size} changes, root mean square {np.sqrt(np.mean(every**2)):.2f} %, "
            f"each person with the same weight {by_person(pairs, name):.2f} %, "
            f"largest {np.abs(every).max():.2f} %"
        )


def measured(a: Path, b: Path, predictor: Predictor) -> tuple[float, Pair]:
    """Correlation of the aligned images, and the changes from one to the other."""
    found = compared(Scan(nifti.load(a), {}), Scan(nifti.load(b), {}), predictor)
    change = {c.name: c for c in found.changes}[ALL]
    boundary = change.boundary_percent if change.boundary is not None else np.nan
    by_itself = plain((a, b), predictor)
    pair = Pair(person(a), change.percent, boundary, by_itself, tuple(pieces(found.slices)))
    return found.likeness, pair


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-root", type=Path, required=True)
    parser.add_argument("-m", default=None)
    parser.add_argument("-write", type=Path, help="model folder to put the result into")
    parser.add_argument("-same", action="store_true", help="leave out pairs of different people")
    given = parser.parse_args()
    predictor = load_predictor(resolve(given.m))
    images = sorted(given.root.glob("sub-*/ses-*/anat/*_T2star.nii.gz"))
    pairs = []
    print("first\tsecond\tcorrelation\tarea %\tboundary %\tplain %")
    for a, b in itertools.combinations(images, 2):
        same = person(a) == person(b)
        if given.same and not same:
            continue
        names = "\t".join(p.name.removesuffix("_T2star.nii.gz") for p in (a, b))
        try:
            alike, pair = measured(a, b, predictor)
        except ImageError as error:
            print(f"{names}\t{str(error)[:60]}", flush=True)
            continue
        pairs.extend([pair] if same else [])
        shown = "\t".join(f"{v:+.2f}" for v in (pair.area, pair.boundary, pair.plain))
        note = "" if same else "\tNOT ONE PERSON"
        print(f"{names}\t{alike:.3f}\t{shown}{note}", flush=True)
    print("\n".join(summary(pairs)))
    record = {"change": record_of(pairs)}
    print(json.dumps(record, indent=2))
    if given.write is not None:
        write_fields(given.write, record)


if __name__ == "__main__":
    main()
