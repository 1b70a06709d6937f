"""`evaluate`: models against reference masks."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sct_deepseg_general.cli._click import PATH, PROGRAM, SctCommand, flag, option, takes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sct_deepseg_general.bids.cases import DatasetIndex
    from sct_deepseg_general.evaluation.cases import EvaluationCase
    from sct_deepseg_general.evaluation.evaluate import Candidate
    from sct_deepseg_general.evaluation.measurement import Measurement

__all__ = ["command"]

_EPILOG = f"""\
Examples:
  {PROGRAM} evaluate -bids dev/ -m sc-general -o evaluation.csv
  {PROGRAM} evaluate -bids dev/ -m sc-general trained/general/model -contrast T2w -o t2w.csv
  {PROGRAM} evaluate -bids dev/ -masks dev/derivatives/ours -o ours.csv
"""


@dataclass(frozen=True)
class EvaluateOptions:
    """The options of `evaluate`."""

    bids: tuple[Path, ...]
    models: tuple[str, ...]
    masks: tuple[Path, ...]
    output: Path | None
    contrast: tuple[str, ...]
    suffix: tuple[str, ...]
    derivatives: str
    exclude: tuple[str, ...]
    skip_seen: bool
    engine: str
    device: str
    offline: bool
    overwrite: bool
    as_json: bool

    @property
    def model_names(self) -> tuple[str, ...]:
        """The models: those given, or the default one unless masks are given."""
        return self.models or (() if self.masks else ("",))


@click.command(cls=SctCommand, epilog=_EPILOG)
@option(
    "-bids",
    type=PATH,
    multiple=True,
    required=True,
    show_default=False,
    help="BIDS datasets with labels, or folders of such datasets.",
)
@option("-m", to="models", multiple=True, help="Model ids or folders.  [default: the embedded one]")
@option(
    "-masks",
    type=PATH,
    multiple=True,
    help="Folders of existing masks (IMAGE_seg.nii.gz) to evaluate instead of models.",
)
@option("-o", to="output", type=PATH, help="Table to write (.csv).")
@option("-contrast", multiple=True, help="Contrasts to take.  [default: all]")
@option("-suffix", multiple=True, help="Endings of the labels, in order of preference.")
@option("-derivatives", default="labels", help="Folder of the labels below derivatives/.")
@option("-exclude", multiple=True, help="Patterns of image names to leave out.")
@flag(
    "-skip-seen", help="Leave out images that a model was trained on. Without it they are an error."
)
@option("-engine", default="auto", help="auto, openvino, torch or nnunet.")
@option("-device", default="auto", help="auto, cpu, cuda, cuda:N or mps.")
@flag("-offline", help="Never use the network.")
@flag("-overwrite", help="Replace an existing table.")
@flag("-json", "--json", to="as_json", help="Print one line of JSON for each mask only.")
@takes(EvaluateOptions)
def command(options: EvaluateOptions) -> int:
    """Measure how well models or masks agree with reference masks.

    Prints overlap, distances (mm), volume and area of every image, and the mean ± SD over people
    for each contrast. Empty and failed results count as a Dice of 0. The exit code is 1 if a result
    failed, or if the content of an image or a mask is not on this machine.
    """
    from sct_deepseg_general.evaluation import tables
    from sct_deepseg_general.evaluation.cases import cases_of_indexes
    from sct_deepseg_general.evaluation.evaluate import evaluate_models
    from sct_deepseg_general.job.outputs import check_no_image, check_writable

    if options.output is not None:
        check_no_image((options.output,))
        check_writable((options.output,), overwrite=options.overwrite)
    indexes = _indexes(options)
    cases = cases_of_indexes(indexes)
    candidates = _candidates(options, cases) if cases else []
    cases = _allowed(cases, candidates, skip=options.skip_seen)
    rows: list[Measurement] = []
    with click.progressbar(length=len(cases), label="Measuring", file=sys.stderr) as bar:
        rows.extend(
            evaluate_models(
                candidates, cases, progress=lambda done, total: bar.update(done - bar.pos)
            )
        )
    if options.as_json:
        from sct_deepseg_general.provenance.line import as_line, evaluation_record

        print(*(as_line(evaluation_record(row)) for row in rows), sep="\n")
    else:
        print(tables.text(rows))
        _print_bias(rows)
    if options.output is not None:
        tables.write_csv(rows, options.output)
        print(options.output, file=sys.stderr if options.as_json else sys.stdout)
    failed = [row for row in rows if row.status == "failed"]
    for row in failed:
        print(f"{row.model} failed on {row.name}: {row.reason}", file=sys.stderr)
    return int(bool(failed) or any(one.incomplete for one in indexes))


def _indexes(options: EvaluateOptions) -> list[DatasetIndex]:
    from sct_deepseg_general.bids.cases import DatasetSelection
    from sct_deepseg_general.bids.dataset import index, roots
    from sct_deepseg_general.bids.names import LABEL_SUFFIXES

    selection = DatasetSelection(
        contrasts=options.contrast,
        label_suffixes=options.suffix or LABEL_SUFFIXES,
        derivatives=options.derivatives,
        exclude=options.exclude,
    )
    indexes = [index(root, selection) for folder in options.bids for root in roots(folder)]
    for one in indexes:
        for reason, count in one.reasons.items():
            print(f"left out of {one.dataset}: {count}, {reason}", file=sys.stderr)
    return indexes


def _candidates(options: EvaluateOptions, cases: Sequence[EvaluationCase]) -> list[Candidate]:
    from sct_deepseg_general.evaluation.masks import existing_masks

    masks = [existing_masks(folder, cases) for folder in options.masks]
    candidates = [*masks, *(_model(name, options) for name in options.model_names)]
    return _told_apart(candidates, [*map(str, options.masks), *options.model_names])


def _told_apart(candidates: Sequence[Candidate], given: Sequence[str]) -> list[Candidate]:
    """The candidates; those of one name are named by what was given for them too."""
    count = Counter(one.name for one in candidates)
    return [
        replace(one, name=f"{one.name} ({words})") if count[one.name] > 1 else one
        for one, words in zip(candidates, given, strict=True)
    ]


def _model(name: str, options: EvaluateOptions) -> Candidate:
    from sct_deepseg_general.evaluation.cases import training_data_of
    from sct_deepseg_general.evaluation.evaluate import Candidate
    from sct_deepseg_general.study.models import segmenter
    from sct_deepseg_general.zoo.zoo import resolve

    model = resolve(name or None, offline=options.offline)
    data = training_data_of(model.folder)
    if not data.known:
        print(
            f"{model.key} does not say what it was trained on: make sure that these images are new "
            f"to it.",
            file=sys.stderr,
        )
    return Candidate(model.key, segmenter(model, options.engine, options.device), data)


def _allowed(
    cases: tuple[EvaluationCase, ...], candidates: Sequence[Candidate], *, skip: bool
) -> tuple[EvaluationCase, ...]:
    from sct_deepseg_general.errors import DatasetError

    allowed = cases
    if skip:
        allowed = tuple(
            case for case in cases if not any(one.trained_on.has(case) for one in candidates)
        )
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
