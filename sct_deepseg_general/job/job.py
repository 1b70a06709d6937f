"""The whole work on one image: read, segment, measure, check the quality, write.

The main command and the batch both call `run`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sct_deepseg_general import __version__
from sct_deepseg_general.csa.aggregate import Row
from sct_deepseg_general.csa.c2c3 import C2C3
from sct_deepseg_general.csa.companions import centreline_aside, on_grid_of
from sct_deepseg_general.csa.measure import (
    PER_SLICE,
    CsaRequest,
    Measured,
    region_of,
    shapes,
    tabulated,
)
from sct_deepseg_general.csa.selection import number_list
from sct_deepseg_general.csa.table import write as write_csa
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.files import FileStamp, sha256, written_together
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.companion import has_position
from sct_deepseg_general.image.kinds import check_is_image
from sct_deepseg_general.image.las import InLas
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.inference.pipeline import InferenceResult, Options, segment
from sct_deepseg_general.inference.predictor import Predictor
from sct_deepseg_general.job import levels as job_levels
from sct_deepseg_general.job.labels import (
    has_no_cord,
    label_paths,
    labels_record,
    labels_shown,
    of_all_labels,
    unchecked,
    write_labels,
)
from sct_deepseg_general.job.outputs import PRODUCER, Outputs, Provenance, write_sidecar
from sct_deepseg_general.job.qc_files import areas_shown
from sct_deepseg_general.levels.answer import LevelAnswer, LevelRequest
from sct_deepseg_general.morphometry.morphometrics import Morphometrics
from sct_deepseg_general.morphometry.soft_area import areas_around, surroundings
from sct_deepseg_general.norms.assess import Assessment, NormRequest, assessed
from sct_deepseg_general.norms.centile import Calibrations
from sct_deepseg_general.norms.columns import with_norms
from sct_deepseg_general.qc.entry import QcEntry, SliceArea, add_entry
from sct_deepseg_general.quality.assess import QualityEvidence, assess
from sct_deepseg_general.quality.border_scale import border_places
from sct_deepseg_general.quality.findings import Quality
from sct_deepseg_general.quality.uncertainty import Doubt, IntervalFactors, doubt, with_interval
from sct_deepseg_general.zoo.model import Model

__all__ = [
    "Done",
    "Job",
    "QcPlace",
    "Request",
    "analysed",
    "area_record",
    "filed",
    "judged",
    "run",
    "slice_areas",
    "write",
]


@dataclass(frozen=True)
class QcPlace:
    """The QC page to which an entry is added, and the names it gets there."""

    folder: Path
    dataset: str = ""
    """The name of the dataset; "" takes it from the path of the image."""
    subject: str = ""
    """The name of the subject; "" takes it from the path of the image."""
    at_once: bool = True
    """Whether the page shows each entry at once; otherwise `qc.folder.refresh` has to be called."""


@dataclass(frozen=True)
class Request:
    """The options that apply to every image of a call."""

    options: Options = field(default_factory=Options)
    soft: bool = False
    """Whether the probability map is written."""
    csa: bool = True
    """Whether the table of areas is written."""
    qc: QcPlace | None = None
    command: str = ""
    """The command line, for the QC page."""
    measures: CsaRequest = PER_SLICE
    """The rows of the table of areas, and how the areas are normalised."""
    norms: NormRequest | None = None
    """Among whom to place each level's area and diameters."""
    levels: LevelRequest | None = None
    """Find the vertebral levels in the image, or check and complete those of `measures`."""
    excel: bool = False
    """Whether the table writes ranges in words, which no spreadsheet takes for a time."""
    names: Mapping[str, str] = field(default_factory=dict)
    """The paths of the volumes in `measures`, by the names of its fields, for messages."""
    header: Mapping[str, Any] = field(default_factory=dict)
    """Age, sex and day of a DICOM header that the user wants in the sidecar."""


@dataclass(frozen=True)
class Job:
    """An image and the paths of its outputs."""

    image: Path
    outputs: Outputs
    contrast: str = ""
    source: str = ""
    """The image as a BIDS URI, for the sidecar; "" for its file name."""
    channels: tuple[Path, ...] = ()
    """Further images that the model takes together with the first."""
    sha256: str | None = None
    """Of the image's file; None: of what the file holds when the outputs are written; "" for an
    image without a file."""


@dataclass(frozen=True, eq=False)
class Done:
    """The results of a job."""

    job: Job
    result: InferenceResult
    measured: Measured
    doubt: Doubt
    quality: Quality
    seconds: float
    """Time from reading the image to the last file written, without the QC page."""
    qc_page: Path | None = None
    norms: Assessment | None = None
    """Where the levels lie among the norms, if norms were requested."""
    levels: LevelAnswer | None = None
    c2c3: C2C3 | None = None
    """The area of C2-C3; None, like the levels, unless requested."""
    region: Row | None = None
    """The row of the region that was asked for; None where the whole cord was."""
    sentences: tuple[str, ...] = ()
    """What the user should know of the files that go with the image."""
    body: InLas | None = None
    """The image, mask and probability in LAS."""
    measures: CsaRequest = PER_SLICE
    """What was measured, with the levels that were found."""

    @property
    def disc_file(self) -> tuple[Path, ...]:
        """The file of the discs, if some were found."""
        path = self.job.outputs.discs
        return (path,) if path and self.levels is not None and self.levels.written else ()

    @property
    def table(self) -> Morphometrics:
        """Area (mm²) and shape of every slice, with the soft area and the interval of the area."""
        return self.measured.morphometrics

    @property
    def mean_area(self) -> float:
        """Mean cross-sectional area in mm², of the region that was asked for or of all slices with
        cord; NaN without cord.
        """
        if self.region is not None:
            return self._of_region("MEAN(area)")
        area = self.table.area
        return float(np.nanmean(area)) if np.isfinite(area).any() else float("nan")

    @property
    def interval(self) -> tuple[float, float] | None:
        """The interval of the mean area in mm², None without cord.

        It is narrower than those of the slices; see `morphometry.region_interval`.
        """
        slices = None if self.region is None else np.array(self.region.slices)
        return self.table.mean_interval(slices)

    @property
    def repeated(self) -> tuple[float, float] | None:
        """Where the mean area (mm²) of a second scan of the same person would lie, if known."""
        return self.table.mean_repeat(self.mean_area)

    @property
    def region_name(self) -> str:
        """The region that was asked for in words; "" for the whole cord."""
        return "" if self.region is None else self.region.name

    def _of_region(self, column: str) -> float:
        return float(self.measured.table.column(column)[0])


def run(
    job: Job,
    predictor: Predictor,
    request: Request,
    progress: Callable[[int, int], None] | None = None,
) -> Done:
    """Segment and measure one image, and write its outputs: all of them, or none.

    Parameters
    ----------
    job
        The image and the paths of its outputs.
    predictor
        The loaded model.
    request
        What is measured and written.
    progress
        Called with the number of patches that the network has done, and of all patches.

    Returns
    -------
    Done
        The segmentation, the areas and the quality check.

    Raises
    ------
    ImageError
        The image cannot be used, or it was changed while it was worked on.
    OutputError
        A result cannot be written.

    Examples
    --------
    >>> from sct_deepseg_general.inference.predictor import load_predictor
    >>> from sct_deepseg_general.job.outputs import outputs_for
    >>> from sct_deepseg_general.zoo.zoo import resolve
    >>> image, mask = Path("t2.nii.gz"), Path("t2_cord.nii.gz")
    >>> done = run(Job(image, outputs_for(image, mask)), load_predictor(resolve(None)), Request())
    >>> done.quality.status, mask.exists(), 60 < done.mean_area < 90
    ('ok', True, True)
    """
    started = time.perf_counter()
    stamp = FileStamp.if_present(job.image)
    image = nifti.load(job.image)
    others = [nifti.load(path) for path in job.channels]
    done = analysed(image, job, predictor, request, progress, others)
    if FileStamp.if_present(job.image) != stamp:
        raise ImageError(f"{job.image} changed while it was worked on: run again.")
    write(done, predictor, request)
    done = replace(done, seconds=time.perf_counter() - started)
    if request.qc is None:
        return done
    return replace(done, qc_page=_show(done, predictor, request, request.qc))


def analysed(
    image: Volume,
    job: Job,
    predictor: Predictor,
    request: Request,
    progress: Callable[[int, int], None] | None = None,
    others: Sequence[Volume] = (),
) -> Done:
    """Segment and measure an image, and check the quality; no file is read or written.

    Parameters
    ----------
    image
        Intensities (x, y, z) on their grid.
    job
        The names of the image and its outputs, for messages and for `write`.
    predictor
        The loaded model.
    request
        What is measured.
    progress
        Called with the number of patches that the network has done, and of all patches.
    others
        Further images that the model takes together with the first.

    Raises
    ------
    ImageError
        The image, or a volume of the request, cannot be used.
    """
    check_is_image(image, str(job.image))
    measures, sentences = on_grid_of(image, request.measures, str(job.image), request.names)
    request = replace(request, measures=measures)
    result = segment(image, predictor, request.options, progress, others)
    model = predictor.model
    if has_no_cord(model, request.options.label):
        return _without_cord(job, result, predictor, request, sentences)
    threshold = request.options.cleaning(model.threshold).threshold
    body = in_las(result)
    answer = job_levels.level_answer(
        body.image, body.segmentation, request.measures, request.levels
    )
    request = replace(
        request, measures=job_levels.with_levels(body.segmentation, request.measures, answer)
    )
    measured, doubted = _measured(result, body, request, (model, threshold))
    quality = judged(result, measured.morphometrics, doubted, model, threshold, body)
    region = region_of(measured, request.measures)
    if measured.absent and region is None:
        absent = number_list(measured.absent)
        sentences = (*sentences, f"level {absent} was asked for and is not there")
    if request.measures.centreline is not None:
        name = request.names.get("centreline", "the mask for the centreline")
        aside = centreline_aside(request.measures.centreline, result.segmentation, name)
        sentences = (*sentences, aside) if aside else sentences
    done = Done(
        job, result, measured, doubted, quality, 0.0,
        levels=answer, region=region, sentences=sentences, body=body, measures=request.measures,
    )  # fmt: skip
    if request.levels is not None and request.levels.c2c3:
        done = replace(done, c2c3=job_levels.c2c3_area(measured, answer))
    if request.norms is not None:
        done = _among_norms(done, request.norms, model)
    return done


def _without_cord(
    job: Job,
    result: InferenceResult,
    predictor: Predictor,
    request: Request,
    sentences: tuple[str, ...],
) -> Done:
    """The result of a model, or a label, that is not the cord: without areas and their checks."""
    model = predictor.model
    nothing = replace(
        result,
        segmentation=replace(result.segmentation, data=np.zeros_like(result.segmentation.data)),
    )
    levels, sentence = job_levels.levels_of_labels(result, request.measures, request.levels)
    sentences = (*sentences, sentence) if sentence else sentences
    request = replace(request, measures=PER_SLICE, levels=None, norms=None)
    measured, doubted = _measured(nothing, in_las(nothing), request, (model, model.threshold))
    measured = replace(measured, levels=levels)
    inside = result.probability.data[result.segmentation.data > 0]
    quality = Quality("warn", unchecked(result), float(inside.mean()) if inside.size else 0.0)
    return Done(
        job, result, measured, doubted, quality, 0.0, sentences=sentences, body=in_las(result)
    )


def in_las(result: InferenceResult) -> InLas:
    """A result's image, mask and probability in LAS."""
    return InLas.of(result.image, result.segmentation, result.probability)


def _measured(
    result: InferenceResult, body: InLas, request: Request, by: tuple[Model, float]
) -> tuple[Measured, Doubt]:
    """The areas with their interval, and the uncertainty; `by` is the model and threshold."""
    model, threshold = by
    mask = body.segmentation
    wanted = request.measures
    table = shapes(mask, wanted)
    around = surroundings(mask, table)
    table = replace(table, soft_area=areas_around(around, body.probability, table))
    other = result.other_probabilities(mask.grid)
    doubted = doubt(body.probability, around, table, threshold, other)
    factors = IntervalFactors.from_record(model.intervals)
    if factors.scale is not None:
        places = border_places(body.image, body.probability, mask)
        doubted = replace(doubted, border=places)
    table = with_interval(table, doubted, factors)
    return tabulated(result.segmentation, table, wanted), doubted


def judged(
    result: InferenceResult,
    table: Morphometrics,
    doubted: Doubt,
    model: Model,
    threshold: float,
    body: InLas | None = None,
) -> Quality:
    """Check the quality of a result.

    Parameters
    ----------
    result
        The segmentation, and how the cord was found.
    table
        The area (mm²) and shape of every slice.
    doubted
        How far the area depends on the threshold and on altered copies of the image.
    model
        The model; its typical images are compared with this one.
    threshold
        Probability from 0 to 1 above which a voxel is cord.
    body
        The result `in_las`, where it is at hand.
    """
    body = body or in_las(result)
    return assess(
        QualityEvidence(
            segmentation=body.segmentation,
            probability=body.probability,
            table=table,
            threshold=threshold,
            found=result.location.found,
            box=result.location.box,
            oriented=result.oriented,
            image=body.image,
            coarse=result.location.coarse,
            coarse_confidence=result.location.confidence,
            agreement=doubted.agreement,
            placed=has_position(result.image),
            typical=model.typical,
        )
    )


def _among_norms(done: Done, norms: NormRequest, model: Model) -> Done:
    """The result with each level's place among the norms, and its columns in a table of levels."""
    norms = replace(norms, repeat=done.table.repeat)
    found = assessed(
        done.table, done.measured.single_levels, norms, Calibrations.from_record(model.norms)
    )
    rows = done.measured.table
    if found.places and any(len(row.slices) > 1 for row in rows.rows):
        rows = with_norms(rows, found)
    return replace(done, norms=found, measured=replace(done.measured, table=rows))


def write(done: Done, predictor: Predictor, request: Request) -> None:
    """Write the outputs of a result: all of them, or none.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    outputs, result = done.job.outputs, done.result
    model, label = predictor.model, request.options.label
    csa = request.csa and not has_no_cord(model, label)
    paths = outputs.paths(csa, request.soft)
    further = label_paths(model, label, outputs)
    with written_together((*paths, *done.disc_file, *further)) as temporary:
        write_labels(result, model, label, outputs, temporary, done.measured.levels)
        for path in done.disc_file:
            nifti.save(job_levels.disc_labels(done.levels, result.image), temporary[path], np.uint8)
        if request.soft:
            nifti.save(result.probability, temporary[outputs.soft])
        if csa:
            rows = replace(done.measured.table, spelled=request.excel)
            source = str(outputs.segmentation)
            status, reasons = done.quality.status, done.quality.reasons
            write_csa(
                temporary[outputs.csa], rows, source, PRODUCER,
                status=status, reasons=reasons,
            )  # fmt: skip
        provenance = _provenance(done, predictor, request)
        provenance = replace(provenance, mask_sha256=sha256(temporary[outputs.segmentation]))
        write_sidecar(provenance, temporary[outputs.sidecar])


def _provenance(done: Done, predictor: Predictor, request: Request) -> Provenance:
    model, options = predictor.model, request.options
    return Provenance(
        image=done.job.image,
        image_sha256=done.job.sha256,
        model_key=model.key,
        model_digest=model.digest,
        engine=predictor.engine.name,
        device=predictor.engine.device,
        status=done.quality.status,
        reasons=done.quality.reasons,
        frames=done.result.image.frames,
        undefined=done.result.image.undefined,
        source=done.job.source,
        parameters={
            "threshold": options.cleaning(model.threshold).threshold,
            "largest": options.largest,
            "fill_holes": options.fill_holes,
            "exact": options.exact,
            "uncertainty": options.uncertainty,
            **({"smallest": options.smallest.text} if options.smallest else {}),
            "angle_correction": done.measures.angle_correction,
            "centreline": done.measures.fit.algorithm,
        },
        area=area_record(done, IntervalFactors.from_record(model.intervals)),
        **labels_record(done.result, model, options.label, done.job.outputs),
        norms={} if done.norms is None else done.norms.summary(),
        header=request.header,
        levels=job_levels.levels_record(done.levels, done.c2c3),
    )


def area_record(done: Done, factors: IntervalFactors) -> dict[str, Any]:
    """The mean area over the slices with cord, in mm², and its interval."""
    interval = done.interval
    if interval is None:
        return {}
    repeated = done.repeated
    again = {} if repeated is None else {"Repeat": [round(end, 3) for end in repeated]}
    named = {"Region": done.region_name} if done.region is not None else {}
    return {
        "Mean": round(done.mean_area, 3),
        "Lower": round(interval[0], 3),
        "Upper": round(interval[1], 3),
        "Level": factors.level,
        "Calibrated": factors.fitted,
        "From": done.doubt.source,
        **again,
        **named,
    }


def _show(done: Done, predictor: Predictor, request: Request, place: QcPlace) -> Path:
    result, body, label = done.result, done.body, request.options.label
    labels = labels_shown(result, predictor.model, label)
    alone = bool(labels) and has_no_cord(predictor.model, label)
    if alone:  # there is no main label: all are shown
        result, body = of_all_labels(result), None
    dataset, subject, contrast = filed(done.job.image)
    entry = QcEntry(
        image=result.image,
        segmentation=result.segmentation,
        probability=None if alone else result.probability,
        body=body,
        box=result.location.box.on_axes(result.oriented, result.image.grid),
        csa=slice_areas(done),
        status=done.quality.status,
        reasons=done.quality.reasons,
        confidence=done.quality.confidence,
        model=predictor.model.key,
        command=request.command,
        input_name=str(done.job.image),
        mask_name=str(done.job.outputs.segmentation),
        dataset=place.dataset or dataset,
        subject=place.subject or subject,
        contrast=done.job.contrast or contrast,
        seconds=done.seconds,
        version=__version__,
        discs=job_levels.discs_shown(done.levels),
        levels=job_levels.levels_words(done.levels),
        c2c3=job_levels.c2c3_words(done.c2c3),
        region=done.region_name,
        region_slices=() if done.region is None else done.region.slices,
        labels=labels,
    )
    return add_entry(place.folder, entry, at_once=place.at_once)


def filed(image: Path) -> tuple[str, str, str]:
    """Dataset, subject (with session) and contrast of an image for a QC page.

    They are taken from a BIDS name and its folders; otherwise they are the names of the three
    folders above the image, as in SCT.

    Examples
    --------
    >>> filed(Path("/data/neck/sub-01/ses-2/anat/sub-01_ses-2_T2w.nii.gz"))
    ('neck', 'sub-01 ses-2', 'T2w')
    >>> filed(Path("/data/study/anna/t2/t2.nii.gz"))
    ('study', 'anna', 't2')
    """
    full = Path(os.path.abspath(image))  # noqa: PTH100 - resolve would follow the links of annexes
    folders = [*(folder.name for folder in full.parents), "", "", ""]
    first, *rest = image.name.split(".")[0].split("_")
    contrast = rest[-1] if first.startswith("sub-") and rest else ""
    if contrast and first in folders:
        session = [word for word in rest[:1] if word.startswith("ses-")]
        return folders[folders.index(first) + 1], " ".join([first, *session]), contrast
    return folders[2], folders[1], contrast or folders[0]


def slice_areas(done: Done) -> tuple[SliceArea, ...]:
    """The area of each slice in mm² as the QC page shows it, from the lowest slice upwards."""
    grid, levels = done.result.image.grid, done.measured.levels
    bands = done.norms.plotted() if done.norms else {}
    covers = done.measured.covers
    return areas_shown(grid, done.table, levels, done.quality.flagged, bands, covers)
