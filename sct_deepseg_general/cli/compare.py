"""`compare`: the whole study, one general against N specific models."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sct_deepseg_general.cli._click import PROGRAM, SctCommand, flag, option

if TYPE_CHECKING:
    from sct_deepseg_general.study.results import StudyResults

__all__ = ["command"]

_EPILOG = f"""\
Examples:
  {PROGRAM} compare -recipe results/recipe.json -data datasets/ -o study/
  {PROGRAM} compare -o study/ -report

Stopped at any moment, the same command goes on where it was.
"""


@click.command(cls=SctCommand, epilog=_EPILOG)
@option(
    "-recipe", type=click.Path(path_type=Path), help="Recipe (JSON): datasets, split, training."
)
@option(
    "-data", type=click.Path(path_type=Path), multiple=True, help="Where the recipe's datasets lie."
)
@option(
    "-o", to="output", type=click.Path(path_type=Path), required=True, help="Folder of the study."
)
@flag("-report", help="Only make the report again, from the tables in -o.")
@option("-notebook", default=1, type=click.IntRange(0, 1), help="Write the executed notebook too.")
@option("-engine", default="auto", help="Engine of the evaluation: auto, openvino, torch, nnunet.")
@option("-device", default="auto", help="auto, cpu, cuda, cuda:N or mps.")
@option(
    "-jobs",
    default=os.cpu_count() or 1,
    type=click.IntRange(1),
    help="Processes.",
    show_default=False,
)
def command(recipe: Path | None, data: tuple[Path, ...], output: Path, **rest: Any) -> None:
    """Train one general and N specific models, test all on all test sets, and report."""
    from sct_deepseg_general.study import compare as study

    notebook = bool(rest["notebook"])
    if rest["report"]:
        found = study.report(output, with_notebook=notebook)
    elif recipe is None or not data:
        raise click.UsageError("Give -recipe and -data (or -report for the report alone).")
    else:
        found = _compared(recipe, data, output, rest)
    print(found.verdict.sentence)
    print(output / "report.html")


def _compared(
    recipe: Path, data: tuple[Path, ...], output: Path, rest: dict[str, Any]
) -> StudyResults:
    from sct_deepseg_general.datasets.recipe import read
    from sct_deepseg_general.study.compare import Study, compare
    from sct_deepseg_general.study.models import model_loader, trainer

    study = Study(read(recipe), data, output, bool(rest["notebook"]))
    train = trainer(rest["device"], _tell_training)
    return compare(study, train, model_loader(rest["engine"], rest["device"]), rest["jobs"], _tell)


def _tell(stage: str, done: int, total: int) -> None:
    _line(f"{stage}: {done} of {total}", last=done == total)


def _tell_training(model: str, network: str, share: float) -> None:
    _line(f"train: {model}, {network}, {share:.0%}", last=share >= 1)


def _line(text: str, *, last: bool) -> None:
    """The line that a terminal shows in place; a log gets the last of each stage alone."""
    if sys.stderr.isatty():
        print(f"\r{text:<70}", end="\n" if last else "", file=sys.stderr, flush=True)
    elif last:
        print(text, file=sys.stderr, flush=True)
