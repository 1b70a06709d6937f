"""The areas of a mask that was edited: measured as it is, and written beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sct_deepseg_general.csa.c2c3 import C2C3
from sct_deepseg_general.csa.companions import on_grid_of
from sct_deepseg_general.csa.measure import PER_SLICE, CsaRequest, Measured, measured
from sct_deepseg_general.csa.table import write as write_csa
from sct_deepseg_general.files import stem_of, write_json
from sct_deepseg_general.image import nifti
from sct_deepseg_general.job.levels import c2c3_area, level_answer, levels_record, with_levels
from sct_deepseg_general.job.outputs import PRODUCER, Outputs, read_sidecar
from sct_deepseg_general.job.overwrite import EDITED, is_own, mask_origin
from sct_deepseg_general.levels.answer import LevelAnswer, LevelRequest

__all__ = ["EditedMask", "describe_edited", "remeasured"]

REASON = "the mask was edited: no interval, and no quality check of it"


@dataclass(frozen=True, eq=False)
class EditedMask:
    """The areas of a mask that was edited."""

    mean_area: float | None
    """Mean cross-sectional area in mm² over the slices with cord; None without cord."""
    slices: int
    """Number of slices with cord."""
    levels: LevelAnswer | None
    """The vertebral levels, where they were requested."""
    c2c3: C2C3 | None
    """The area of C2-C3, where levels were requested."""
    measured: Measured
    """The measures of every slice."""
    reasons: tuple[str, ...] = (REASON,)


def remeasured(
    image: Path,
    outputs: Outputs,
    measures: CsaRequest = PER_SLICE,
    levels: LevelRequest | None = None,
    *,
    csa: bool = True,
) -> EditedMask:
    """Measure an edited mask, and write its areas and its status beside it.

    The mask is not changed. The sidecar keeps what it says of the program and of the mask that
    the program wrote; its area, levels, status and reasons become those of the edited mask.

    Parameters
    ----------
    image
        The image; it is read only if levels are requested.
    outputs
        The paths of the mask, the sidecar and the areas.
    measures
        The rows of the table of areas.
    levels
        How vertebral levels are found; None for no levels.
    csa
        Whether the table of areas is written.

    Returns
    -------
    EditedMask
        The areas in mm².

    Raises
    ------
    ImageError
        The mask, or the image, cannot be read.
    OutputError
        A file cannot be written.
    """
    mask = nifti.load_segmentation(outputs.segmentation)
    measures, _ = on_grid_of(mask, measures, str(outputs.segmentation))
    volume = None if levels is None else nifti.load(image)
    answer = None if volume is None else level_answer(volume, mask, measures, levels)
    result = measured(mask, with_levels(mask, measures, answer))
    area = result.morphometrics.area
    with_cord = np.isfinite(area) & (area > 0)
    mean = round(float(area[with_cord].mean()), 4) if with_cord.any() else None
    if csa:
        source = str(outputs.segmentation)
        write_csa(outputs.csa, result.table, source, PRODUCER, status=EDITED)
    c2c3 = None if levels is None else c2c3_area(result, answer)
    found = EditedMask(mean, int(with_cord.sum()), answer, c2c3, result)
    _update_sidecar(outputs.sidecar, found)
    return found


def describe_edited(mask: Path) -> str:
    """Bring the sidecar of a mask up to date if the mask was edited; its area is measured.

    Returns
    -------
    str
        The status for a table of its areas: "edited", or "" for every other mask.

    Raises
    ------
    ImageError, OutputError
        As for `remeasured`.
    """
    stem = mask.with_name(stem_of(mask))
    sidecar, csa = stem.with_name(f"{stem.name}.json"), stem.with_name(f"{stem.name}_csa.csv")
    outputs = Outputs(mask, sidecar, csa, mask)
    if mask_origin(outputs) != "edited":
        return ""
    remeasured(mask, outputs, csa=False)
    return EDITED


def _update_sidecar(path: Path, mask: EditedMask) -> None:
    sidecar = dict(read_sidecar(path))
    if not is_own(sidecar):
        return
    for name in ("Levels", "C2C3", "AmongNorms"):
        sidecar.pop(name, None)
    sidecar["Area"] = {} if mask.mean_area is None else {"Mean": round(mask.mean_area, 3)}
    sidecar.update(levels_record(mask.levels, mask.c2c3))
    sidecar["Status"], sidecar["Reasons"] = EDITED, list(mask.reasons)
    write_json(path, sidecar)
