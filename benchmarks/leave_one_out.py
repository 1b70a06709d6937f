"""Dice on datasets and people that were left out of training: what a new scanner may expect.

Seven times a small network is trained without one dataset of the embedded model's recipe, and in
four of them also without one person of montreal; each is measured on what was left out. Spacing,
patch and channels are those of `results/recipe.json` and the training is shorter than the
embedded model's. The cord's place is given (the label's box and the model's margin), so that the
locator is not judged; only slices that the label has count. Appends to a table with a row for each
image; what is in it already is not done again.

    python benchmarks/leave_one_out.py -o FOLDER -table TABLE.csv [-epochs 24] [-recipe FILE]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev

from labelled import ROOT, shared
from recipe_experiments import RECIPE, agreements, append_rows, read_rows, without

from sct_deepseg_general.training import recipe as recipes

SMALL = ROOT / "results" / "recipe.json"
FOLDS: Mapping[str, str | None] = {
    "montreal": None,
    "gmchallenge": None,
    "spinegeneric": None,
    "tutorial": "montreal/sub-errsm24",
    "lesion": "montreal/sub-errsm21",
    "epi": "montreal/sub-errsm11",
    "template": "montreal/sub-errsm18",
}
"""The dataset that is left out, and the person of another one."""


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
    options = _options()
    done = read_rows(options.table, Row)
    for fold, person in FOLDS.items():
        if not any(one.fold == fold for one in done):
            print(f"without {fold}" + (f" and {person}" if person else ""), flush=True)
            made = list(measured(fold, person, options))
            done += made
            append_rows(options.table, made)
    print_means(done)


def measured(fold: str, person: str | None, options: argparse.Namespace) -> Iterator[Row]:
    """Train without a dataset (and a person of another), and measure on what was left out."""
    everybody = recipes.read(options.recipe)
    small = recipes.read(SMALL).training
    size = {name: getattr(small, name) for name in ("spacing", "patch", "features")}
    training = replace(everybody.training, epochs=options.epochs, **size)
    assigned = {person: "test"} if person else {}
    held = without(everybody, [fold], training, assigned)
    places = options.output / "datasets" / fold, options.output / fold
    for entry, dice, volume in agreements(held, options.data, *places):
        left_out = "dataset" if entry.dataset == fold else "person"
        figures = round(dice, 4), round(volume, 2)
        yield Row(fold, left_out, entry.dataset, entry.name, entry.contrast, *figures)


def print_means(rows: Sequence[Row]) -> None:
    """By what was left out: images, mean Dice and its spread, mean volume error."""
    print("| left out | of | images | Dice | its SD | worst | volume error % |")
    print("|---|---|---|---|---|---|---|")
    datasets = []
    for left_out in ("dataset", "person"):
        for name in FOLDS:
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


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", dest="output", type=Path, required=True, help="folder to work in")
    parser.add_argument("-table", type=Path, required=True, help="CSV, one row an image")
    parser.add_argument("-data", type=Path, action="append", help="where the datasets lie")
    parser.add_argument("-recipe", type=Path, default=RECIPE, help="its mix and losses are tried")
    parser.add_argument("-epochs", type=int, default=24, help="of 50 iterations each")
    options = parser.parse_args()
    options.data = options.data or [shared() / "train", shared() / "labels"]
    return options


if __name__ == "__main__":
    main()
