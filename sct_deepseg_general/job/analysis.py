"""The work on one image that reads and writes no file: segment, measure, check the quality."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sct_deepseg_general.csa.companions import centreline_aside, on_grid_of
from sct_deepseg_general.csa.measure import PER_SLICE, Measured, region_of, shapes, tabulated
from sct_deepseg_general.csa.selection import number_list
from sct_deepseg_general.image.kinds import check_is_image
from sct_deepseg_general.image.las import InLas
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.inference.pipeline import InferenceResult, segment
from sct_deepseg_general.inference.predictor import Predictor
from sct_deepseg_general.job import levels as job_levels
from sct_deepseg_general.job.labels import has_no_cord, unchecked
from sct_deepseg_general.job.values import Done, Job, Request
from sct_deepseg_general.morphometry.soft_area import areas_around, surroundings
from sct_deepseg_general.norms.assess import NormRequest, assessed
from sct_deepseg_general.norms.centile import Calibrations
from sct_deepseg_general.norms.columns import with_norms
from sct_deepseg_general.quality.assess import assess_result
from sct_deepseg_general.quality.border_scale import border_places
from sct_deepseg_general.quality.findings import Quality
from sct_deepseg_general.quality.uncertainty import Doubt, IntervalFactors, doubt, with_interval
from sct_deepseg_general.zoo.model import Model

__all__ = ["analysed"]


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
    body = result.in_las()
    answer = job_levels.level_answer(
        body.image, body.segmentation, request.measures, request.levels
    )
    request = replace(
        request, measures=job_levels.with_levels(body.segmentation, request.measures, answer)
    )
    measured, doubted = _measured(result, body, request, (model, threshold))
    table = measured.morphometrics.as_measured
    quality = assess_result(result, table, model, threshold, doubted.agreement, body)
    region = region_of(result.segmentation, measured, request.measures)
    selection = request.measures.selection
    if measured.absent and (selection.per_slice or selection.per_level):
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
    measured, doubted = _measured(nothing, nothing.in_las(), request, (model, model.threshold))
    measured = replace(measured, levels=levels)
    inside = result.probability.data[result.segmentation.data > 0]
    quality = Quality("warn", unchecked(result), float(inside.mean()) if inside.size else 0.0)
    return Done(
        job, result, measured, doubted, quality, 0.0, sentences=sentences, body=result.in_las()
    )


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


def _among_norms(done: Done, norms: NormRequest, model: Model) -> Done:
    """The result with each level's place among the norms, and its columns in a table of levels."""
    norms = replace(norms, repeat=done.table.repeat)
    found = assessed(
        done.table.as_measured,
        done.measured.single_levels,
        norms,
        Calibrations.from_record(model.norms),
    )
    rows = done.measured.table
    if found.places and any(len(row.slices) > 1 for row in rows.rows):
        rows = with_norms(rows, found)
    return replace(done, norms=found, measured=replace(done.measured, table=rows))
