"""Dice on datasets and people that were left out of training: what a new scanner may expect.

The network of the embedded model's recipe is trained four times, each time without two of its
seven datasets, and twice without two of the four people of `montreal`; each is measured on what
was left out. A training is shorter than the embedded model's. The cord's place is given (the
label's box and the model's margin), so that the locator is not judged; only slices that the
label has count, and only images whose label a person drew. Appends to a table with a row for each
image; what is in it already is not done again.

    python benchmarks/accuracy/leave_one_out.py -o FOLDER -table TABLE.csv
        [-epochs 48] [-recipe FILE] [-only FOLD ...]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev

from benchmarks.support.labelled import labelled
from benchmarks.training.recipe_experiments import (
    agreements,
    append_rows,
    asking_to_train,
    read_rows,
    without,
)
from sct_deepseg_general.datasets import recipe as recipes

ITERATIONS = 50


@dataclass(frozen=True)
class Fold:
    """What a training goes without: datasets of the recipe, or people."""

    datasets: tuple[str, ...] = ()
    people: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "-".join(one.rpartition("-")[2] for one in (*self.datasets, *self.people))


FOLDS = (
    Fold(("tutorial", "lesion")),
    Fold(("spinegeneric", "epi")),
    Fold(("gmchallenge", "template")),
    Fold(("montreal",)),
    Fold(people=("montreal/sub-errsm11", "montreal/sub-errsm24")),
    Fold(people=("montreal/sub-errsm18", "montreal/sub-errsm21")),
)


@dataclass(frozen=True)
class Row:
    """One image of a dataset, or of a person, that the network was not trained on."""

    fold: str
    left_out: str
    """dataset or person"""
    dataset: str
    image: str
    contrast: str
    dice: float
    volume_error: float


def main() -> None:
    parser = asking_to_train(__doc__ or "")
    parser.add_argument("-epochs", type=int, default=48, help=f"of {ITERATIONS} iterations each")
    parser.add_argument("-only", nargs="+", choices=[fold.name for fold in FOLDS])
    options = parser.parse_args()
    done = read_rows(options.table, Row)
    for fold in FOLDS:
        wanted = fold.name in (options.only or [fold.name])
        if wanted and not any(one.fold == fold.name for one in done):
            print("without", *fold.datasets, *fold.people, flush=True)
            made = list(measured(fold, options))
            done += made
            append_rows(options.table, made)
    print_means(done)


def measured(fold: Fold, options: argparse.Namespace) -> Iterator[Row]:
    """Train without datasets or people, and measure on what was left out."""
    everybody = recipes.read(options.recipe)
    training = replace(everybody.training, epochs=options.epochs, iterations=ITERATIONS)
    held = without(everybody, fold.datasets, training, dict.fromkeys(fold.people, "test"))
    left_out = "dataset" if fold.datasets else "person"
    places = options.output / "datasets" / fold.name, options.output / fold.name
    drawn = {one.image.name for one in labelled()}
    for entry, dice, volume in agreements(held, options.data, *places):
        if Path(entry.image).name not in drawn:
            continue
        figures = round(dice, 4), round(volume, 2)
        yield Row(fold.name, left_out, entry.dataset, entry.name, entry.contrast, *figures)


def print_means(rows: Sequence[Row]) -> None:
    """By what was left out: images, mean Dice and its spread, mean volume error."""
    print("| left out | of | images | Dice | its SD | worst | volume error % |")
    print("|---|---|---|---|---|---|---|")
    datasets = []
    for left_out in ("dataset", "person"):
        for name in sorted({one.dataset for one in rows}):
            own = [r for r in rows if (r.left_out, r.dataset) == (left_out, name)]
            if own:
                print(f"| {left_out} | {name} | {_figures(own)} |")
                datasets += [fmean(r.dice for r in own)] if left_out == "dataset" else []
    t2w = [r for r in rows if r.left_out == "person" and r.contrast == "T2w"]
    if t2w:
        print(f"| person | montreal, T2w | {_figures(t2w)} |")
    if datasets:
        print(f"\nMean over {len(datasets)} datasets left out: {fmean(datasets):.3f}")


def _figures(rows: Sequence[Row]) -> str:
    dice = [one.dice for one in rows]
    spread = f"{stdev(dice):.3f}" if len(dice) > 1 else ""
    volume = fmean(one.volume_error for one in rows)
    return f"{len(rows)} | {fmean(dice):.3f} | {spread} | {min(dice):.3f} | {volume:+.1f}"


if __name__ == "__main__":
    main()
