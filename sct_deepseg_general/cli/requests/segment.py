"""The values of the main command's flags as images, jobs, a request and a model."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sct_deepseg_general.cli._click import PROGRAM, printable
from sct_deepseg_general.cli.options.csa import (
    check_measures,
    companion_names,
    csa_request,
    level_request,
)
from sct_deepseg_general.cli.options.norms import norm_request
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.files import clear_abandoned
from sct_deepseg_general.job.outputs import check_folder, check_writable, outputs_for

if TYPE_CHECKING:
    from sct_deepseg_general.cli.options.segment import SegmentOptions
    from sct_deepseg_general.csa.measure import CsaRequest
    from sct_deepseg_general.dicom.series import Person
    from sct_deepseg_general.inference.predictor import Predictor
    from sct_deepseg_general.job.job import Done, Job, Request
    from sct_deepseg_general.norms.assess import NormRequest
    from sct_deepseg_general.zoo.model import Model

__all__ = [
    "check_reports",
    "images_and_person",
    "jobs_of",
    "model_of",
    "predictor_of",
    "request_of",
    "written_files",
]


def images_and_person(given: SegmentOptions) -> tuple[tuple[Path, ...], Person | None]:
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


def request_of(images: tuple[Path, ...], given: SegmentOptions, person: Person | None) -> Request:
    """What is to be done with each image: mask, areas, levels, centiles and QC page."""
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


def check_reports(images: tuple[Path, ...], given: SegmentOptions) -> None:
    """Check before work starts that the reports of `-report` and `-earlier` can be written."""
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


def jobs_of(
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
    wanted = [wanted_files(job, request, model) for job in jobs]
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


def written_files(done: Done, request: Request, model: Model) -> tuple[Path, ...]:
    """The files that were written for a job."""
    discs = done.job.outputs.discs
    paths = [path for path in wanted_files(done.job, request, model) if path != discs]
    return (*paths, *done.disc_file)


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
    return model


def predictor_of(model: Model, given: SegmentOptions) -> Predictor:
    """The model on the engine, device and precision that the flags name."""
    from sct_deepseg_general.inference.predictor import load_predictor

    return load_predictor(model, given.engine, given.device, given.precision)
