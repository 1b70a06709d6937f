"""`evaluate`: models against reference masks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sct_deepseg_general.cli._click import PROGRAM, SctCommand, flag, option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sct_deepseg_general.bids import DatasetIndex
    from sct_deepseg_general.evaluation.evaluate import Candidate, Measurement, TestCase

__all__ = ["command"]

_EPILOG = f"""\
Examples:
  {PROGRAM} evaluate -bids dev/ -m sc-general -o evaluation.csv
  {PROGRAM} evaluate -bids dev/ -m sc-general trained/general/model -contrast T2w -o t2w.csv
"""


@click.command(cls=SctCommand, epilog=_EPILOG)
@option(
    "-bids",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    show_default=False,
    help="BIDS datasets with labels, or folders of such datasets.",
)
@option(
    "-m",
    to="models",
    multiple=True,
    default=("",),
    help="Model ids or folders.",
    show_default=False,
)
@option("-o", to="output", type=click.Path(path_type=Path), help="Table to write (.csv).")
@option("-contrast", multiple=True, help="Contrasts to take.  [default: all]")
@option("-suffix", multiple=True, help="Label suffixes, best first.")
@option("-derivatives", default="labels", help="Folder of the labels below derivatives/.")
@option("-exclude", multiple=True, help="Patterns of image names to leave out.")
@flag("-skip-seen", help="Leave out cases that a model was trained on, in place of refusing.")
@option("-engine", default="auto", help="auto, openvino, torch or nnunet.")
@option("-device", default="auto", help="auto, cpu, cuda, cuda:N or mps.")
@flag("-offline", help="Never use the network.")
@flag("-overwrite", help="Replace an existing table.")
def command(
    bids: tuple[Path, ...], models: tuple[str, ...], output: Path | None, **rest: Any
) -> int:
    """Measure how well models agree with reference masks: overlap, distances (mm), volume, CSA.

    Prints every image, then mean ± SD over people by contrast. Empty and failed cases count.
    The exit code is 1 if the content of an image or a mask is not on this machine.
    """
    from sct_deepseg_general.evaluation import tables
    from sct_deepseg_general.evaluation.evaluate import evaluate_models, test_cases
    from sct_deepseg_general.job.outputs import check_writable

    if output is not None:
        check_writable((output,), overwrite=rest["overwrite"])
    datasets = _found(bids, rest)
    cases = test_cases(datasets)
    candidates = [_candidate(name, rest) for name in models] if cases else []
    cases = _allowed(cases, candidates, skip=rest["skip_seen"])
    rows: list[Measurement] = []
    with click.progressbar(length=len(cases), label="Measuring", file=sys.stderr) as bar:
        rows.extend(
            evaluate_models(
                candidates, cases, progress=lambda done, total: bar.update(done - bar.pos)
            )
        )
    print(tables.text(rows))
    _print_bias(rows)
    if output is not None:
        tables.write_csv(rows, output)
        print(output)
    return int(any(one.missing for one in datasets))


def _found(bids: tuple[Path, ...], rest: dict[str, Any]) -> list[DatasetIndex]:
    from sct_deepseg_general.bids import LABEL_SUFFIXES, DatasetSelection, index, roots

    selection = DatasetSelection(
        contrasts=rest["contrast"],
        label_suffixes=rest["suffix"] or LABEL_SUFFIXES,
        derivatives=rest["derivatives"],
        exclude=rest["exclude"],
    )
    found = [index(root, selection) for folder in bids for root in roots(folder)]
    for one in found:
        for reason, count in one.reasons.items():
            print(f"left out of {one.dataset}: {count}, {reason}", file=sys.stderr)
    return found


def _candidate(name: str, rest: dict[str, Any]) -> Candidate:
    from sct_deepseg_general.evaluation.evaluate import Candidate, training_data_of
    from sct_deepseg_general.study.models import segmenter
    from sct_deepseg_general.zoo.zoo import resolve

    model = resolve(name or None, offline=rest["offline"])
    seen = training_data_of(model.folder)
    if not seen.known:
        print(
            f"{model.key} does not say what it was trained on: make sure that these images are new "
            f"to it.",
            file=sys.stderr,
        )
    return Candidate(model.key, segmenter(model, rest["engine"], rest["device"]), seen)


def _allowed(
    cases: tuple[TestCase, ...], candidates: Sequence[Candidate], *, skip: bool
) -> tuple[TestCase, ...]:
    from sct_deepseg_general.errors import DatasetError

    allowed = cases
    if skip:
        allowed = tuple(case for case in cases if not any(c.seen.has(case) for c in candidates))
        print(f"{len(cases) - len(allowed)} cases seen in training left out", file=sys.stderr)
    if not allowed:
        raise DatasetError("No image with a reference is left: check -bids, -suffix, -contrast.")
    return allowed


def _print_bias(rows: Sequence[Measurement]) -> None:
    from sct_deepseg_general.evaluation.statistics import contrast_bias

    for one in contrast_bias(rows):
        print(
            f"CSA of {one.person} {one.session} in {one.contrast}: {one.bias:+.2f} mm² from the "
            f"mean over contrasts ({one.reference:+.2f} in the references), {one.model}"
        )
