"""A mask that a person corrects: its copy to edit, and what the correction changed.

The copy is named `<image>_label-SC_desc-manual_seg`. Its sidecar names the mask that it began as
and holds the SHA-256 of the copy, so that a correction is recognised.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general import __version__
from sct_deepseg_general.csa.measure import PER_SLICE, CsaRequest, Measured, measured, tabulated
from sct_deepseg_general.csa.selection import number_list
from sct_deepseg_general.csa.table import read
from sct_deepseg_general.csa.table import write as write_csa
from sct_deepseg_general.errors import ImageError, OutputError
from sct_deepseg_general.files import sha256, stem_of, write_json, write_whole
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.kinds import binary_mask
from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.image.metrics import overlap
from sct_deepseg_general.image.volume import Segmentation, Volume
from sct_deepseg_general.job.mask_table import read_mask
from sct_deepseg_general.job.outputs import (
    CODE_URL,
    MASK_HASH,
    PROGRAM,
    read_sidecar,
)
from sct_deepseg_general.job.overwrite import EDITED
from sct_deepseg_general.morphometry.morphometrics import Morphometrics
from sct_deepseg_general.quality.assess import assess_mask

__all__ = [
    "MANUAL",
    "Corrected",
    "Correction",
    "MaskChange",
    "begin",
    "change_of",
    "is_untouched",
    "manual_path",
    "measure_correction",
    "with_kept_interval",
]

MANUAL = "_label-SC_desc-manual_seg"
"""What follows the image's name in the name of a corrected mask."""
_BEGUN_AS = "CorrectedFrom"
_NO_INTERVAL = "no interval in the slices that were changed by hand"


@dataclass(frozen=True)
class Correction:
    """The files of a correction: the image, the mask that it begins with, and the copy to edit."""

    image: Path
    mask: Path
    manual: Path

    @property
    def sidecar(self) -> Path:
        """The JSON file of the copy."""
        return self.manual.with_name(f"{stem_of(self.manual)}.json")

    @property
    def csa(self) -> Path:
        """The table of areas of the corrected mask."""
        return self.manual.with_name(f"{stem_of(self.manual)}_csa.csv")


@dataclass(frozen=True)
class MaskChange:
    """What a correction changed: voxels, slices (from 0, the lowest) and the mean area in mm²."""

    added: int
    removed: int
    dice: float
    slices: tuple[int, ...]
    before: float | None
    after: float | None

    @property
    def words(self) -> str:
        """The change in one sentence."""
        if not self.slices:
            return "corrected by hand: nothing was changed"
        where = f"{len(self.slices)} slice{'s' if len(self.slices) > 1 else ''}"
        text = (
            f"corrected by hand in {where} ({number_list(self.slices)}): {self.added} voxels "
            f"added, {self.removed} removed, Dice {self.dice:.3f}"
        )
        if self.before is None or self.after is None:
            return text
        share = 100 * (self.after / self.before - 1)
        return f"{text}; mean area {self.before:.1f} to {self.after:.1f} mm² ({share:+.1f} %)"


@dataclass(frozen=True)
class Corrected:
    """A corrected mask that was measured."""

    change: MaskChange
    status: str
    reasons: tuple[str, ...]


def manual_path(image: Path, mask: Path, place: Path | None, dataset: Path | None) -> Path:
    """Where the copy to edit goes.

    Parameters
    ----------
    image, mask
        The image and the mask to correct.
    place
        A folder or a file name; by default the folder of the mask.
    dataset
        A BIDS dataset that holds the image; the copy then goes to its `derivatives/labels`, where
        recipes look for labels.

    Raises
    ------
    ImageError
        The image does not lie in a participant's folder of the dataset.

    Examples
    --------
    >>> image = Path("study/sub-01/anat/sub-01_T2w.nii.gz")
    >>> manual_path(image, Path("sub-01_T2w_seg.nii.gz"), None, Path("study")).as_posix()
    'study/derivatives/labels/sub-01/anat/sub-01_T2w_label-SC_desc-manual_seg.nii.gz'
    """
    ending = ".nii.gz" if mask.name.endswith(".gz") else ".nii"
    name = f"{stem_of(image)}{MANUAL}{ending}"
    if dataset is not None:
        full, root = image.absolute(), dataset.absolute()
        if not full.is_relative_to(root) or not full.relative_to(root).parts[0].startswith("sub-"):
            raise ImageError(f"{image} is not in a sub-* folder of {dataset}: leave out -bids.")
        folder = full.relative_to(root).parent
        return dataset / "derivatives" / "labels" / folder / name
    if place is None:
        return mask.with_name(name)
    return place if place.name.endswith((".nii", ".nii.gz")) else place / name


def begin(files: Correction) -> None:
    """Make the copy to edit, and its sidecar.

    Raises
    ------
    ImageError
        The image or the mask cannot be read, or they lie on different grids.
    OutputError
        A file exists already or cannot be written.
    """
    for path in (files.manual, files.sidecar):
        if path.exists():
            raise OutputError(f"{path} exists: edit it, or rename it to begin again.")
    _masks(replace(files, manual=files.mask))
    try:
        files.manual.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(files.manual) as temporary:
            shutil.copyfile(files.mask, temporary)
    except OSError as error:
        raise OutputError(f"Cannot write {files.manual}: {error.strerror or error}.") from error
    record = _record(files, {}, (), "not corrected yet")
    write_json(files.sidecar, record)


def is_untouched(files: Correction) -> bool:
    """Whether the copy was made, and nobody has saved a correction yet."""
    record = read_sidecar(files.sidecar)
    return "Change" not in record and record.get(MASK_HASH) == sha256(files.manual)


def measure_correction(files: Correction) -> Corrected:
    """Measure a corrected mask: its areas and its sidecar are written.

    Slices that were not changed keep the interval that the automatic mask has there, in proportion
    to their area; no interval is known for a slice that was drawn by hand.

    Parameters
    ----------
    files
        The image, the automatic mask and the corrected one.

    Returns
    -------
    Corrected
        What was changed, and the status of the corrected mask.

    Raises
    ------
    ImageError
        A file cannot be read, or a mask is not on the grid of the image.
    OutputError
        A file cannot be written.
    """
    image, before, after = _masks(files)
    found = measured(after, PER_SLICE)
    quality = assess_mask(after, found.morphometrics, image)
    change = change_of(before, after, found)
    kept = _with_interval(found, change.slices, files.mask, after, PER_SLICE)
    status = EDITED if quality.status == "ok" else quality.status
    lacking = (_NO_INTERVAL,) if change.slices else ()
    reasons = (change.words, *lacking, *quality.reasons)
    producer = f"{PROGRAM} {__version__}"
    write_csa(files.csa, kept.table, str(files.manual), producer, status=status, reasons=reasons)
    write_json(files.sidecar, _record(files, _described(change), reasons, status))
    return Corrected(change, status, reasons)


def change_of(before: Segmentation, after: Segmentation, found: Measured) -> MaskChange:
    """What is different between two masks of one grid; `found` are the areas of the second."""
    earlier, later = _in_las(before), _in_las(after)
    different = (earlier != later).any(axis=(0, 1))
    return MaskChange(
        added=int((later & ~earlier).sum()),
        removed=int((earlier & ~later).sum()),
        dice=float(overlap(later, earlier).dice),
        slices=tuple(np.flatnonzero(different).tolist()),
        before=_mean(measured(before, PER_SLICE).morphometrics),
        after=_mean(found.morphometrics),
    )


def with_kept_interval(
    found: Measured, mask: Path, segmentation: Volume, request: CsaRequest
) -> Measured:
    """The areas of a corrected mask with the interval of the slices that were not changed.

    Other masks, and those whose automatic mask is no longer there, are returned as they are.

    Raises
    ------
    ImageError
        The automatic mask, or its table of areas, cannot be read.
    """
    name = read_sidecar(mask.with_name(f"{stem_of(mask)}.json")).get(_BEGUN_AS)
    automatic = mask.parent / str(name)
    if not name or not automatic.exists():
        return found
    before = binary_mask(read_mask(automatic), str(automatic))
    if before.grid.shape != segmentation.grid.shape:
        return found
    after = segmentation.reoriented(AXES).data > 0.5
    slices = np.flatnonzero((_in_las(before) != after).any(axis=(0, 1)))
    return _with_interval(found, tuple(slices.tolist()), automatic, segmentation, request)


def _with_interval(
    found: Measured,
    changed: tuple[int, ...],
    automatic: Path,
    segmentation: Volume,
    request: CsaRequest,
) -> Measured:
    factors = _interval_factors(automatic, len(found.morphometrics.shapes))
    if factors is None:
        return found
    factors[:, list(changed)] = np.nan
    table = found.morphometrics.as_measured
    table = table.with_interval(table.area * factors[0], table.area * factors[1])
    return tabulated(segmentation, table, request)


def _interval_factors(automatic: Path, count: int) -> NDArray[np.float64] | None:
    """The ends of the interval over the area, shape (2, slices), from the automatic mask's table.

    None where there is no table with a row for each slice.
    """
    path = automatic.with_name(f"{stem_of(automatic)}_csa.csv")
    if not path.exists():
        path = automatic.with_name(f"{stem_of(automatic).removesuffix('_mask')}_csa.csv")
    names = ("MEAN(area)", "MEAN(area_lower)", "MEAN(area_upper)")
    table = read(path) if path.exists() else None
    if table is None or any(name not in table.columns for name in names):
        return None
    columns = [table.column(name) for name in names]
    factors = np.full((2, count), np.nan)
    for row, area, lower, upper in zip(table.rows, *columns, strict=True):
        known = np.isfinite([area, lower, upper]).all() and area * lower * upper != 0
        if len(row.slices) == 1 and row.slices[0] < count and known:
            factors[:, row.slices[0]] = lower / area, upper / area
    return factors if np.isfinite(factors).any() else None


def _masks(files: Correction) -> tuple[Volume, Segmentation, Segmentation]:
    """The image, the mask before and the mask after, all on the grid of the image."""
    image = nifti.load(files.image)
    masks = []
    for path in (files.mask, files.manual):
        mask = binary_mask(read_mask(path), str(path))
        close = np.allclose(mask.grid.affine, image.grid.affine, atol=1e-3)
        if mask.grid.shape != image.grid.shape or not close:
            raise ImageError(
                f"{path} is not on the grid of {files.image}: save it in the viewer without "
                "resampling, or correct the copy again."
            )
        masks.append(mask)
    return image, masks[0], masks[1]


def _in_las(mask: Segmentation) -> NDArray[np.bool_]:
    return np.asarray(mask.reoriented(AXES).data > 0)


def _mean(table: Morphometrics) -> float | None:
    area = table.area
    return round(float(np.nanmean(area)), 4) if np.isfinite(area).any() else None


def _described(change: MaskChange) -> dict[str, Any]:
    mean = {} if change.after is None else {"Mean": round(change.after, 3)}
    return {
        "Area": mean,
        "Change": {
            "VoxelsAdded": change.added,
            "VoxelsRemoved": change.removed,
            "Dice": round(change.dice, 4),
            "Slices": number_list(change.slices),
            "MeanAreaBefore": change.before,
            "MeanAreaAfter": change.after,
        },
    }


def _record(
    files: Correction, measured_change: Mapping[str, Any], reasons: tuple[str, ...], status: str
) -> dict[str, Any]:
    """The sidecar of the corrected mask."""
    tool = {"Name": PROGRAM, "Version": __version__, "CodeURL": CODE_URL}
    begun_as = Path(_relative(files.mask, files.manual.parent)).as_posix()
    return {
        "Schema": "correction-1",
        "Description": "The spinal cord, corrected by hand: 1 inside, 0 outside, on the grid of "
        "the image.",
        "Type": "ROI",
        "GeneratedBy": [{"Name": "Manual", "Description": "Corrected in a viewer"}, tool],
        "Sources": [files.image.name, files.mask.name],
        "SourcesSHA256": [sha256(files.image), sha256(files.mask)],
        "SpatialReference": files.image.name,
        _BEGUN_AS: begun_as,
        MASK_HASH: sha256(files.manual),
        **measured_change,
        "Status": status,
        "Reasons": list(reasons),
    }


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path.absolute(), folder.absolute())
