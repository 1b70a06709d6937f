"""Conversion of one BIDS case to nnU-Net's raw format: read, check, reorient, write.

Sources are opened for reading only. A small JSON file, the record, describes what was written; it
is written last. A case whose record still fits its sources is not converted again.

Images are float32 on their native spacing with axes towards R, A, S (nibabel's letters; SCT
calls it LPI). Labels are 0/1, uint8: cord where the source is above 0.5, hard or soft. With
soft labels the fractions are kept beside them as float32.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from sct_deepseg_general.bids.cases import Case
from sct_deepseg_general.errors import DatasetError, ImageError, SchemaError
from sct_deepseg_general.files import sha256, write_whole
from sct_deepseg_general.image.companion import corner_distance
from sct_deepseg_general.image.nifti import load, save
from sct_deepseg_general.image.volume import Grid, Probability, Segmentation, Volume
from sct_deepseg_general.schema import as_json, read_record

__all__ = [
    "THRESHOLD",
    "Conversion",
    "ConversionRecord",
    "Subset",
    "convert",
    "label_reason",
]

Subset = Literal["Tr", "Ts"]
"""nnU-Net's folders to train on and to test on."""
THRESHOLD = 0.5
"""A voxel is cord where its label is above this, in every dataset."""
FORMAT = 1
_RAS = ("R", "A", "S")
_ALIGNED = 0.05  # of a voxel: below this, image and label are on the same grid


@dataclass(frozen=True)
class Conversion:
    """One case to convert, and its target: an nnU-Net dataset `folder`, and Tr or Ts."""

    case: Case
    soft: bool
    folder: Path
    subset: Subset
    receipts: Path

    @property
    def receipt(self) -> Path:
        """The JSON file that records the sources from which the case was made."""
        return self.receipts / f"{self.case.name}.json"

    @property
    def image(self) -> Path:
        """The image, under the name that nnU-Net expects."""
        return self.folder / f"images{self.subset}" / f"{self.case.name}_0000.nii.gz"

    @property
    def label(self) -> Path:
        """The mask of 0 and 1, under the name that nnU-Net expects."""
        return self.folder / f"labels{self.subset}" / f"{self.case.name}.nii.gz"

    @property
    def soft_label(self) -> Path:
        """The fraction of cord in each voxel, where soft labels are kept."""
        return self.folder / f"softlabels{self.subset}" / f"{self.case.name}.nii.gz"

    @property
    def outputs(self) -> tuple[Path, ...]:
        """All files that the conversion writes, but for the record."""
        return (self.image, self.label, *((self.soft_label,) if self.soft else ()))


@dataclass(frozen=True)
class ConversionRecord:
    """The result of a conversion; `reason` says why nothing was written, "" if all was."""

    stamp: str
    """Sizes and times of the sources, and the options, that were converted."""
    image_sha256: str
    label_sha256: str
    shape: str = ""
    spacing: str = ""
    reason: str = ""


def convert(job: Conversion) -> tuple[ConversionRecord, bool]:
    """Convert a case; return its record, and whether its files were written now, not earlier."""
    stamp = _stamp(job)
    known = _known(job, stamp)
    if known is not None:
        return known, False
    receipt = ConversionRecord(stamp, sha256(job.case.image), sha256(_label_path(job)))
    try:
        image, label = load(job.case.image), _load_label(_label_path(job))
        reason = label_reason(image.grid, label)
        receipt = replace(receipt, shape=_joined(image.grid.shape), spacing=_spacing(image.grid))
        if not reason:
            _write(job, image, label)
    except ImageError as error:
        reason = str(error).replace(f"{job.case.image}", "image")
        reason = reason.replace(f"{job.case.label}", "label")
    receipt = replace(receipt, reason=reason)
    with write_whole(job.receipt) as temporary:
        temporary.write_text(json.dumps(as_json(receipt)), encoding="utf-8")
    return receipt, True


def label_reason(grid: Grid, label: Volume) -> str:
    """Why a label cannot be used with an image on this grid; "" if it can."""
    ours, theirs = grid.reoriented(_RAS), label.grid.reoriented(_RAS)
    if ours.shape != theirs.shape:
        return f"label has {theirs.shape} voxels, its image {ours.shape} (both as RAS)"
    moved = corner_distance(ours, theirs)
    if moved > _ALIGNED * min(ours.spacing):
        return f"label lies {moved:.2f} mm off its image"
    low, high = float(label.data.min()), float(label.data.max())
    if not (np.isfinite([low, high]).all() and low >= -1e-3 and high <= 1 + 1e-3):
        return f"label has values from {low:g} to {high:g}, expected 0 to 1"
    return "" if (label.data > THRESHOLD).any() else "label is empty"


def _write(job: Conversion, image: Volume, label: Volume) -> None:
    image, label = image.reoriented(_RAS), label.reoriented(_RAS)
    for path in job.outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
    hard = (label.data > THRESHOLD).astype(np.uint8)
    save(image, job.image)
    save(Segmentation(hard, image.grid), job.label)
    if job.soft:
        fractions = np.clip(label.data, 0, 1).astype(np.float32)
        save(Probability(fractions, image.grid), job.soft_label)


def _load_label(path: Path) -> Volume:
    try:
        label = load(path, nan_background=False)
    except ImageError as error:
        if "is constant" in str(error):
            raise ImageError("label is empty or constant") from error
        raise
    if label.frames > 1:
        raise ImageError("label is 4D")
    return label


def _label_path(job: Conversion) -> Path:
    if job.case.label is None:
        raise DatasetError(f"{job.case.image} has no label: it cannot be trained on.")
    return job.case.label


def _known(job: Conversion, stamp: str) -> ConversionRecord | None:
    """The record of an earlier run, if it is of these sources and its files exist."""
    try:
        receipt = read_record(ConversionRecord, job.receipt)
    except SchemaError:
        return None
    there = receipt.reason or all(path.is_file() for path in job.outputs)
    return receipt if receipt.stamp == stamp and there else None


def _stamp(job: Conversion) -> str:
    files = (job.case.image.stat(), _label_path(job).stat())
    times = (f"{one.st_size}:{one.st_mtime_ns}" for one in files)
    kind = "soft" if job.soft else "hard"
    return " ".join((str(FORMAT), job.folder.name + job.subset, kind, *times))


def _joined(numbers: tuple[int, ...]) -> str:
    return "x".join(str(n) for n in numbers)


def _spacing(grid: Grid) -> str:
    return "x".join(f"{mm:.4g}" for mm in grid.spacing)
