"""`compare`: the whole study, one general against N specific models."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sct_deepseg_general.cli._click import PATH, PROGRAM, SctCommand, flag, option, takes
from sct_deepseg_general.cli.screens.training import TrainingScreen, described
from sct_deepseg_general.errors import required

if TYPE_CHECKING:
    from sct_deepseg_general.recipes.estimate import Estimate
    from sct_deepseg_general.study.results import StudyResults
    from sct_deepseg_general.study.stages import ModelLoader, Study, Trainer

__all__ = ["command"]

_EPILOG = f"""\
Examples:
  {PROGRAM} compare -recipe recipe.yaml -o study/
  {PROGRAM} compare -recipe results/recipe.json -data datasets/ -o study/
  {PROGRAM} compare -recipe results/recipe.json -data datasets/ -o study/ -leave-one-out
  {PROGRAM} compare -o study/ -report

'recipe init' writes a recipe of your datasets. If the study was stopped, the same
command continues it.
"""


@dataclass(frozen=True)
class CompareOptions:
    """The options of `compare`."""

    recipe: Path | None
    data: tuple[Path, ...]
    output: Path
    report: bool
    leave_one_out: bool
    notebook: bool
    engine: str
    device: str
    jobs: int


@click.command(cls=SctCommand, epilog=_EPILOG)
@option("-recipe", type=PATH, help="Recipe (YAML or JSON): datasets, split, training.")
@option(
    "-data",
    type=PATH,
    multiple=True,
    show_default=False,
    help="Folders in which the recipe's datasets lie.  [default: the recipe's folder]",
)
@option("-o", to="output", type=PATH, required=True, help="Folder of the study.")
@flag("-report", help="Only make the report again, from the tables in -o.")
@flag(
    "-leave-one-out",
    help="Leave each dataset out in turn: the general model of the others, and each of their "
    "specific models, are tested on it.",
)
@option("-notebook", default=1, type=click.IntRange(0, 1), help="Write the executed notebook too.")
@option("-engine", default="auto", help="Engine of the evaluation: auto, openvino, torch, nnunet.")
@option("-device", default="auto", help="auto, cpu, cuda, cuda:N or mps.")
@option(
    "-jobs",
    default=os.cpu_count() or 1,
    type=click.IntRange(1),
    help="Processes.  [default: all cores]",
    show_default=False,
)
@takes(CompareOptions)
def command(options: CompareOptions) -> int:
    """Train one general and N specific models, test all on all test sets, and report."""
    from sct_deepseg_general.study import compare as study

    if options.leave_one_out:
        return _left_out(options)
    if options.notebook:
        _check_notebook()
    if options.report:
        results = study.report(options.output, with_notebook=options.notebook)
    elif options.recipe is None:
        raise click.UsageError("Give -recipe (or -report for the report alone).")
    else:
        results = _compared(options.recipe, options)
    print(results.verdict.sentence)
    print(options.output / "report.html")
    return 0


def _left_out(options: CompareOptions) -> int:
    """The study that leaves one dataset out, or its report alone."""
    from sct_deepseg_general.study.leave_one_out import check, leave_one_out, leave_one_out_report

    if options.report:
        results = leave_one_out_report(options.output)
    elif options.recipe is None:
        raise click.UsageError("Give -recipe (or -report for the report alone).")
    else:
        study, train, load_model, screen = _prepared(options.recipe, options, check)
        results = leave_one_out(study, train, load_model, options.jobs, screen.step)
    print(results.sentence)
    print(options.output / "report.html")
    return 0


def _check_notebook() -> None:
    """Check that the notebook's libraries are there before hours of training."""
    with required("The notebook of a comparison", "train", ", or use -notebook 0"):
        import nbclient  # noqa: F401
        import nbformat  # noqa: F401


def _compared(path: Path, options: CompareOptions) -> StudyResults:
    from sct_deepseg_general.study.compare import check, compare

    study, train, load_model, screen = _prepared(path, options, check)
    return compare(study, train, load_model, options.jobs, screen.step)


def _prepared(
    path: Path, options: CompareOptions, check: Callable[[Study], Estimate]
) -> tuple[Study, Trainer, ModelLoader, TrainingScreen]:
    """The study, and what trains and opens its models; all that can be checked is checked."""
    from sct_deepseg_general.datasets.recipe import read
    from sct_deepseg_general.study.models import check_engine, check_networks, model_loader, trainer
    from sct_deepseg_general.study.stages import Study

    data = options.data or (path.absolute().parent,)
    study = Study(read(path), data, options.output, options.notebook)
    screen = TrainingScreen()
    needs = check(study)
    check_engine(options.engine, options.device)
    train = trainer(options.device, screen)
    check_networks(study.recipe, options.device)
    click.echo(described(needs), err=True)
    return study, train, model_loader(options.engine, options.device), screen
