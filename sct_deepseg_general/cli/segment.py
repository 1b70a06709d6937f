"""The main command: images to segmentations, CSA and QC."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from sct_deepseg_general.cli.options.csa import (
    MeasureOptions,
    c2c3_line,
    check_measures,
    companion_names,
    csa_request,
    level_request,
    measuring,
)
from sct_deepseg_general.cli.options.norms import NormOptions, among_norms, norm_lines, norm_request
from sct_deepseg_general.cli.options.segment import (
    choosing_imported,
    ending,
    overwriting,
    segmenting,
    verbosity,
)
from sct_deepseg_general.errors import DeepsegError, ImageError
from sct_deepseg_general.files import clear_abandoned
from sct_deepseg_general.job.outputs import check_folder, check_writable, outputs_for

if TYPE_CHECKING:
    from sct_deepseg_general.change.output import Visits
    from sct_deepseg_general.csa.measure import CsaRequest
    from sct_deepseg_general.dicom.series import Person
    from sct_deepseg_general.inference.predictor import Predictor
    from sct_deepseg_general.job.job import Done, Job, Request
    from sct_deepseg_general.norms.assess import NormRequest
    from sct_deepseg_general.zoo.model import Model

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


@dataclass(frozen=True)
class SegmentOptions:
    """The values of all options of the main command."""

    images: tuple[Path, ...]
    series: int | None
    output: Path | None
    model: str | None
    device: str
    engine: str
    threshold: float | None
    largest: bool
    fill_holes: bool
    exact: bool
    soft: bool
    uncertainty: bool
    task: str | None
    label: str | None
    channels: tuple[Path, ...]
    trust: bool
    precision: str
    csa: bool
    measures: MeasureOptions
    among: NormOptions
    plot: Path | None
    reports: tuple[Path, ...]
    earlier: Path | None
    qc: Path | None
    qc_dataset: str | None
    qc_subject: str | None
    overwrite: tuple[str, ...]
    strict: bool
    offline: bool
    verbose: int


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
    images, person = _from_dicom(given)
    request = _request(images, given, person)
    chosen = _model(given)
    jobs = _jobs(images, request, chosen, given)
    if given.plot:
        check_writable((given.plot,), overwrite=bool(given.overwrite))
    _check_reports(images, given)
    predictor = _predictor(chosen, given)
    if len(jobs) == 1:
        return _ended([_one(jobs[0], predictor, request, given)], given)
    return _several(jobs, predictor, request, given)


def _from_dicom(given: SegmentOptions) -> tuple[tuple[Path, ...], Person | None]:
    """The images, a DICOM folder turned into one beside it or in -o, and whose it is."""
    images, output = given.images, given.output
    if len(images) != 1 or not os.path.isdir(images[0]):  # noqa: PTH112 - false for a circular link
        if given.series is not None:
            raise click.UsageError("-series needs one DICOM folder with -i.")
        return images, None
    from sct_deepseg_general.dicom.convert import converted
    from sct_deepseg_general.dicom.series import chosen, series_in

    one = chosen(series_in(images[0]), given.series)
    folder = images[0].absolute().parent if output is None else output
    if folder.name.endswith((".nii", ".nii.gz")):
        folder = folder.parent
    suffix = f"_{given.among.contrast}" if given.among.contrast else ""
    path = folder / f"{images[0].absolute().name}_series{one.number}{suffix}.nii.gz"
    check_writable((path,), overwrite=bool(given.overwrite))
    return (converted(one, path),), one.person


def _request(images: tuple[Path, ...], given: SegmentOptions, person: Person | None) -> Request:
    from sct_deepseg_general.inference.pipeline import Options
    from sct_deepseg_general.job.job import QcPlace, Request

    qc = None
    if given.qc is not None:
        qc = QcPlace(given.qc, given.qc_dataset or "", given.qc_subject or "")
    return Request(
        options=Options(**_mask_settings(given), label=given.label),
        soft=given.soft,
        csa=given.csa,
        qc=qc,
        command=shlex.join([PROGRAM, *sys.argv[1:]]),
        measures=_measures(images, given),
        names=companion_names(given.measures),
        levels=level_request(given.measures, also=_needs_levels(given)),
        norms=_norms(images, given, person),
    )


def _needs_levels(given: SegmentOptions) -> bool:
    among = given.among
    return among.age is not None or among.contrast is not None or bool(given.reports)


def _mask_settings(given: SegmentOptions) -> dict[str, Any]:
    """The values of the flags for the mask, by the names of the fields of `Options`."""
    names = ("threshold", "largest", "fill_holes", "exact", "uncertainty")
    return {name: getattr(given, name) for name in names}


def _check_reports(images: tuple[Path, ...], given: SegmentOptions) -> None:
    if given.earlier and not given.reports:
        raise click.UsageError("-earlier needs -report.")
    if not given.reports:
        return
    if len(images) > 1:
        raise click.UsageError("-report belongs to one image: give one with -i.")
    for path in given.reports:
        if path.suffix not in {".pdf", ".html"}:
            raise click.UsageError(f"-report {path}: name a .pdf or .html file.")
    check_writable(given.reports, overwrite=bool(given.overwrite))


def _measures(images: tuple[Path, ...], given: SegmentOptions) -> CsaRequest:
    """The rows of the table: of every slice, unless levels or regions are asked for."""
    check_measures(given.measures, image=True)
    measures = given.measures
    companions = {
        "-vertfile": measures.vertfile,
        "-discfile": measures.discfile,
        "-disc-at": measures.disc_at,
        "-pmj": measures.pmj,
        "-centerline": measures.centerline,
        "-plot": given.plot,
    }
    of_one = [name for name, value in companions.items() if value]
    if of_one and len(images) > 1:
        raise click.UsageError(f"{of_one[0]} belongs to one image: give one with -i.")
    return csa_request(given.measures)


def _norms(
    images: tuple[Path, ...], given: SegmentOptions, person: Person | None
) -> NormRequest | None:
    found = norm_request(images[0], given.among, person)
    if found is not None and len(images) > 1:
        raise click.UsageError("-age belongs to one image: give one with -i.")
    return found


def _jobs(
    images: tuple[Path, ...], request: Request, model: Model, given: SegmentOptions
) -> list[Job]:
    """A job for each image, after checks that its outputs can be written and nothing is lost."""
    from sct_deepseg_general.job.job import Job
    from sct_deepseg_general.job.labels import main_suffix
    from sct_deepseg_general.job.overwrite import Overwrite

    output = given.output
    if output is not None and len(images) > 1 and output.name.endswith((".nii", ".nii.gz")):
        raise click.UsageError("-o names one file for several images: give a folder.")
    if given.channels and len(images) > 1:
        raise click.UsageError("-channels belongs to one image: give one with -i.")
    results = _results(images)
    kept = [image for image in images if image not in results]
    suffix, channels = main_suffix(model, given.label), given.channels
    jobs = [Job(image, outputs_for(image, output, suffix), channels=channels) for image in kept]
    wanted = [_wanted(job, request, model) for job in jobs]
    _check_apart(kept, [path for paths in wanted for path in paths])
    overwrite = Overwrite.of_words(given.overwrite)
    if request.qc is not None:
        from sct_deepseg_general.qc.folder import check_report

        check_folder(request.qc.folder)
        check_report(request.qc.folder)
    for job, paths in zip(jobs, wanted, strict=True):
        if os.access(job.image, os.F_OK):  # what is wrong with an image is said when it is read
            check_writable(paths, overwrite=overwrite.own)
            overwrite.check(job.outputs)
    for folder in {path.parent for paths in wanted for path in paths}:
        clear_abandoned(folder)
    return jobs


def _written(done: Done, request: Request, model: Model) -> tuple[Path, ...]:
    """The files that were written for a job."""
    discs = done.job.outputs.discs
    paths = [path for path in _wanted(done.job, request, model) if path != discs]
    return (*paths, *done.disc_file)


def _wanted(job: Job, request: Request, model: Model) -> tuple[Path, ...]:
    """The files of a job, with those of the discs and of further labels where there may be some."""
    from sct_deepseg_general.job.labels import has_no_cord, label_paths

    outputs, given = job.outputs, request.measures.level_map is not None
    discs = () if request.levels is None or given or outputs.discs is None else (outputs.discs,)
    label = request.options.label
    csa = request.csa and not has_no_cord(model, label)
    return (*outputs.paths(csa, request.soft), *discs, *label_paths(model, label, outputs))


def _results(images: tuple[Path, ...]) -> set[Path]:
    """The files that are masks rather than images, which are skipped if there are images too.

    Raises
    ------
    ImageError
        No image is left.
    """
    from sct_deepseg_general.job.inputs import result_reason

    reasons = {image: reason for image in images if (reason := result_reason(image))}
    for image, reason in reasons.items():
        if len(reasons) == len(set(images)):
            raise ImageError(f"{image} is not an image to segment: {reason}.")
        print(f"Skipped {printable(image)}: {printable(reason)}.", file=sys.stderr)
    return set(reasons)


def _check_apart(images: Sequence[Path], outputs: list[Path]) -> None:
    """No two results in one file, and none in the place of an image."""
    inputs, seen = {os.path.realpath(image) for image in images}, set()
    for path in map(os.path.realpath, outputs):
        if path in inputs:
            raise click.UsageError(f"{path} is an image given with -i: choose another -o.")
        if path in seen:
            raise click.UsageError(f"Two results would both be written to {path}.")
        seen.add(path)


def _model(given: SegmentOptions) -> Model:
    """The model that -m or -task names; it is fetched and converted where that is allowed."""
    from sct_deepseg_general.cli.options.segment import fetch_options
    from sct_deepseg_general.zoo.zoo import resolve, task_key

    name = given.model
    if name is not None and given.task is not None:
        raise click.UsageError("-m and -task name two models: give one of them.")
    if given.task is not None:
        name = task_key(given.task)
    with fetch_options(trust=given.trust, offline=given.offline) as options:
        model = resolve(name, offline=given.offline, options=options)
    if given.label is not None:
        model.scheme.label(given.label)
    return model


def _predictor(model: Model, given: SegmentOptions) -> Predictor:
    from sct_deepseg_general.inference.predictor import load_predictor

    return load_predictor(model, given.engine, given.device, given.precision)


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
    from sct_deepseg_general.job.job import run

    with _bar(given.verbose) as progress:
        done = run(job, predictor, request, progress)
    if given.plot:
        _draw(done, given.plot)
    if given.reports:
        _report(done, predictor, given)
    _warn(done)
    if done.c2c3 is not None:
        name = printable(job.image.name)
        print(c2c3_line(name, done.c2c3, done.quality.status, done.levels))
    elif given.verbose:
        _tell(done, predictor, request, given.verbose)
    return done


def _warn(done: Done) -> None:
    """What is in doubt of the levels, on standard error."""
    remarks = [f"{done.region_name}: {one}" for one in done.region.remarks] if done.region else []
    for sentence in (*done.sentences, *remarks):
        print(f"Warning: {printable(sentence)}", file=sys.stderr)
    answer = done.levels
    if answer is None:
        return
    for sentence in answer.warnings:
        print(f"Warning: {printable(sentence)}", file=sys.stderr)
    if answer.withheld and done.c2c3 is None:
        reasons = "; ".join(answer.withheld)
        print(
            f"Warning: {printable(done.job.image)}: levels withheld: {reasons}. The table has a "
            "row for each slice, without levels.",
            file=sys.stderr,
        )


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


@contextmanager
def _bar(verbose: int) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on a terminal; nothing in a log file."""
    if not verbose or not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=1, label="Segmenting", file=sys.stderr) as bar:

        def progress(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield progress


def _tell(done: Done, predictor: Predictor, request: Request, verbose: int) -> None:
    image, outputs = done.job.image, done.job.outputs
    frames = done.result.image.frames
    if frames > 1:
        print(f"{printable(image)} is a series of {frames} volumes: their mean was segmented.")
    undefined = done.result.image.undefined
    if undefined:
        print(f"{printable(image)} has {undefined} voxels without a value (NaN): background.")
    size = _sizes(done, predictor.model, request) or f"mean CSA{_region(done)} {_area(done)}"
    print(f"{printable(image)}: {done.quality.status}, {size}, {done.seconds:.1f} s")
    for reason in done.quality.reasons:
        print(f"  {done.quality.status}: {reason}")
    for line in norm_lines(done.norms) if done.norms else ():
        print(line)
    for path in _written(done, request, predictor.model):
        print(f"  {printable(path)}")
    if done.qc_page is not None:
        print(f"  QC page: {done.qc_page}")
    if verbose > 1:
        _details(done, predictor)
    print("View it with:")
    names = (shlex.quote(printable(path)) for path in (image, outputs.segmentation))
    print("fsleyes {} -cm greyscale {} -cm red -a 70.0 &".format(*names))


def _sizes(done: Done, model: Model, request: Request) -> str:
    """The volume of each label where there is no cord to measure; "" otherwise."""
    from sct_deepseg_general.job.labels import has_no_cord, volumes, wanted_labels

    label = request.options.label
    if not has_no_cord(model, label):
        return ""
    sizes = volumes(done.result, wanted_labels(model, label))
    return ", ".join(f"{one.label.name} {one.volume:.1f} mm³" for one in sizes)


def _region(done: Done) -> str:
    return f" of {done.region_name}:" if done.region is not None else ""


def _area(done: Done) -> str:
    """The mean area and its interval."""
    interval = done.interval
    if interval is None:
        return f"{done.mean_area:.1f} mm²"
    return f"{done.mean_area:.1f} mm² ({interval[0]:.1f} to {interval[1]:.1f})"


def _details(done: Done, predictor: Predictor) -> None:
    engine, result = predictor.engine, done.result
    print(f"  model {predictor.model.key}, engine {engine.name} on {engine.device}")
    print(f"  image {result.image.grid.shape} at {result.image.grid.spacing} mm")
    print(f"  cropped to {result.location.box.shape} of {result.oriented.shape} voxels")
    print(f"  confidence {done.quality.confidence:.2f}")
