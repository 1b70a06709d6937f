"""`train`: rebuild a model from a recipe: of the cord's segmentation, or of the discs."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sct_deepseg_general.cli._click import PROGRAM, SctCommand, option

if TYPE_CHECKING:
    from sct_deepseg_general.datasets.recipe import Recipe
    from sct_deepseg_general.training.trainer import Epoch

__all__ = ["command"]

_EPILOG = f"""\
Examples:
  {PROGRAM} train -recipe model_zoo/sc-general/recipe.json -data datasets/ -o trained/
  {PROGRAM} train -recipe recipe.json -data a/ -data b/ -o trained/ -minutes 120 -device cuda
  {PROGRAM} train -what levels -recipe model_zoo/vertebral-discs/recipe.json -data data/ -o discs/
  {PROGRAM} train -recipe recipe.json -data datasets/ -start sc-general -o trained/

Stopped at any moment, the same command goes on from the last finished epoch.
"""


@click.command(cls=SctCommand, epilog=_EPILOG)
@option(
    "-what",
    default="cord",
    type=click.Choice(["cord", "levels"]),
    help="cord: the segmentation; levels: the disc network, from the recipe's disc table.",
)
@option("-recipe", type=click.Path(path_type=Path), required=True, help="Recipe (JSON).")
@option(
    "-data",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    show_default=False,
    help="Folders in which the recipe's datasets lie.",
)
@option(
    "-o",
    to="output",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder for the nnU-Net dataset, states, curves and the model.",
)
@option("-model", default="general", help="'general', or a dataset's name for its specific model.")
@option("-start", help="Model (name or folder) whose weights the network begins with.")
@option("-device", default="auto", help="auto, cpu, cuda or mps.")
@option("-minutes", type=click.FloatRange(min=0), help="Time budget of each network.")
@option("-jobs", default=1, type=click.IntRange(1), help="Processes for the conversion.")
def command(
    what: str,
    recipe: Path,
    data: tuple[Path, ...],
    output: Path,
    model: str,
    device: str,
    **rest: Any,
) -> None:
    """Rebuild a model: convert the datasets, plan, train network and locator, assemble."""
    if what == "levels":
        _train_levels(recipe, data, output)
        return
    from sct_deepseg_general.datasets import recipe as recipes
    from sct_deepseg_general.errors import BackendError

    wanted = _budgeted(recipes.read(recipe), rest["minutes"])
    try:
        from sct_deepseg_general.datasets import build as dataset
        from sct_deepseg_general.datasets.manifest import FILE
        from sct_deepseg_general.release import assemble
        from sct_deepseg_general.training import fit
        from sct_deepseg_general.training.start import Start
        from sct_deepseg_general.zoo.zoo import resolve
    except ImportError as error:
        raise BackendError(
            f"Training needs {error.name}: pip install 'sct-deepseg-general[train]'."
        ) from error
    built = dataset.build(wanted, data, output, rest["jobs"])
    print(f"{len(built.entries)} cases, {len(built.excluded)} left out (skipped.tsv)")
    shapes = {one.name for one in built.recipe.shapes}
    for left in (one for one in built.excluded if one.dataset in shapes):
        print(
            f"Warning: trained without the shapes '{left.dataset}': {left.reason}.", file=sys.stderr
        )
    trained = fit.fit(
        built.recipe,
        output / dataset.RAW,
        output / model,
        model,
        device,
        _Teller(),
        Start(resolve(rest["start"])) if rest["start"] is not None else None,
    )
    card = recipe.parent / "card.md"
    identity = assemble.identity_of(built.recipe, model)
    made = assemble.assemble(
        trained, built.recipe, identity, card, output / model / "model", output / FILE
    )
    print(f"{made.key}: {output / model / 'model'}")


def _train_levels(recipe: Path, data: tuple[Path, ...], output: Path) -> None:
    """The disc network, on one thread; cords are found by the embedded model."""
    from sct_deepseg_general.errors import BackendError
    from sct_deepseg_general.inference.pipeline import segment
    from sct_deepseg_general.inference.predictor import load_predictor
    from sct_deepseg_general.zoo.zoo import resolve

    try:
        from sct_deepseg_general.level_training import assemble, fit
        from sct_deepseg_general.level_training.recipe import read_recipe
    except ImportError as error:
        raise BackendError(
            f"Training needs {error.name}: pip install 'sct-deepseg-general[train]'."
        ) from error
    wanted = read_recipe(recipe)
    predictor = load_predictor(resolve(None), "openvino", "cpu")
    drawn = fit.subjects_of(wanted, data, lambda image: segment(image, predictor).segmentation)
    print(f"{len(drawn)} images, {len({one.person for one in drawn})} people")
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
    print(
        f"{wanted.id}@{wanted.version}: {assemble.assemble(network, wanted, drawn, steps, output)}"
    )


def _budgeted(recipe: Recipe, minutes: float | None) -> Recipe:
    if minutes is None:
        return recipe
    locator = recipe.locator and replace(recipe.locator, minutes=minutes)
    return replace(recipe, training=replace(recipe.training, minutes=minutes), locator=locator)


class _Teller:
    """Prints a line an epoch; the time left is judged by the epochs since the start."""

    def __init__(self) -> None:
        self.first: dict[str, float] = {}
        self.spent: dict[str, float] = {}

    def __call__(self, name: str, epoch: Epoch, share: float) -> None:
        before = self.first.setdefault(name, share * (epoch.number - 1) / epoch.number)
        self.spent[name] = self.spent.get(name, 0.0) + epoch.seconds
        left = self.spent[name] * (1 - share) / max(share - before, 1e-6)
        dice = ", ".join(f"{dataset} {value:.3f}" for dataset, value in epoch.dice.items())
        print(
            f"{name} {share:4.0%} iteration {epoch.iterations}: loss {epoch.loss:.3f}, "
            f"Dice {dice}; {left / 60:.0f} min left",
            file=sys.stderr,
            flush=True,
        )
