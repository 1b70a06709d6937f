"""One image's whole work: read, segment, measure, judge, write. The main command and the
batch both do this and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sct_deepseg_general import __version__
from sct_deepseg_general.csa import table as csa_table
from sct_deepseg_general.csa.c2c3 import C2C3
from sct_deepseg_general.csa.measure import PER_SLICE, CsaRequest, Measured, shapes, tabulated
from sct_deepseg_general.csa.plot import level_name
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.files import written_together
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.inference.pipeline import Options, Result, segment
from sct_deepseg_general.inference.predictor import Predictor
from sct_deepseg_general.job.levels import (
    c2c3_area,
    c2c3_words,
    disc_labels,
    discs_shown,
    level_answer,
    levels_record,
    levels_words,
    with_levels,
)
from sct_deepseg_general.job.outputs import Outputs, Provenance, write_sidecar
from sct_deepseg_general.levels.answer import LevelAnswer, LevelRequest
from sct_deepseg_general.morphometry.morphometrics import Morphometrics
from sct_deepseg_general.morphometry.soft_area import soft_areas
from sct_deepseg_general.qc.display import box_on
from sct_deepseg_general.qc.entry import Entry, SliceArea, add_entry
from sct_deepseg_general.quality.assess import Evidence, Quality, assess
from sct_deepseg_general.quality.uncertainty import Calibration, Doubt, doubt, with_interval
from sct_deepseg_general.zoo.model import Model

__all__ = ["Done", "Job", "QcPlace", "Request", "filed", "judged", "run", "slice_areas"]

PRODUCER = f"sct_deepseg_sc_general {__version__}"


@dataclass(frozen=True)
class QcPlace:
    """The QC page to add to, and how the entry is filed there."""

    folder: Path
    dataset: str = ""
    subject: str = ""
    at_once: bool = True
    """Whether the page shows each entry at once; if not, refresh it when all are done."""


@dataclass(frozen=True)
class Request:
    """What is wanted for every image of a call."""

    options: Options = field(default_factory=Options)
    soft: bool = False
    csa: bool = True
    qc: QcPlace | None = None
    command: str = ""
    measures: CsaRequest = PER_SLICE
    """The rows of the table of areas, and what they are divided by."""
    levels: LevelRequest | None = None
    """Find the vertebral levels in the image, or check and complete those of `measures`."""


@dataclass(frozen=True)
class Job:
    """An image and where its results go."""

    image: Path
    outputs: Outputs
    contrast: str = ""
    source: str = ""
    """The image as a BIDS URI, for the sidecar; "" for its file name."""


@dataclass(frozen=True, eq=False)
class Done:
    """What was made of a job."""

    job: Job
    result: Result
    measured: Measured
    doubt: Doubt
    quality: Quality
    seconds: float
    """From reading to the last file written, QC page left out."""
    qc_page: Path | None = None
    levels: LevelAnswer | None = None
    """The vertebral levels, where they were asked for and there is a cord."""
    c2c3: C2C3 | None = None
    """The area of C2-C3, where it was asked for."""

    @property
    def disc_file(self) -> tuple[Path, ...]:
        """The file of the discs, where some were found."""
        path = self.job.outputs.discs
        found = self.levels is not None and self.levels.written and path is not None
        return (path,) if found and path is not None else ()

    @property
    def table(self) -> Morphometrics:
        """Area and shape of every slice, with the soft area and the area's interval."""
        return self.measured.morphometrics

    @property
    def mean_area(self) -> float:
        """Mean cross-sectional area in mm² over the slices with cord; NaN without any."""
        area = self.table.area
        return float(np.nanmean(area)) if np.isfinite(area).any() else float("nan")

    @property
    def interval(self) -> tuple[float, float] | None:
        """The interval of the mean area in mm²: the mean of the slices' ends, as if their errors
        had one cause; None without cord.
        """
        lower, upper = self.table.area_lower, self.table.area_upper
        if lower is None or upper is None or not self.table.slices.size:
            return None
        return float(np.nanmean(lower)), float(np.nanmean(upper))


def run(
    job: Job,
    predictor: Predictor,
    request: Request,
    progress: Callable[[int, int], None] | None = None,
) -> Done:
    """Do the job; the files are written whole and together, or none is.

    Raises:
        ImageError: the image cannot be used, or changed meanwhile.
        OutputError: a result cannot be written.
    """
    started = time.perf_counter()
    stamp = _stamp(job.image)
    image = nifti.load(job.image)
    result = segment(image, predictor, request.options, progress)
    model = predictor.model
    threshold = request.options.cleaning(model.threshold).threshold
    mask = result.segmentation
    answer = level_answer(image, mask, request.measures, request.levels)
    request = replace(request, measures=with_levels(request.measures, mask, answer))
    measured, doubted = _measured(result, model, request, threshold)
    quality = judged(result, measured.morphometrics, doubted, model, threshold)
    done = Done(job, result, measured, doubted, quality, 0.0, None, answer)
    if request.levels is not None and request.levels.c2c3:
        done = replace(done, c2c3=c2c3_area(measured, answer))
    if _stamp(job.image) != stamp:
        raise ImageError(f"{job.image} changed while it was worked on: run again.")
    _write(done, predictor, request)
    done = replace(done, seconds=time.perf_counter() - started)
    if request.qc is None:
        return done
    return replace(done, qc_page=_show(done, predictor, request, request.qc))


def _stamp(image: Path) -> tuple[int, int] | None:
    """Size and time of change of a file; None where it is not there."""
    try:
        found = image.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _measured(
    result: Result, model: Model, request: Request, threshold: float
) -> tuple[Measured, Doubt]:
    """The areas with their interval, and how far they are in doubt."""
    mask = result.segmentation
    wanted = request.measures
    table = shapes(mask, wanted)
    table = replace(table, soft_area=soft_areas(result.probability, mask, table))
    other = result.other_probabilities()
    doubted = doubt(result.probability, mask, table, threshold, other)
    table = with_interval(table, doubted, Calibration.from_record(model.intervals))
    return tabulated(mask, table, wanted), doubted


def judged(
    result: Result, table: Morphometrics, doubted: Doubt, model: Model, threshold: float
) -> Quality:
    """Whether a result, measured as `table`, is believable."""
    return assess(
        Evidence(
            segmentation=result.segmentation,
            probability=result.probability,
            table=table,
            threshold=threshold,
            found=result.location.found,
            box=result.location.box,
            oriented=result.oriented,
            image=result.image,
            coarse=result.location.coarse,
            coarse_confidence=result.location.confidence,
            agreement=doubted.agreement,
            typical=model.typical,
        )
    )


def _write(done: Done, predictor: Predictor, request: Request) -> None:
    outputs, result = done.job.outputs, done.result
    paths = outputs.wanted(request.csa, request.soft)
    with written_together((*paths, *done.disc_file)) as temporary:
        nifti.save(result.segmentation, temporary[outputs.segmentation])
        for path in done.disc_file:
            nifti.save(disc_labels(done.levels, result.image), temporary[path], np.uint8)
        if request.soft:
            nifti.save(result.probability, temporary[outputs.soft])
        if request.csa:
            rows, source = done.measured.table, str(outputs.segmentation)
            status = done.quality.status
            csa_table.write(temporary[outputs.csa], rows, source, PRODUCER, status=status)
        write_sidecar(_provenance(done, predictor, request), temporary[outputs.sidecar])


def _provenance(done: Done, predictor: Predictor, request: Request) -> Provenance:
    model, options = predictor.model, request.options
    return Provenance(
        image=done.job.image,
        model_key=model.key,
        model_digest=model.digest,
        engine=predictor.engine.name,
        device=predictor.engine.device,
        status=done.quality.status,
        reasons=done.quality.reasons,
        frames=done.result.image.frames,
        source=done.job.source,
        parameters={
            "threshold": options.cleaning(model.threshold).threshold,
            "largest": options.largest,
            "fill_holes": options.fill_holes,
            "exact": options.exact,
            "uncertainty": options.uncertainty,
        },
        area=_area(done, Calibration.from_record(model.intervals)),
        levels=levels_record(done.levels, done.c2c3),
    )


def _area(done: Done, calibration: Calibration) -> dict[str, Any]:
    """The mean area over the slices with cord, in mm², and its interval."""
    interval = done.interval
    if interval is None:
        return {}
    return {
        "Mean": round(done.mean_area, 3),
        "Lower": round(interval[0], 3),
        "Upper": round(interval[1], 3),
        "Level": calibration.level,
        "Calibrated": calibration.fitted,
        "From": "edge" if done.doubt.views is None else "edge and views",
    }


def _show(done: Done, predictor: Predictor, request: Request, place: QcPlace) -> Path:
    result = done.result
    dataset, subject, contrast = filed(done.job.image)
    entry = Entry(
        image=result.image,
        segmentation=result.segmentation,
        probability=result.probability,
        box=box_on(result.location.box, result.oriented, result.image.grid),
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
        discs=discs_shown(done.levels),
        levels=levels_words(done.levels),
        c2c3=c2c3_words(done.c2c3),
    )
    return add_entry(place.folder, entry, at_once=place.at_once)


def filed(image: Path) -> tuple[str, str, str]:
    """Dataset, subject (with session) and contrast of an image on a QC page: what its BIDS name
    and tree tell, or the names of the three folders above it, as SCT's QC has it.
    """
    folders = [*(folder.name for folder in image.resolve().parents), "", "", ""]
    first, *rest = image.name.split(".")[0].split("_")
    contrast = rest[-1] if first.startswith("sub-") and rest else ""
    if contrast and first in folders:
        session = [word for word in rest[:1] if word.startswith("ses-")]
        return folders[folders.index(first) + 1], " ".join([first, *session]), contrast
    return folders[2], folders[1], contrast or folders[0]


def slice_areas(done: Done) -> tuple[SliceArea, ...]:
    """The areas as the QC page draws them, from the lowest slice up."""
    grid = done.result.segmentation.grid.reoriented(AXES)
    if len(done.table.shapes) != grid.shape[2]:
        raise ImageError("The table of areas does not fit the image: measure it again.")
    heights = grid.affine[2, 3] + grid.affine[2, 2] * np.arange(grid.shape[2])
    table, levels = done.table, done.measured.levels
    return tuple(
        SliceArea(
            int(z),
            float(heights[z]),
            float(table.area[z]),
            None if table.area_lower is None else float(table.area_lower[z]),
            None if table.area_upper is None else float(table.area_upper[z]),
            level_name(int(levels[z])) if levels is not None and levels[z] else "",
            int(z) in done.quality.flagged,
        )
        for z in table.slices
    )
