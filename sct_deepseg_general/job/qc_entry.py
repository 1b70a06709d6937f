"""The entry of a result on a QC page."""

from __future__ import annotations

import os
from pathlib import Path

from sct_deepseg_general import __version__
from sct_deepseg_general.inference.predictor import Predictor
from sct_deepseg_general.job import levels as job_levels
from sct_deepseg_general.job.labels import has_no_cord, labels_shown, of_all_labels
from sct_deepseg_general.job.qc_files import areas_shown
from sct_deepseg_general.job.values import Done, QcPlace, Request
from sct_deepseg_general.qc.entry import QcEntry, SliceArea, add_entry

__all__ = ["filed", "show", "slice_areas"]


def show(done: Done, predictor: Predictor, request: Request, place: QcPlace) -> Path:
    """Add the entry of a result to a QC page.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    OutputError
        The page cannot be written, or the folder is another program's.
    """
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
        c2c3=job_levels.c2c3_words(done.c2c3, done.levels),
        norms=done.norms.words if done.norms else "",
        region=done.region_name,
        region_slices=() if done.region is None else done.region.slices,
        interval=done.interval,
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
