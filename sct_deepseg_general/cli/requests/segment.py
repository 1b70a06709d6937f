"""The values of the main command's flags as images, jobs, a request and a model."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from sct_deepseg_general.cli._click import PROGRAM, printable
from sct_deepseg_general.cli.options.csa import (
    check_measures,
    companion_names,
    csa_request,
    level_request,
)
from sct_deepseg_general.cli.options.endings import PICTURE, check_ending
from sct_deepseg_general.cli.options.norms import check_own_area, norm_request
from sct_deepseg_general.cli.requests.dicom import check_objects, header_of, is_folder
from sct_deepseg_general.cli.requests.settings import settings_path
from sct_deepseg_general.errors import ImageError, OutputError
from sct_deepseg_general.files import clear_abandoned
from sct_deepseg_general.job.outputs import check_folder, check_writable, outputs_for

if TYPE_CHECKING:
    from sct_deepseg_general.cli.options.segment import SegmentOptions
    from sct_deepseg_general.csa.measure import CsaRequest
    from sct_deepseg_general.dicom.series import Series
    from sct_deepseg_general.inference.postprocess import Smallest
    from sct_deepseg_general.inference.predictor import Predictor
    from sct_deepseg_general.job.values import Done, Job, Request
    from sct_deepseg_general.norms.assess import NormRequest
    from sct_deepseg_general.zoo.model import Model

__all__ = [
    "check_flags",
    "images_and_series",
    "jobs_of",
    "model_of",
    "predictor_of",
    "request_of",
    "written_besides",
    "written_by_kind",
    "written_files",
]


def images_and_series(given: SegmentOptions) -> tuple[tuple[Path, ...], Series | None]:
    """The images, a DICOM folder turned into one beside it or in -o, and its series."""
    images, output = given.images, given.place
    if len(images) != 1 or not is_folder(images[0]):
        if given.series is not None:
            raise click.UsageError("-series needs one DICOM folder with -i.")
        check_objects(None, given)
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
    check_objects(one, given)
    return (converted(one, path),), one


def request_of(images: tuple[Path, ...], given: SegmentOptions, series: Series | None) -> Request:
    """What is to be done with each image: mask, areas, levels, centiles and QC page."""
    from sct_deepseg_general.inference.pipeline import Options
    from sct_deepseg_general.job.values import QcPlace, Request

    qc = None
    if given.qc is not None:
        from sct_deepseg_general.qc.folder import own_folder

        qc = QcPlace(own_folder(given.qc), given.qc_dataset or "", given.qc_subject or "")
    return Request(
        options=Options(
            **_mask_settings(given), label=given.label, smallest=_smallest(given.remove_small)
        ),
        soft=given.soft,
        csa=given.csa,
        qc=qc,
        command=shlex.join([PROGRAM, *sys.argv[1:]]),
        measures=_measures(images, given),
        excel=given.measures.excel,
        names=companion_names(given.measures),
        levels=level_request(given.measures, also=_needs_levels(given)),
        norms=_norms(images, given, series),
        header=header_of(series, keep=given.keep_dates),
    )


def _needs_levels(given: SegmentOptions) -> bool:
    among = given.among
    return among.age is not None or among.contrast is not None or bool(given.reports)


def _mask_settings(given: SegmentOptions) -> dict[str, Any]:
    """The values of the flags for the mask, by the names of the fields of `Options`."""
    names = ("threshold", "largest", "fill_holes", "exact", "uncertainty")
    return {name: getattr(given, name) for name in names}


def _smallest(size: str | None) -> Smallest | None:
    """The value of -remove-small: a number with its unit."""
    from sct_deepseg_general.inference.postprocess import Smallest

    if size is None:
        return None
    unit: Literal["vox", "mm3"] = "vox" if size.endswith("vox") else "mm3"
    return Smallest(float(size[:-3]), unit)


def check_flags(given: SegmentOptions) -> None:
    """Check the flags for a plot and a page before anything is read.

    Raises
    ------
    click.UsageError
        A name has another kind's ending, or a flag lacks the one that it belongs to.
    """
    check_ending("-plot", given.plot, PICTURE)
    check_own_area(given.among, given.measures.normalize)
    if given.earlier and not given.reports:
        raise click.UsageError("-earlier needs -report.")
    if given.reports and len(given.images) > 1:
        raise click.UsageError("-report belongs to one image: give one with -i.")
    for path in given.reports:
        check_ending("-report", path, (".pdf", ".html"))


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
    images: tuple[Path, ...], given: SegmentOptions, series: Series | None
) -> NormRequest | None:
    person = None if series is None else series.person
    found = norm_request(images[0], given.among, person, keep=given.keep_dates)
    if found is not None and len(images) > 1:
        raise click.UsageError("-age belongs to one image: give one with -i.")
    return found


def jobs_of(
    images: tuple[Path, ...], request: Request, model: Model, given: SegmentOptions
) -> list[Job]:
    """A job for each image, after checks that its outputs can be written and nothing is lost."""
    from sct_deepseg_general.job.labels import main_suffix
    from sct_deepseg_general.job.overwrite import Overwrite
    from sct_deepseg_general.job.values import Job

    output = given.place
    if output is not None and len(images) > 1 and output.name.endswith((".nii", ".nii.gz")):
        raise click.UsageError("-o names one file for several images: give a folder.")
    if given.channels and len(images) > 1:
        raise click.UsageError("-channels belongs to one image: give one with -i.")
    results = _results(images)
    kept = [image for image in images if image not in results]
    suffix, channels = main_suffix(model, given.label), given.channels
    jobs = [Job(image, outputs_for(image, output, suffix), channels=channels) for image in kept]
    wanted = [list(wanted_files(job, request, model)) for job in jobs]
    if wanted:
        wanted[0].append(settings_path(jobs[0].outputs.segmentation))
    _check_apart(kept, [path for paths in wanted for path in paths])
    overwrite = Overwrite.of_words(given.overwrite)
    if request.qc is not None:
        from sct_deepseg_general.qc.folder import check_report

        check_folder(request.qc.folder)
        check_report(request.qc.folder)
    if output is not None:
        _make(output.parent if output.name.endswith((".nii", ".nii.gz")) else output)
    for job, paths in zip(jobs, wanted, strict=True):
        if os.access(job.image, os.F_OK):  # what is wrong with an image is said when it is read
            check_writable(tuple(paths), overwrite=overwrite.own)
            overwrite.check(job.outputs)
    for folder in {path.parent for paths in wanted for path in paths}:
        clear_abandoned(folder)
    return jobs


def _make(folder: Path) -> None:
    check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot make the folder {folder}: {error.strerror}.") from error


def written_files(done: Done, request: Request, model: Model) -> tuple[Path, ...]:
    """The files that were written for a job."""
    discs = done.job.outputs.discs
    paths = [path for path in wanted_files(done.job, request, model) if path != discs]
    return (*paths, *done.disc_file)


def written_besides(done: Done, given: SegmentOptions) -> dict[str, Path]:
    """The pictures and pages that flags of their own asked for, by what they are."""
    kinds: dict[str, Path | None] = {
        "Plot": given.plot,
        **{f"Report ({path.suffix[1:]})": path for path in given.reports},
        "DICOM segmentation": given.dicom_seg,
        "DICOM structured report": given.dicom_sr,
        "QC page": done.qc_page,
    }
    return {kind: path for kind, path in kinds.items() if path is not None}


def written_by_kind(done: Done, request: Request, model: Model) -> dict[str, Path]:
    """The files that were written for a job, by what they are."""
    outputs = done.job.outputs
    kinds = {
        outputs.segmentation: "Mask",
        outputs.csa: "Table",
        outputs.soft: "Probability",
        outputs.sidecar: "Sidecar",
        outputs.discs: "Discs",
    }
    files = written_files(done, request, model)
    return {kinds.get(path) or f"Label {n}": path for n, path in enumerate(files)}


def wanted_files(job: Job, request: Request, model: Model) -> tuple[Path, ...]:
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


def model_of(given: SegmentOptions) -> Model:
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
    if given.remove_small is not None:
        _check_masks(model, given.label)
    return model


def _check_masks(model: Model, label: str | None) -> None:
    """Refuse -remove-small where the output is a map of labels and not a mask."""
    from sct_deepseg_general.job.labels import label_files

    if model.preprocessing is not None and label_files(model, label)[0].label is None:
        raise click.UsageError(
            f"-remove-small is for masks, and {model.key} writes a map of labels: choose one with "
            "-label."
        )


def predictor_of(model: Model, given: SegmentOptions) -> Predictor:
    """The model on the engine, device and precision that the flags name."""
    from sct_deepseg_general.inference.predictor import load_predictor

    return load_predictor(model, given.engine, given.device, given.precision)
