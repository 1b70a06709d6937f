"""The files of a result: the mask, the table of areas and the sidecar, all of them or none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from sct_deepseg_general.csa.table import write as write_csa
from sct_deepseg_general.files import sha256, written_together
from sct_deepseg_general.image import nifti
from sct_deepseg_general.inference.predictor import Predictor
from sct_deepseg_general.job import levels as job_levels
from sct_deepseg_general.job.labels import has_no_cord, label_paths, labels_record, write_labels
from sct_deepseg_general.job.outputs import PRODUCER, Provenance, write_sidecar
from sct_deepseg_general.job.values import Done, Request
from sct_deepseg_general.quality.uncertainty import IntervalFactors

__all__ = ["area_record", "write"]


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
    moved = {"AveragePerson": round(done.table.shift, 3)} if done.table.shift else {}
    return {
        "Mean": round(done.mean_area, 3),
        "Lower": round(interval[0], 3),
        "Upper": round(interval[1], 3),
        "Level": factors.level,
        "Calibrated": factors.fitted,
        "From": done.doubt.source,
        **again,
        **named,
        **moved,
    }
