"""The whole work on one image: read, segment, measure, check the quality, write.

The main command and the batch both call `run`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.files import FileStamp
from sct_deepseg_general.image import nifti
from sct_deepseg_general.inference.predictor import Predictor
from sct_deepseg_general.job.analysis import analysed
from sct_deepseg_general.job.qc_entry import show
from sct_deepseg_general.job.values import Done, Job, Request
from sct_deepseg_general.job.writing import write

__all__ = ["run"]


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
    >>> from pathlib import Path
    >>> from sct_deepseg_general.inference.predictor import load_predictor
    >>> from sct_deepseg_general.job.outputs import outputs_for
    >>> from sct_deepseg_general.job.values import Job, Request
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
    return replace(done, qc_page=show(done, predictor, request, request.qc))
