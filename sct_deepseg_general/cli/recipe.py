"""`recipe`: write a recipe for one's own datasets, and check one before a training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sct_deepseg_general.cli._click import PATH, PROGRAM, SctGroup, flag, option, takes

if TYPE_CHECKING:
    from sct_deepseg_general.datasets.recipe import Recipe
    from sct_deepseg_general.recipes.proposal import Proposal
    from sct_deepseg_general.recipes.templates import Template

__all__ = ["command"]

_EPILOG = f"""\
Examples:
  {PROGRAM} recipe init -bids siteA/ siteB/ -unseen siteC/ -o recipe.yaml
  {PROGRAM} recipe init -bids ours/ -from sc-general -o recipe.yaml
  {PROGRAM} recipe check -recipe recipe.yaml

Labels are looked for in derivatives/*/ of each dataset (sub-01_T2w_seg-manual.nii.gz,
sub-01_T2w_label-SC_seg.nii.gz, ...). The datasets are only read.
"""


@click.group(cls=SctGroup, epilog=_EPILOG)
def command() -> None:
    """Write a recipe for your datasets, and check a recipe before a training."""


@dataclass(frozen=True)
class InitOptions:
    """The options of `recipe init`."""

    bids: tuple[Path, ...]
    unseen: tuple[Path, ...]
    output: Path
    template: str | None
    start: str | None
    name: str | None
    minutes: float | None
    overwrite: bool

    @property
    def chosen(self) -> Template:
        """The template: the one given, "fine-tune" with -from, else "general"."""
        default = "general" if self.start is None else "fine-tune"
        return self.template or default  # type: ignore[return-value]  # click checks the choice


@command.command("init", help="Write a commented recipe with all that the datasets hold.")
@option(
    "-bids", type=PATH, multiple=True, required=True, show_default=False,
    help="BIDS datasets with labels, to train on.",
)  # fmt: skip
@option("-unseen", type=PATH, multiple=True, help="BIDS datasets with labels, only to test on.")
@option("-o", to="output", type=PATH, default="recipe.yaml", help="Recipe to write (.yaml).")
@option(
    "-template",
    type=click.Choice(["general", "specific", "fine-tune"]),
    help="What the model is for.  [default: general; with -from, fine-tune]",
)
@option("-from", to="start", help="Model to fine-tune (name or folder), whose settings are taken.")
@option("-name", help="Name of the recipe and its model.  [default: the recipe's file name]")
@option("-minutes", type=click.FloatRange(min=0, min_open=True), help="Time limit of each network.")
@flag("-overwrite", help="Replace an existing recipe.")
@takes(InitOptions)
def init(options: InitOptions) -> int:
    from sct_deepseg_general.datasets import recipe as recipes
    from sct_deepseg_general.job.outputs import check_writable
    from sct_deepseg_general.recipes.recipe_text import write_proposal

    if options.output.suffix.lower() not in {".yaml", ".yml"}:
        raise click.UsageError(f"-o must end in .yaml, found {options.output.name}.")
    if options.chosen == "fine-tune" and options.start is None:
        raise click.UsageError("-template fine-tune needs -from: the model to fine-tune.")
    check_writable((options.output,), overwrite=options.overwrite)
    proposal = _proposal(options)
    train = _train_command(options, proposal.data)
    write_proposal(proposal, options.output, _heading(options, train))
    assert recipes.read(options.output) == proposal.recipe  # noqa: S101  the text is the recipe
    _print_proposal(proposal)
    print(f"{options.output}: read it, then run\n  {train}")
    return 0


@dataclass(frozen=True)
class CheckOptions:
    """The options of `recipe check`."""

    recipe: Path
    data: tuple[Path, ...]
    output: Path | None


@command.command("check", help="Check a recipe and its datasets, and estimate the training.")
@option("-recipe", type=PATH, required=True, show_default=False, help="Recipe (YAML or JSON).")
@option(
    "-data", type=PATH, multiple=True, show_default=False,
    help="Folders in which the recipe's datasets lie.  [default: the recipe's folder]",
)  # fmt: skip
@option("-o", to="output", type=PATH, help="Folder of the training, to check its disk too.")
@takes(CheckOptions)
def check(options: CheckOptions) -> int:
    from sct_deepseg_general.datasets import recipe as recipes
    from sct_deepseg_general.datasets.sources import index_datasets
    from sct_deepseg_general.datasets.split import split_people
    from sct_deepseg_general.recipes.checks import check_training
    from sct_deepseg_general.recipes.doubts import doubts
    from sct_deepseg_general.recipes.proposal import Proposal

    recipe = recipes.read(options.recipe)
    data = options.data or (options.recipe.absolute().parent,)
    if options.output is not None:
        check_training(recipe, data, options.output)
    indexes = index_datasets(recipe, data)
    recipe = recipe.with_split({**recipe.split.assigned, **split_people(recipe, indexes).parts})
    _print_proposal(Proposal(recipe, data[0], indexes, doubts(recipe, indexes)))
    return 0


def _proposal(options: InitOptions) -> Proposal:
    from sct_deepseg_general.recipes.proposal import propose
    from sct_deepseg_general.recipes.templates import settings_of

    settings = settings_of(options.chosen, _model_recipe(options.start))
    if options.minutes is not None:
        settings = settings.limited(options.minutes)
    name = options.name or options.output.stem
    return propose(options.bids, options.unseen, settings, name)


def _model_recipe(name: str | None) -> Recipe:
    """The recipe of a model, by default of the embedded one."""
    from sct_deepseg_general.datasets import recipe as recipes
    from sct_deepseg_general.errors import ModelError
    from sct_deepseg_general.zoo.zoo import resolve

    model = resolve(name)
    path = model.folder / "recipe.json"
    if not path.is_file():
        raise ModelError(f"{model.key} has no recipe.json: it cannot be fine-tuned here.")
    return recipes.read(path)


def _train_command(options: InitOptions, data: Path) -> str:
    inside = options.output.absolute().parent == data
    start = "" if options.start is None else f" -from {options.start}"
    place = "" if inside else f" -data {data}"
    return f"{PROGRAM} train -recipe {options.output}{place}{start} -o trained/"


def _heading(options: InitOptions, train: str) -> tuple[str, ...]:
    from sct_deepseg_general.recipes.templates import TEMPLATES

    compare = train.replace(" train ", " compare ").replace(f" -from {options.start}", "")
    compare = compare.replace("trained/", "study/")
    return (
        "The recipe of a spinal cord segmentation model. What for:",
        f"{TEMPLATES[options.chosen]}.",
        f"To train it:            {train}",
        f"To compare with one model of each dataset:  {compare}",
        f"To check it after a change: {PROGRAM} recipe check -recipe {options.output}",
    )


def _print_proposal(proposal: Proposal) -> None:
    from sct_deepseg_general.cli.screens.training import described
    from sct_deepseg_general.recipes.estimate import estimate
    from sct_deepseg_general.recipes.proposal import summary

    recipe = proposal.recipe
    for dataset, found in zip(recipe.datasets, proposal.indexes, strict=True):
        print(f"{dataset.name} ({dataset.role}): {summary(found)}")
    parts = list(recipe.split.assigned.values())
    print(f"people to train on: {parts.count('train')}, to test on: {parts.count('test')}")
    for doubt in proposal.doubts:
        print(f"doubt: {doubt}")
    print(f"estimate: {described(estimate(recipe, proposal.indexes))}")
