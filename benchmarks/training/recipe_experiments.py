"""What each choice of the recipe is worth: small networks that differ in one thing each.

Every variant is trained twice, each time without the people of one half of the datasets, and
measured on them: nobody is measured on who was trained on, and no scanner. The cord's place is
given (the label's box and the model's margin), so that the locator is not judged, and stray
objects are taken away as the command does; only slices that the label has count. Appends to a
table with a row for each image; what is in it already is not done again. Then prints the means.

    python benchmarks/training/recipe_experiments.py -o FOLDER -table TABLE.csv
        [-recipe FILE] [-only NAME ...]
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, TypeVar

from benchmarks.support.labelled import ROOT, shared
from sct_deepseg_general.augmentation.contrast import ContrastMix
from sct_deepseg_general.datasets import build as dataset
from sct_deepseg_general.datasets import recipe as recipes
from sct_deepseg_general.datasets.manifest import ManifestRow
from sct_deepseg_general.datasets.recipe import Recipe, Training
from sct_deepseg_general.image.nifti import load, load_segmentation
from sct_deepseg_general.image.volume import from_sct_letters
from sct_deepseg_general.inference.pipeline import Options
from sct_deepseg_general.inference.postprocess import segmented
from sct_deepseg_general.inference.predictor import Predictor, load_predictor
from sct_deepseg_general.inference.preprocess import margin_box, prepared, restored
from sct_deepseg_general.release.assemble import assemble, identity_of
from sct_deepseg_general.training import fit
from sct_deepseg_general.zoo.model import Model

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Row = TypeVar("_Row", bound="DataclassInstance")

RECIPE = ROOT / "model_zoo" / "sc-general" / "recipe.json"
HALVES = {
    "A": ("montreal", "tutorial", "epi"),
    "B": ("gmchallenge", "spinegeneric", "lesion", "template"),
}
"""The datasets that are left out of training, and measured on."""
RELATED = {"spinegeneric-shapes": "spinegeneric", "pam50-shapes": "template"}
"""The shapes that are left out with a dataset: of the same study, or of the same template."""
BASE: Mapping[str, object] = {"features": (8, 16, 32, 48), "epochs": 16, "iterations": 50}
"""What all variants have in common, beside the recipe: a network that trains in minutes."""
PLAIN = {field.name: 0.0 for field in fields(ContrastMix) if field.name != "thickest"}
VARIANTS: Mapping[str, Mapping[str, object]] = {
    "base": {},
    "no randomisation": {"mix": PLAIN},
    "no synthesis": {"mix": {"synthetic": 0.0}},
    "synthesis 0.3": {"mix": {"synthetic": 0.3}},
    "spacing 0.8 x 0.8 x 1.5 mm": {"spacing": (0.8, 0.8, 1.5)},
    "spacing 1.3 x 1.3 x 2.5 mm": {"spacing": (1.3, 1.3, 2.5)},
    "patch 48": {"patch": (48, 48, 48)},
    "no averaging": {"averaging": False},
    "no fluid to one side": {"mix": {"eccentric": 0.0}},
    "width 16 to 96": {"features": (16, 32, 64, 96)},
}


@dataclass(frozen=True)
class Row:
    """One image of somebody that the network was not trained on."""

    variant: str
    half: str
    dataset: str
    image: str
    dice: float
    volume_error: float


def main() -> None:
    parser = asking_to_train(__doc__ or "")
    parser.add_argument("-only", nargs="+", choices=list(VARIANTS))
    options = parser.parse_args()
    done = read_rows(options.table, Row)
    for variant in options.only or VARIANTS:
        for half, held in HALVES.items():
            if not any((one.variant, one.half) == (variant, half) for one in done):
                print(f"{variant}, without {', '.join(held)}", flush=True)
                made = list(measured(variant, half, options))
                done += made
                append_rows(options.table, made)
    print_means(done)


def measured(variant: str, half: str, options: argparse.Namespace) -> Iterator[Row]:
    """Train a variant without a half of the datasets, and measure it on that half."""
    everybody = recipes.read(options.recipe)
    held = without(everybody, HALVES[half], variant_training(everybody.training, variant))
    places = options.output / "datasets" / half, options.output / variant.replace(" ", "-") / half
    for entry, dice, volume in agreements(held, options.data, *places):
        yield Row(variant, half, entry.dataset, entry.name, round(dice, 4), round(volume, 2))


def agreements(
    held: Recipe, data: Sequence[Path], datasets: Path, work: Path
) -> Iterator[tuple[ManifestRow, float, float]]:
    """Train, and give for each image that was left out: Dice and volume error (%)."""
    built = dataset.build(held, data, datasets)
    trained = fit.fit(built.recipe, built.folder / dataset.RAW, work, on_epoch=_tell)
    card = work / "card.md"
    model = assemble(trained, built.recipe, identity_of(held, "general"), card, work / "model")
    predictor = load_predictor(model, "openvino", "cpu")
    raw = built.raw("general")
    for entry in (one for one in built.entries if one.part != "train"):
        yield entry, *_agreement(predictor, raw, entry)


def variant_training(training: Training, variant: str) -> Training:
    """The recipe's training, made small, with the one change of the variant."""
    change = dict(VARIANTS[variant])
    mix = {**training.mix, **dict(change.pop("mix", {}))}  # type: ignore[call-overload]
    return replace(training, **{**BASE, **change}, mix=mix, folds=(0,))  # type: ignore[arg-type]


def without(
    recipe: Recipe,
    left_out: Iterable[str],
    training: Training,
    assigned: Mapping[str, str] | None = None,
) -> Recipe:
    """The recipe with some datasets unseen, everybody else trained on unless assigned elsewhere."""
    names = set(left_out)
    shapes = tuple(one for one in recipe.shapes if RELATED.get(one.name) not in names)
    datasets = tuple(
        replace(one, role="unseen" if one.name in names else "seen") for one in recipe.datasets
    )
    split = replace(recipe.split, assigned=dict(assigned or {}), test=0.0, folds=1)
    whole = tuple(name for name in training.whole if name not in names)
    training = replace(training, whole=whole)
    changed = replace(recipe, datasets=datasets, shapes=shapes, split=split)
    return replace(changed, training=training, locator=None)


def _agreement(predictor: Predictor, raw: Path, entry: ManifestRow) -> tuple[float, float]:
    """Dice and volume error (%) in the slices of the label, the cord's place given."""
    model: Model = predictor.model
    upright = from_sct_letters(model.orientation)
    image = load(raw / "imagesTs" / f"{entry.name}_0000.nii.gz").reoriented(upright)
    label = load_segmentation(raw / "labelsTs" / f"{entry.name}.nii.gz").reoriented(upright)
    truth = label.data > 0
    box = margin_box(truth, image.grid.spacing, model.margin)
    close = predictor.probability(prepared(image, box, model.spacing, averaging=model.averaging))
    probability = restored(close, image.grid, box, image.grid)
    found = segmented(probability, Options().cleaning(model.threshold)).data > 0
    rows = truth.any((0, 1))
    found, truth = found[:, :, rows], truth[:, :, rows]
    overlap = 2 * int((found & truth).sum()) / int(found.sum() + truth.sum())
    return overlap, 100 * (int(found.sum()) / int(truth.sum()) - 1)


def _tell(network: str, epoch: object, share: float) -> None:
    print(f"  {share:.0%}", end="\r", flush=True)


def print_means(rows: Sequence[Row]) -> None:
    """Means over the datasets of each half (each weighs the same), and the volume error."""
    lefts = " | ".join(f"without {half}" for half in HALVES)
    print(f"| variant | {lefts} | T1w | worst image | volume error % |")
    print("|---|" + "---|" * (len(HALVES) + 3))
    for variant in VARIANTS:
        own = [one for one in rows if one.variant == variant]
        if not own:
            continue
        halves = [[one for one in own if one.half == half] for half in HALVES]
        dice = " | ".join(f"{_mean(half, 'dice'):.3f}" if half else "" for half in halves)
        unseen = ", ".join(f"{r.dice:.3f}" for r in own if r.image.endswith("T1w"))
        worst = min(own, key=lambda one: one.dice)
        print(
            f"| {variant} | {dice} | {unseen} | {worst.dice:.3f} ({worst.dataset}) "
            f"| {_mean(own, 'volume_error'):+.1f} |"
        )


def _mean(rows: Sequence[Row], what: str) -> float:
    sets = {one.dataset for one in rows}
    return fmean(fmean(getattr(r, what) for r in rows if r.dataset == name) for name in sets)


def asking_to_train(purpose: str) -> argparse.ArgumentParser:
    """The command line of a benchmark that trains; its first line says what for."""
    parser = argparse.ArgumentParser(description=purpose.splitlines()[0])
    parser.add_argument("-o", dest="output", type=Path, required=True, help="folder to work in")
    parser.add_argument("-table", type=Path, required=True, help="CSV, one row an image")
    places = [shared() / "train", shared() / "labels"]
    parser.add_argument("-data", type=Path, nargs="+", default=places, help="where datasets lie")
    parser.add_argument("-recipe", type=Path, default=RECIPE, help="what is varied or left out")
    return parser


def read_rows(path: Path, kind: type[_Row]) -> list[_Row]:
    """The table's rows, each a dataclass of text and numbers; none where there is no table."""
    if not path.is_file():
        return []
    numbers = {field.name for field in fields(kind) if field.type == "float"}
    with path.open(newline="", encoding="utf-8") as stream:
        return [
            kind(**{name: float(v) if name in numbers else v for name, v in row.items()})
            for row in csv.DictReader(stream)
        ]


def append_rows(path: Path, rows: Sequence[DataclassInstance]) -> None:
    fresh = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, [field.name for field in fields(rows[0])])
        if fresh:
            table.writeheader()
        table.writerows(asdict(one) for one in rows)


if __name__ == "__main__":
    main()
