"""`train`: rebuild a model from a recipe: of the cord's segmentation, or of the discs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from sct_deepseg_general.cli._click import PATH, PROGRAM, SctCommand, option, takes
from sct_deepseg_general.cli.screens.training import TrainingScreen, described
from sct_deepseg_general.errors import required
from sct_deepseg_general.words import counted

if TYPE_CHECKING:
    from sct_deepseg_general.datasets.build import Built
    from sct_deepseg_general.datasets.recipe import Recipe
    from sct_deepseg_general.image.volume import Volume
    from sct_deepseg_general.level_training.recipe import LevelRecipe
    from sct_deepseg_general.levels.course import Curve
    from sct_deepseg_general.training.start import Start

__all__ = ["command"]

_EPILOG = f"""\
Examples:
  {PROGRAM} train -recipe recipe.yaml -o trained/
  {PROGRAM} train -recipe recipe.yaml -from sc-general -o trained/ -name our-lab@1.0
  {PROGRAM} train -recipe model_zoo/sc-general/recipe.json -data datasets/ labels/ -o trained/
  {PROGRAM} train -what levels -recipe model_zoo/vertebral-discs/recipe.json -data data/ -o discs/

'recipe init' writes a recipe of your datasets. If the training was stopped, the same
command continues from the last finished epoch. Segment with -m trained/general/model, or with the
model's -name.
"""


@dataclass(frozen=True)
class TrainOptions:
    """The options of `train`."""

    what: Literal["cord", "levels"]
    recipe: Path
    data: tuple[Path, ...]
    output: Path
    model: str
    start: str | None
    name: str | None
    device: str
    minutes: float | None
    jobs: int

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where the datasets lie: -data, or the recipe's own folder."""
        return self.data or (self.recipe.absolute().parent,)


@click.command(cls=SctCommand, epilog=_EPILOG)
@option(
    "-what",
    default="cord",
    type=click.Choice(["cord", "levels"]),
    help="cord: the segmentation; levels: the disc network, from the recipe's disc table.",
)
@option("-recipe", type=PATH, required=True, show_default=False, help="Recipe (YAML or JSON).")
@option(
    "-data",
    type=PATH,
    multiple=True,
    show_default=False,
    help="Folders in which the recipe's datasets lie.  [default: the recipe's folder]",
)
@option(
    "-o",
    to="output",
    type=PATH,
    required=True,
    show_default=False,
    help="Folder for the nnU-Net dataset, states, curves and the model.",
)
@option("-model", default="general", help="'general', or a dataset's name for its specific model.")
@click.option(
    "-from",
    "-start",
    "start",
    help="Model (name or folder) to fine-tune: training starts from its weights.",
)
@option("-name", help="Also install the model under this id@version, for -m and 'models list'.")
@option("-device", default="auto", help="auto, cpu, cuda, cuda:N or mps.")
@option("-minutes", type=click.FloatRange(min=0, min_open=True), help="Time limit of each network.")
@option("-jobs", default=1, type=click.IntRange(1), help="Processes for the conversion.")
@takes(TrainOptions)
def command(options: TrainOptions) -> int:
    """Train a model from a recipe: convert the datasets, plan, train, and assemble the model."""
    if options.what == "levels":
        _train_levels(options.recipe, options.folders, options.output)
    else:
        _train_cord(options)
    return 0


def _train_cord(options: TrainOptions) -> None:
    from sct_deepseg_general.datasets import recipe as recipes

    recipe = _limited(recipes.read(options.recipe), options.minutes)
    start = _check(options, recipe)
    with required("Training", "train"):
        from sct_deepseg_general.datasets import build as dataset
        from sct_deepseg_general.datasets.manifest import FILE
        from sct_deepseg_general.release import assemble
        from sct_deepseg_general.training import fit

    screen = TrainingScreen()
    built = dataset.build(
        recipe,
        options.folders,
        options.output,
        options.jobs,
        lambda done, total: screen.step("dataset", done, total),
    )
    _print_dataset(built)
    work = options.output / options.model
    trained = fit.fit(
        built.recipe,
        options.output / dataset.RAW,
        work,
        options.model,
        options.device,
        screen.epoch,
        start,
        screen.phase,
    )
    identity = assemble.identity_of(built.recipe, options.model)
    card, manifest = options.recipe.parent / "card.md", options.output / FILE
    made = assemble.assemble(trained, built.recipe, identity, card, work / "model", manifest)
    print(f"{made.key}: {work / 'model'}")
    if options.name is not None:
        from sct_deepseg_general.zoo.own import install_folder

        named = install_folder(work / "model", options.name)
        print(f"{named.key}: {named.folder}")


def _check(options: TrainOptions, recipe: Recipe) -> Start | None:
    """Check all that can be checked before work begins; the model to start from, if any."""
    from sct_deepseg_general.job.outputs import check_folder
    from sct_deepseg_general.recipes.checks import check_model_name, check_training

    check_model_name(recipe, options.model)
    check_folder(options.output)
    if options.name is not None:
        from sct_deepseg_general.zoo.own import check_name

        check_name(options.name)
    needs = check_training(recipe, options.folders, options.output, options.model)
    with required("Training", "train"):
        from sct_deepseg_general.training.start import Start
        from sct_deepseg_general.training.stock import check_trainers
        from sct_deepseg_general.zoo.zoo import resolve
    check_trainers(recipe, options.device)
    start = None if options.start is None else Start(resolve(options.start))
    if start is not None:
        start.check(recipe.training)
    print(described(needs), file=sys.stderr)
    return start


def _print_dataset(built: Built) -> None:
    print(f"{len(built.entries)} cases, {len(built.excluded)} left out (skipped.tsv)")
    shapes = {one.name for one in built.recipe.shapes}
    for missing in (one for one in built.excluded if one.dataset in shapes):
        print(
            f"Warning: trained without the shapes '{missing.dataset}': {missing.reason}.",
            file=sys.stderr,
        )


def _train_levels(recipe: Path, data: tuple[Path, ...], output: Path) -> None:
    """The disc network, on one thread, after all that can be checked."""
    from sct_deepseg_general.job.outputs import check_folder
    from sct_deepseg_general.level_training.checks import check_empty, check_levels

    wanted = check_levels(recipe, data)
    check_folder(output)
    check_empty(output)
    with required("Training", "train"):
        from sct_deepseg_general.level_training import assemble, fit
    drawn = fit.subjects_of(wanted, data, _curves(wanted, recipe.parent))
    people = len({one.person for one in drawn})
    print(f"{counted(len(drawn), 'image')}, {counted(people, 'person', 'people')}")
    steps: list[fit.Step] = []

    def report(step: fit.Step) -> None:
        steps.append(step)
        share = step.iteration / wanted.iterations
        print(
            f"discs {share:4.0%} iteration {step.iteration}: loss {step.loss:.3f}, "
            f"of the level {step.level:.3f}",
            file=sys.stderr,
            flush=True,
        )

    network = fit.fit(wanted, drawn, report)
    card = recipe.parent / "card.md"
    made = assemble.assemble(network, wanted, drawn, steps, output, card)
    print(f"{wanted.id}@{wanted.version}: {made}")


def _curves(recipe: LevelRecipe, folder: Path) -> Mapping[str, Curve] | Callable[[Volume], Volume]:
    """The cords' centrelines of the recipe, or the embedded model that finds the cords."""
    from sct_deepseg_general.inference.pipeline import segment
    from sct_deepseg_general.inference.predictor import load_predictor
    from sct_deepseg_general.level_training.centrelines import read_curves
    from sct_deepseg_general.zoo.zoo import resolve

    if recipe.centrelines:
        return read_curves(folder / recipe.centrelines)
    predictor = load_predictor(resolve(None), "openvino", "cpu")
    return lambda image: segment(image, predictor).segmentation


def _limited(recipe: Recipe, minutes: float | None) -> Recipe:
    if minutes is None:
        return recipe
    locator = recipe.locator and replace(recipe.locator, minutes=minutes)
    return replace(recipe, training=replace(recipe.training, minutes=minutes), locator=locator)
