"""`dataset`: nnU-Net datasets from BIDS datasets."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sct_deepseg_general.cli._click import PATH, PROGRAM, SctCommand, flag, option, takes

if TYPE_CHECKING:
    from sct_deepseg_general.datasets.build import Built
    from sct_deepseg_general.datasets.recipe import Recipe

__all__ = ["command"]

_EPILOG = f"""\
Examples:
  {PROGRAM} dataset -bids montreal/ gmchallenge/ -o nnunet/
  {PROGRAM} dataset -bids a/ b/ -unseen c/ -suffix _seg-manual -contrast T2w -o nnunet/
  {PROGRAM} dataset -recipe recipe.json -data datasets/ -o nnunet/

The datasets are only read. If run again, the command converts what is new or has changed.
"""


@dataclass(frozen=True)
class DatasetOptions:
    """The options of `dataset`."""

    bids: tuple[Path, ...]
    unseen: tuple[Path, ...]
    recipe: Path | None
    data: tuple[Path, ...]
    output: Path
    contrast: tuple[str, ...]
    suffix: tuple[str, ...]
    derivatives: str
    datatype: tuple[str, ...]
    session: tuple[str, ...]
    runs: tuple[str, ...]
    exclude: tuple[str, ...]
    soft: bool
    test: float
    folds: int
    seed: int
    split: Path | None
    jobs: int


@click.command(cls=SctCommand, epilog=_EPILOG)
@option("-bids", type=PATH, multiple=True, help="BIDS datasets to train on.")
@option("-unseen", type=PATH, multiple=True, help="BIDS datasets only to test on.")
@option("-recipe", type=PATH, help="Recipe (YAML or JSON), instead of -bids.")
@option(
    "-data",
    type=PATH,
    multiple=True,
    help="Folders in which the recipe's datasets lie.  [default: the recipe's folder]",
)
@option("-o", to="output", type=PATH, required=True, help="Folder to write to.")
@option("-contrast", multiple=True, help="Contrasts to take (T2w, MTon, bold).  [default: all]")
@option(
    "-suffix", multiple=True, help="Endings of the labels (_seg-manual), in order of preference."
)
@option("-derivatives", default="labels", help="Folder of the labels below derivatives/.")
@option("-datatype", multiple=True, help="anat, func or dwi.  [default: all]")
@option("-session", multiple=True, help="Sessions to take.  [default: all]")
@option("-run", to="runs", multiple=True, help="Runs to take.  [default: all]")
@option("-exclude", multiple=True, help="Patterns of image names to leave out (sub-03*).")
@flag("-soft", help="Keep the fractions of soft labels beside the 0/1 labels.")
@option(
    "-test",
    default=0.2,
    type=click.FloatRange(0, 1, max_open=True),
    help="Share of people to test on.",
)
@option("-folds", default=5, type=click.IntRange(1), help="Folds of the cross-validation.")
@option("-seed", default=0, help="Seed of the split.")
@option("-split", type=PATH, help="Existing split (JSON, YAML, TSV) to keep.")
@option(
    "-jobs",
    default=os.cpu_count() or 1,
    type=click.IntRange(1),
    help="Processes.  [default: all cores]",
    show_default=False,
)
@takes(DatasetOptions)
def command(options: DatasetOptions) -> int:
    """Convert BIDS datasets to nnU-Net: one dataset of all, and one of each, split by person."""
    from sct_deepseg_general.datasets import recipe as recipes
    from sct_deepseg_general.datasets.build import build
    from sct_deepseg_general.job.outputs import check_folder
    from sct_deepseg_general.recipes.checks import check_training

    if (options.recipe is None) == (not options.bids):
        raise click.UsageError("Give either -bids or -recipe.")
    if options.recipe is None:
        recipe, data = _recipe_of(options)
    else:
        recipe = recipes.read(options.recipe)
        data = options.data or (options.recipe.absolute().parent,)
    if options.split is not None:
        recipe = _with_split(recipe, options.split)
    check_folder(options.output)
    check_training(recipe, data, options.output)
    with click.progressbar(length=1, label="Converting", show_pos=True) as bar:

        def progress(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        built = build(recipe, data, options.output, options.jobs, progress)
    _print_built(built)
    return 0


def _recipe_of(options: DatasetOptions) -> tuple[Recipe, tuple[Path, ...]]:
    """The recipe that the flags stand for, and the one folder below which all datasets lie."""
    from sct_deepseg_general.bids.names import LABEL_SUFFIXES
    from sct_deepseg_general.datasets.recipe import Dataset, Recipe, SplitRule, checked

    places = [path.resolve() for path in (*options.bids, *options.unseen)]
    above = Path(os.path.commonpath([path.parent for path in places]))
    datasets = tuple(
        Dataset(
            name=path.name,
            role="seen" if number < len(options.bids) else "unseen",
            folder=path.relative_to(above).as_posix(),
            contrasts=options.contrast,
            label_suffixes=options.suffix or LABEL_SUFFIXES,
            derivatives=options.derivatives,
            datatypes=options.datatype or ("anat", "func", "dwi"),
            sessions=options.session,
            runs=options.runs,
            exclude=options.exclude,
            label="soft" if options.soft else "hard",
        )
        for number, path in enumerate(places)
    )
    rule = SplitRule(test=options.test, folds=options.folds, seed=options.seed)
    return checked(Recipe(options.output.resolve().name, datasets, split=rule), "-bids"), (above,)


def _with_split(recipe: Recipe, path: Path) -> Recipe:
    from sct_deepseg_general.datasets.split import imported

    people = imported(path, [one.name for one in recipe.seen])
    return recipe.with_split({**recipe.split.assigned, **people})


def _print_built(built: Built) -> None:
    from collections import Counter

    from sct_deepseg_general.words import counted

    parts = Counter(one.part for one in built.entries)
    people = {one.person: one.part for one in built.entries}
    print(f"{built.converted} converted, {len(built.entries) - built.converted} were up to date")
    for part, images in sorted(parts.items()):
        number = list(people.values()).count(part)
        print(f"{part}: {counted(images, 'image')} of {counted(number, 'person', 'people')}")
    for (dataset, reason), count in sorted(
        Counter((o.dataset, o.reason) for o in built.excluded).items()
    ):
        print(f"left out of {dataset}: {count}, {reason}")
    print(f"{built.folder / 'report.md'}, {built.folder / 'cases.tsv'}")
