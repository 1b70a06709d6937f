"""What the main command prints: progress, warnings, and a few lines for each image."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sct_deepseg_general.cli._click import printable
from sct_deepseg_general.cli.options.norms import norm_lines
from sct_deepseg_general.cli.requests.segment import written_by_kind, written_files

if TYPE_CHECKING:
    from sct_deepseg_general.change.output import Visits
    from sct_deepseg_general.inference.predictor import Predictor
    from sct_deepseg_general.job.values import Done, Request
    from sct_deepseg_general.zoo.model import Model

_Files = Mapping[str, Path]

__all__ = ["print_change", "print_line", "print_result", "print_warnings", "progress_bar"]


def print_warnings(done: Done) -> None:
    """What is in doubt of the levels, on standard error."""
    for sentence in (*done.sentences, *done.row_remarks):
        print(f"Warning: {printable(sentence)}", file=sys.stderr)
    answer = done.levels
    if answer is None:
        return
    for sentence in answer.warnings:
        print(f"Warning: {printable(sentence)}", file=sys.stderr)
    if answer.withheld and done.c2c3 is None:
        reasons = "; ".join(answer.withheld)
        rows = "a row for each slice, without" if done.measures.selection.per_slice else "no"
        print(
            f"Warning: {printable(done.job.image)}: levels withheld: {reasons}. The table has "
            f"{rows} levels.",
            file=sys.stderr,
        )


@contextmanager
def progress_bar(
    verbose: int, label: str = "Segmenting"
) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on a terminal; nothing in a log file."""
    if not verbose or not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def progress(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield progress


def print_result(
    done: Done, predictor: Predictor, request: Request, verbose: int, besides: _Files
) -> None:
    """Status, area, files and viewer of one image; with `verbose` 2, engine and sizes too.

    `besides` are the pictures and pages that were written, by what they are.
    """
    image, outputs = done.job.image, done.job.outputs
    frames = done.result.image.frames
    if frames > 1:
        print(f"{printable(image)} is a series of {frames} volumes: their mean was segmented.")
    undefined = done.result.image.undefined
    if undefined:
        print(f"{printable(image)} has {undefined} voxels without a value (NaN): background.")
    size = _sizes(done, predictor.model, request) or f"{_what(done)}{_region(done)} {_area(done)}"
    print(f"{printable(image)}: {done.quality.status}, {size}, {done.seconds:.1f} s")
    for status, reason in done.quality.findings:
        print(f"  {status}: {reason}")
    for line in norm_lines(done.norms) if done.norms else ():
        print(line)
    for path in written_files(done, request, predictor.model):
        print(f"  {printable(path)}")
    for kind, path in besides.items():
        print(f"  {kind}: {printable(path)}")
    if verbose > 1:
        _details(done, predictor)
    print("View it with:")
    names = (shlex.quote(printable(path)) for path in (image, outputs.segmentation))
    print("fsleyes {} -cm greyscale {} -cm red -a 70.0 &".format(*names))


def print_change(earlier: Visits) -> None:
    """The change since an earlier image, in sentences."""
    from sct_deepseg_general.report.content import change_lines

    for sentence in change_lines(earlier):
        print(f"  {printable(sentence)}")


def print_line(done: Done, predictor: Predictor, request: Request, besides: _Files) -> None:
    """The result as one line of JSON on standard output; `besides` as in `print_result`."""
    from sct_deepseg_general.provenance.line import as_line, result_record

    model, label = predictor.model, request.options.label
    files = {**written_by_kind(done, request, model), **besides}
    print(as_line(result_record(done, model, label, files)), flush=True)


def _sizes(done: Done, model: Model, request: Request) -> str:
    """The volume of each label where there is no cord to measure; "" otherwise."""
    from sct_deepseg_general.job.labels import has_no_cord, volumes, wanted_labels

    label = request.options.label
    if not has_no_cord(model, label):
        return ""
    sizes = volumes(done.result, wanted_labels(model, label))
    return ", ".join(f"{one.label.name} {one.volume:.1f} mm³" for one in sizes)


def _what(done: Done) -> str:
    shift = done.table.shift
    return f"mean CSA as in the average person ({shift:+.1f} mm²)" if shift else "mean CSA"


def _region(done: Done) -> str:
    return f" of {done.region_name}:" if done.region is not None else ""


def _area(done: Done) -> str:
    """The mean area, its interval, and that of a second scan."""
    interval, repeated = done.interval, done.repeated
    if interval is None:
        return f"{done.mean_area:.1f} mm²"
    text = f"{done.mean_area:.1f} mm² ({interval[0]:.1f} to {interval[1]:.1f}"
    again = "" if repeated is None else "; a second scan {:.1f} to {:.1f}".format(*repeated)
    return f"{text}{again})"


def _details(done: Done, predictor: Predictor) -> None:
    engine, result = predictor.engine, done.result
    print(f"  model {predictor.model.key}, engine {engine.name} on {engine.device}")
    print(f"  image {result.image.grid.shape} at {result.image.grid.spacing} mm")
    print(f"  cropped to {result.location.box.shape} of {result.oriented.shape} voxels")
    print(f"  confidence {done.quality.confidence:.2f}")
