"""The main command: images to segmentations, CSA and QC."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sct_deepseg_general.cli import TASK
from sct_deepseg_general.cli._click import (
    PATH,
    flag,
    option,
    print_version,
    printable,
    takes,
)
from sct_deepseg_general.cli.about.first_screen import FirstScreenCommand, show_all
from sct_deepseg_general.cli.options.csa import c2c3_line, measuring
from sct_deepseg_general.cli.options.norms import among_norms
from sct_deepseg_general.cli.options.sct import SEGMENT_FLAGS, of_task, taken_over
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
    from sct_deepseg_general.cli.requests.change import DatedScan
    from sct_deepseg_general.dicom.series import Series
    from sct_deepseg_general.inference.predictor import Predictor
    from sct_deepseg_general.job.values import Done, Job, Request

__all__ = ["command"]


@dataclass(frozen=True, eq=False)
class _Sources:
    """What the images come with: the DICOM series that one was converted from, and the earlier
    image that it is compared with, so many years before.
    """

    series: Series | None
    earlier: DatedScan | None
    years: float | None


def _from_file(ctx: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    if path is not None:
        from sct_deepseg_general.cli.requests.settings import flags_from_file

        flags_from_file(ctx, parameter, path)


class _Command(FirstScreenCommand):
    """The main command, which understands the flags of SCT's `sct_deepseg` too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The words with SCT's flags taken over; what is taken otherwise is told."""
        notes: tuple[str, ...] = ()
        if args[:1] == [TASK]:
            args, notes = of_task(args[1], args[2:])
        words, more = taken_over(args, SEGMENT_FLAGS)
        for note in (*notes, *more):
            print(f"Note: {printable(note)}", file=sys.stderr)
        ctx.meta["words"] = tuple(words)
        return super().parse_args(ctx, words)


@click.command(cls=_Command)
@option(
    "-i",
    to="images",
    multiple=True,
    type=PATH,
    show_default=False,
    help="Image or images (.nii, .nii.gz), any contrast. 4D is averaged. Or a DICOM folder.",
)
@option("-series", type=int, help="Number of the series in a DICOM folder.")
@option(
    "-o",
    to="output",
    metavar="PLACE",
    help="Folder (with a slash; made if missing), or file (.nii.gz) or beginning of the file names "
    "for one image.  [default: beside the image]",
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
    type=PATH,
    help="Also draw the area along the cord, with its interval (PNG, one image).",
)
@option(
    "-report",
    to="reports",
    multiple=True,
    type=PATH,
    help="Also write a page about the person (.pdf or .html, one image).",
)
@option(
    "-earlier",
    type=PATH,
    help="Earlier image, or DICOM folder, of the same person and contrast: the report shows the "
    "change.",
)
@option(
    "-dicom-seg",
    type=PATH,
    help="Also write the mask as a DICOM segmentation (.dcm, DICOM folder as input).",
)
@option(
    "-dicom-sr",
    type=PATH,
    help="Also write the areas as a DICOM structured report (.dcm, DICOM folder as input).",
)
@flag(
    "-keep-dates",
    help="Write age, sex and date of a DICOM header to the outputs, and the name to DICOM ones.",
)
@option("-qc", type=PATH, help="Folder of the QC page to add to.")
@option("-qc-dataset", help="Dataset name on the QC page.")
@option("-qc-subject", help="Subject name on the QC page.")
@overwriting("Replace existing outputs.")
@ending
@flag("-install", help="Only fetch the model of -task or -m.")
@flag("-json", "--json", to="as_json", help="Print one line of JSON for each image, and no text.")
@option(
    "-config",
    type=PATH,
    is_eager=True,
    expose_value=False,
    callback=_from_file,
    help="Settings file of an earlier run (_seg.toml); flags given here come first.",
)
@verbosity("a few lines", "details")
@flag("-help-all", is_eager=True, expose_value=False, callback=show_all, help="Show every flag.")
@flag(
    "-version",
    "--version",
    is_eager=True,
    expose_value=False,
    callback=print_version,
    help="Show the version.",
)
@takes(SegmentOptions)
def command(given: SegmentOptions) -> int:
    """Segment the spinal cord in MR images of any contrast, and measure its area.

    Writes T2_seg.nii.gz, T2_seg.json and T2_seg_csa.csv beside T2.nii.gz.
    """
    from sct_deepseg_general.cli.requests import segment as requests
    from sct_deepseg_general.cli.requests.change import earlier_of, header_years_of
    from sct_deepseg_general.job.outputs import check_no_image, check_writable

    if given.install:
        return _installed(given)
    if not given.images:
        raise click.UsageError("There is no image: give one, or several, with -i.")
    requests.check_flags(given)
    earlier = earlier_of(given)
    images, series = requests.images_and_series(given)
    request = requests.request_of(images, given, series)
    chosen = requests.model_of(given)
    jobs = requests.jobs_of(images, request, chosen, given)
    if given.plot:
        check_no_image((given.plot,))
        check_writable((given.plot,), overwrite=bool(given.overwrite))
    check_writable(given.reports, overwrite=bool(given.overwrite))
    years = header_years_of(given, earlier, series)
    predictor = requests.predictor_of(chosen, given)
    sources = _Sources(series, earlier, years)
    done, failed = _all(jobs, predictor, request, given, sources)
    if done:
        from sct_deepseg_general.cli.requests.settings import settings_path, write_settings

        settings = settings_path(done[0].job.outputs.segmentation)
        write_settings(click.get_current_context(), chosen.key, settings)
        if given.verbose and not given.as_json and not given.measures.c2c3:
            print(f"Settings, to repeat the run with -config: {printable(settings)}")
    if failed and len(jobs) > 1:
        names = ", ".join(printable(job.image) for job in failed)
        print(f"{len(failed)} of {len(jobs)} images failed: {names}", file=sys.stderr)
    return int(bool(failed) or (given.strict and any(map(_failed, done))))


def _installed(given: SegmentOptions) -> int:
    """Fetch the model of -task or -m, if it is not here; nothing is segmented."""
    from sct_deepseg_general.cli.requests.segment import model_of

    if given.images:
        raise click.UsageError("-install fetches a model and segments nothing: leave -i out.")
    model = model_of(given)
    print(f"{model.key} is installed: {printable(model.folder)}")
    return 0


def _all(
    jobs: list[Job],
    predictor: Predictor,
    request: Request,
    given: SegmentOptions,
    sources: _Sources,
) -> tuple[list[Done], list[Job]]:
    """The results of all images, and the jobs that failed, each of which was told."""
    done, failed = [], []
    for job in jobs:
        try:
            done.append(_one(job, predictor, request, given, sources))
        except DeepsegError as error:
            failed.append(job)
            print(f"Error: {printable(error)}", file=sys.stderr)
            if given.as_json:
                from sct_deepseg_general.provenance.line import as_line, error_record

                print(as_line(error_record(job.image, str(error))), flush=True)
    return done, failed


def _failed(done: Done) -> bool:
    """Whether the mask is not to be believed, or the area asked for is withheld."""
    withheld = done.c2c3 is not None and done.c2c3.status == "withheld"
    return withheld or done.quality.status == "fail"


def _one(
    job: Job,
    predictor: Predictor,
    request: Request,
    given: SegmentOptions,
    sources: _Sources,
) -> Done:
    from sct_deepseg_general.cli.requests.dicom import write_objects
    from sct_deepseg_general.cli.requests.segment import written_besides
    from sct_deepseg_general.cli.screens.segment import (
        print_change,
        print_line,
        print_result,
        print_warnings,
        progress_bar,
    )
    from sct_deepseg_general.job.job import run

    with progress_bar(given.verbose) as progress:
        done = run(job, predictor, request, progress)
    if given.plot:
        _draw(done, given.plot)
    earlier = None
    if given.reports:
        earlier = _report(done, predictor, given, sources)
    write_objects(done, sources.series, predictor.model.key, given)
    print_warnings(done)
    besides = written_besides(done, given)
    if given.as_json:
        print_line(done, predictor, request, besides)
    elif done.c2c3 is not None:
        name = printable(job.image.name)
        print(c2c3_line(name, done.c2c3, done.quality.status, done.levels))
    elif given.verbose:
        print_result(done, predictor, request, given.verbose, besides)
        if earlier is not None:
            print_change(earlier)
    return done


def _report(
    done: Done, predictor: Predictor, given: SegmentOptions, sources: _Sources
) -> Visits | None:
    """Write the page; returns the comparison with an earlier image, where there is one."""
    from sct_deepseg_general.report.content import content_of
    from sct_deepseg_general.report.html import write_html
    from sct_deepseg_general.report.pdf import write_pdf

    earlier = None
    if sources.earlier is not None:
        earlier = _since(sources.earlier, done, predictor, sources.years, given.verbose)
    content = content_of(done, predictor.model.key, earlier)
    for path in given.reports:
        write = write_pdf if path.suffix.lower() == ".pdf" else write_html
        write(path, content)
    return earlier


def _since(
    earlier: DatedScan, done: Done, predictor: Predictor, years: float | None, verbose: int
) -> Visits:
    """The change since an earlier image, `years` before."""
    from sct_deepseg_general.change.measure import Scan
    from sct_deepseg_general.change.output import compared_visits
    from sct_deepseg_general.cli.requests.change import pair_remarks
    from sct_deepseg_general.cli.screens.segment import progress_bar

    image, path = done.result.image, done.job.image
    odd = pair_remarks(earlier.scan.image, image, (earlier.path, path))
    for sentence in (*earlier.remarks, *odd):
        print(f"Warning: {printable(sentence)}", file=sys.stderr)
    first, second = (earlier.path, earlier.scan), (path, Scan(image, {}, str(path)))
    with progress_bar(verbose, "Comparing") as progress:
        return compared_visits(first, second, years, predictor, progress)


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
