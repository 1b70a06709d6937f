"""`dataset`: nnU-Net datasets from BIDS datasets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sct_deepseg_general.cli._click import PROGRAM, SctCommand, flag, option

if TYPE_CHECKING:
    from sct_deepseg_general.datasets.build import Built
    from sct_deepseg_general.datasets.recipe import Recipe

__all__ = ["command"]

_EPILOG = f"""\
Examples:
  {PROGRAM} dataset -bids montreal/ gmchallenge/ -o nnunet/
  {PROGRAM} dataset -bids a/ b/ -unseen c/ -suffix _seg-manual -contrast T2w -o nnunet/
  {PROGRAM} dataset -recipe recipe.json -data datasets/ -o nnunet/

The datasets are only read. Run again, it converts what is new or has changed.
"""


@click.command(cls=SctCommand, epilog=_EPILOG)
@option("-bids", type=click.Path(path_type=Path), multiple=True, help="BIDS datasets to train on.")
@option(
    "-unseen", type=click.Path(path_type=Path), multiple=True, help="BIDS datasets only to test on."
)
@option("-recipe", type=click.Path(path_type=Path), help="Recipe (JSON) in place of -bids.")
@option(
    "-data", type=click.Path(path_type=Path), multiple=True, help="Where the recipe's datasets lie."
)
@option(
    "-o", to="output", type=click.Path(path_type=Path), required=True, help="Folder to write to."
)
@option("-contrast", multiple=True, help="Contrasts to take (T2w, MTon, bold).  [default: all]")
@option("-suffix", multiple=True, help="Label suffixes, best first (_seg-manual).")
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
@option("-split", type=click.Path(path_type=Path), help="Existing split (JSON, YAML, TSV) to keep.")
@option(
    "-jobs",
    default=os.cpu_count() or 1,
    type=click.IntRange(1),
    help="Processes.",
    show_default=False,
)
def command(recipe: Path | None, bids: tuple[Path, ...], output: Path, **rest: Any) -> None:
    """Make one nnU-Net dataset of N BIDS datasets, and one of each, from one split by person."""
    from sct_deepseg_general.datasets import recipe as recipes
    from sct_deepseg_general.datasets.build import build

    if (recipe is None) == (not bids):
        raise click.UsageError("Give either -bids or -recipe.")
    if recipe is not None and not rest["data"]:
        raise click.UsageError("-recipe needs -data: where its datasets lie.")
    if recipe is None:
        wanted, data = _recipe_of(bids, output, rest)
    else:
        wanted, data = recipes.read(recipe), rest["data"]
    if rest["split"] is not None:
        wanted = _with_split(wanted, rest["split"])
    with click.progressbar(length=1, label="Converting", show_pos=True) as bar:  # length is told

        def progress(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        built = build(wanted, data, output, rest["jobs"], progress)
    _tell(built)


def _recipe_of(
    bids: tuple[Path, ...], output: Path, rest: dict[str, Any]
) -> tuple[Recipe, tuple[Path, ...]]:
    """The recipe that the flags stand for, and the one folder below which all datasets lie."""
    from sct_deepseg_general.bids import LABEL_SUFFIXES
    from sct_deepseg_general.datasets.recipe import Dataset, Recipe, SplitRule, checked

    places = [path.resolve() for path in (*bids, *rest["unseen"])]
    above = Path(os.path.commonpath([path.parent for path in places]))
    datasets = tuple(
        Dataset(
            name=path.name,
            role="seen" if number < len(bids) else "unseen",
            folder=path.relative_to(above).as_posix(),
            contrasts=rest["contrast"],
            label_suffixes=rest["suffix"] or LABEL_SUFFIXES,
            derivatives=rest["derivatives"],
            datatypes=rest["datatype"] or ("anat", "func", "dwi"),
            sessions=rest["session"],
            runs=rest["runs"],
            exclude=rest["exclude"],
            label="soft" if rest["soft"] else "hard",
        )
        for number, path in enumerate(places)
    )
    rule = SplitRule(test=rest["test"], folds=rest["folds"], seed=rest["seed"])
    return checked(Recipe(output.resolve().name, datasets, split=rule), "-bids"), (above,)


def _with_split(recipe: Recipe, path: Path) -> Recipe:
    from sct_deepseg_general.datasets.split import imported

    people = imported(path, [one.name for one in recipe.seen])
    return recipe.with_split({**recipe.split.assigned, **people})


def _tell(built: Built) -> None:
    from collections import Counter

    parts = Counter(one.part for one in built.entries)
    people = {one.person: one.part for one in built.entries}
    print(f"{built.converted} converted, {len(built.entries) - built.converted} were up to date")
    for part, images in sorted(parts.items()):
        print(f"{part}: {images} images of {list(people.values()).count(part)} people")
    for (dataset, reason), count in sorted(
        Counter((o.dataset, o.reason) for o in built.excluded).items()
    ):
        print(f"left out of {dataset}: {count}, {reason}")
    print(f"{built.folder / 'report.md'}, {built.folder / 'cases.tsv'}")
