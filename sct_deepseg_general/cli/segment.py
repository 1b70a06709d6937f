"""The main command: images to segmentations, CSA and QC."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sct_deepseg_general.cli import SUBCOMMANDS
from sct_deepseg_general.cli._click import (
    PROGRAM,
    SctCommand,
    flag,
    option,
    print_version,
    printable,
    takes,
)
from sct_deepseg_general.cli.options.csa import c2c3_line, measuring
from sct_deepseg_general.cli.options.norms import among_norms
from sct_deepseg_general.cli.options.segment import (
    SegmentOptions,
    choosing_imported,
    ending,
    overwriting,
    segmenting,
    verbosity,
)
from sct_deepseg_general.errors import DeepsegError

if TYPE_CHECKING:
    from sct_deepseg_general.change.output import Visits
    from sct_deepseg_general.inference.predictor import Predictor
    from sct_deepseg_general.job.job import Done, Job, Request

__all__ = ["command"]

_EPILOG = f"""\
Examples:
  {PROGRAM} -i t2.nii.gz
  {PROGRAM} -i t2.nii.gz -o results/ -soft -qc qc
  {PROGRAM} -i sub-*/anat/*_T2w.nii.gz -qc qc
  {PROGRAM} -i t2.nii.gz -c2c3
  {PROGRAM} -i t2.nii.gz -perlevel 1 -qc qc
  {PROGRAM} -i t2.nii.gz -discfile discs.nii.gz -perlevel 1
  {PROGRAM} -i sub-01_T2w.nii.gz -age 34 -sex F -plot csa.png

The flags of csa work here too (-perlevel, -vert, -vertfile, -discfile, -pmj and so on; csa -h).

Subcommands ({PROGRAM} NAME -h):
""" + "".join(f"  {name:<9} {text}\n" for name, text in SUBCOMMANDS.items())


@click.command(cls=SctCommand, epilog=_EPILOG)
@option(
    "-i",
    to="images",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    show_default=False,
    help="Image or images (.nii, .nii.gz), any contrast. 4D is averaged. Or a DICOM folder.",
)
@option("-series", type=int, help="Number of the series in a DICOM folder.")
@option(
    "-o",
    to="output",
    type=click.Path(path_type=Path),
    help="File (.nii.gz, one image) or folder to write to.  [default: beside the image]",
)
@segmenting
@choosing_imported
@option(
    "-csa",
    default=1,
    type=click.IntRange(0, 1),
    help="Write the cross-sectional area per slice (_seg_csa.csv).",
)
@measuring(per_slice=1, hidden=True)
@among_norms
@option(
    "-plot",
    type=click.Path(path_type=Path),
    help="Also draw the area along the cord, with its interval (PNG, one image).",
)
@option(
    "-report",
    to="reports",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Also write a page about the person (.pdf or .html, one image).",
)
@option(
    "-earlier",
    type=click.Path(path_type=Path),
    help="Earlier image of the same person and contrast: the report shows the change.",
)
@option("-qc", type=click.Path(path_type=Path), help="Folder of the QC page to add to.")
@option("-qc-dataset", help="Dataset name on the QC page.")
@option("-qc-subject", help="Subject name on the QC page.")
@overwriting("Replace existing outputs.")
@ending
@verbosity("a few lines", "details")
@flag(
    "-version", is_eager=True, expose_value=False, callback=print_version, help="Show the version."
)
@takes(SegmentOptions)
def command(given: SegmentOptions) -> int:
    """Segment the spinal cord in MR images of any contrast, and measure its area.

    Writes T2_seg.nii.gz, T2_seg.json and T2_seg_csa.csv beside T2.nii.gz.
    """
    from sct_deepseg_general.cli.requests import segment as requests
    from sct_deepseg_general.job.outputs import check_writable

    images, person = requests.images_and_person(given)
    request = requests.request_of(images, given, person)
    chosen = requests.model_of(given)
    jobs = requests.jobs_of(images, request, chosen, given)
    if given.plot:
        check_writable((given.plot,), overwrite=bool(given.overwrite))
    requests.check_reports(images, given)
    predictor = requests.predictor_of(chosen, given)
    if len(jobs) == 1:
        return _ended([_one(jobs[0], predictor, request, given)], given)
    return _several(jobs, predictor, request, given)


def _several(jobs: list[Job], predictor: Predictor, request: Request, given: SegmentOptions) -> int:
    done, failed = [], []
    for job in jobs:
        try:
            done.append(_one(job, predictor, request, given))
        except DeepsegError as error:
            failed.append(printable(job.image))
            print(f"Error: {printable(error)}", file=sys.stderr)
    if failed:
        print(f"{len(failed)} of {len(jobs)} images failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else _ended(done, given)


def _ended(done: list[Done], given: SegmentOptions) -> int:
    return int(given.strict and any(map(_failed, done)))


def _failed(done: Done) -> bool:
    """Whether the mask is not to be believed, or the area asked for is withheld."""
    withheld = done.c2c3 is not None and done.c2c3.status == "withheld"
    return withheld or done.quality.status == "fail"


def _one(job: Job, predictor: Predictor, request: Request, given: SegmentOptions) -> Done:
    from sct_deepseg_general.cli.screens.segment import print_result, print_warnings, progress_bar
    from sct_deepseg_general.job.job import run

    with progress_bar(given.verbose) as progress:
        done = run(job, predictor, request, progress)
    if given.plot:
        _draw(done, given.plot)
    if given.reports:
        _report(done, predictor, given)
    print_warnings(done)
    if done.c2c3 is not None:
        name = printable(job.image.name)
        print(c2c3_line(name, done.c2c3, done.quality.status, done.levels))
    elif given.verbose:
        print_result(done, predictor, request, given.verbose)
    return done


def _report(done: Done, predictor: Predictor, given: SegmentOptions) -> None:
    from sct_deepseg_general.report.content import content_of
    from sct_deepseg_general.report.html import write_html
    from sct_deepseg_general.report.pdf import write_pdf

    earlier = _since(given.earlier, done, predictor) if given.earlier else None
    content = content_of(done, predictor.model.key, earlier)
    for path in given.reports:
        write = write_pdf if path.suffix == ".pdf" else write_html
        write(path, content)


def _since(earlier: Path, done: Done, predictor: Predictor) -> Visits:
    """The change since an earlier image."""
    from sct_deepseg_general.change.measure import Scan, compared
    from sct_deepseg_general.change.output import Visits
    from sct_deepseg_general.change.repeat import Repeatability
    from sct_deepseg_general.image import nifti

    first, second = Scan(nifti.load(earlier), {}), Scan(done.result.image, {})
    found = compared(first, second, predictor)
    repeat = Repeatability.from_record(predictor.model.change)
    return Visits(earlier, done.job.image, None, found, repeat, predictor.model.key)


def _draw(done: Done, path: Path) -> None:
    from sct_deepseg_general.csa.plot import PlotOptions, save_plot

    norms = done.norms
    options = PlotOptions(
        title=done.job.image.name,
        flagged=done.quality.flagged,
        covers=done.measured.covers,
        bands=norms.plotted() if norms else {},
        band_label=norms.whose if norms else "",
    )
    save_plot(path, done.table, done.measured.levels, options)
