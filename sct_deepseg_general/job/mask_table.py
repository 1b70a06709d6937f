"""The mask that `csa` measures: one label or volume of a file, and whether it is plausible."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sct_deepseg_general import __version__
from sct_deepseg_general.csa.aggregate import Row, Table
from sct_deepseg_general.csa.selection import number_list
from sct_deepseg_general.errors import ImageError, OutputError
from sct_deepseg_general.files import stem_of, write_json
from sct_deepseg_general.image.kinds import check_background, check_is_mask
from sct_deepseg_general.image.labels import labels_in
from sct_deepseg_general.image.nifti import load_map
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.job.outputs import PROGRAM

if TYPE_CHECKING:  # most masks are measured without norms
    from sct_deepseg_general.csa.measure import Measured
    from sct_deepseg_general.norms.assess import Assessment, NormRequest
    from sct_deepseg_general.norms.centile import Calibrations

__all__ = [
    "MaskNorms",
    "MaskStatus",
    "chosen_label",
    "read_mask",
    "status_path",
    "status_record",
    "write_status",
]


@dataclass(frozen=True)
class MaskStatus:
    """The status of a mask ("ok", "warn", "fail" or "edited") and the reasons for it."""

    status: str
    reasons: tuple[str, ...] = ()

    def also(self, reason: str) -> MaskStatus:
        """With one reason more, unless it is ""; a status that was "ok" becomes "warn"."""
        if not reason:
            return self
        status = "warn" if self.status == "ok" else self.status
        return MaskStatus(status, (*self.reasons, reason))


@dataclass(frozen=True, eq=False)
class MaskNorms:
    """Among whom to place the person of a mask, and how its model's values become the norms'."""

    request: NormRequest
    calibrations: Calibrations

    @classmethod
    def of_model(cls, request: NormRequest, name: str) -> MaskNorms:
        """By the record of the model that made the mask, which has to be on this machine.

        Raises
        ------
        ModelError
            There is no such model, or its record cannot be read.
        """
        from sct_deepseg_general.norms.centile import Calibrations
        from sct_deepseg_general.quality.uncertainty import IntervalFactors
        from sct_deepseg_general.zoo.zoo import resolve

        model = resolve(name, offline=True)
        repeat = IntervalFactors.from_record(model.intervals).repeat
        return cls(replace(request, repeat=repeat), Calibrations.from_record(model.norms))

    def assessed(self, found: Measured) -> Assessment:
        """Where the measured levels lie among the norms."""
        from sct_deepseg_general.norms.assess import assessed

        table = found.morphometrics.as_measured
        return assessed(table, found.single_levels, self.request, self.calibrations)


def read_mask(path: Path, label: int | None = None, volume: int | None = None) -> Volume:
    """A mask or soft mask (x, y, z), or one label or volume of a file that holds several.

    Parameters
    ----------
    path : Path
        The NIfTI file.
    label : int, optional
        The value of the cord in a map of labels; the result is 1 there and 0 elsewhere.
    volume : int, optional
        The number of the volume in a 4D file, from 0.

    Raises
    ------
    ImageError
        The file cannot be read, it holds several labels or volumes of which none is chosen, the
        label is not in it, or it is an image.
    """
    return chosen_label(load_map(path, volume), str(path), label)


def chosen_label(read: Volume, name: str, label: int | None = None) -> Volume:
    """A mask (x, y, z), or one label of a map of labels; `name` is for messages.

    Raises
    ------
    ImageError
        The map holds several labels of which none is chosen, the label is not in it, or it is an
        image.
    """
    labels = labels_in(read)
    if label is None:
        if labels:
            raise ImageError(
                f"{name} is a map of the labels {_listed(labels)}, not a mask: choose the "
                "cord's label with -mask-label."
            )
        check_is_mask(read, name)
        check_background(read, name)
        return _without_nan(read)
    chosen = np.abs(read.data - label) <= 0.01
    if not label or not chosen.any():
        there = labels or tuple(int(value) for value in np.unique(np.rint(read.data)) if value)
        listed = _listed(there)
        raise ImageError(f"{name} does not hold the label {label}: its labels are {listed}.")
    return Volume(chosen.astype(np.uint8), read.grid, read.header)


def _without_nan(mask: Volume) -> Volume:
    """The mask with 0 where the file gives no value."""
    if mask.data.dtype.kind != "f" or not np.isnan(mask.data).any():
        return mask
    return replace(mask, data=np.nan_to_num(mask.data))


def _listed(labels: tuple[int, ...]) -> str:
    """The first labels, separated by commas."""
    listed = ", ".join(map(str, labels[:8])) or "none"
    return f"{listed} and more" if len(labels) > 8 else listed


def status_path(table: Path) -> Path:
    """Where the status of the masks in a table is written."""
    return table.with_name(f"{stem_of(table).removesuffix('.csv')}_status.json")


def write_status(
    path: Path, mask: Path, table: Table, status: MaskStatus, *, append: bool = False
) -> None:
    """Write the status and the regions of a mask as JSON; with `append`, after those there.

    Raises
    ------
    OutputError
        The file cannot be written, or what is there is not such a file.
    """
    before = _existing(path) if append and path.exists() else []
    record = status_record(mask, table, status)
    write_json(path, {"Schema": "status-1", "Masks": [*before, record]})


def status_record(mask: Path, table: Table, status: MaskStatus) -> dict[str, Any]:
    """The status and the regions of a mask for a JSON file; no regions if there are many."""
    return {
        "Mask": str(mask),
        "Status": status.status,
        "Reasons": list(status.reasons),
        "GeneratedBy": [{"Name": PROGRAM, "Version": __version__}],
        "Regions": [_region(row, table) for row in table.rows] if len(table.rows) <= 60 else [],
    }


def _existing(path: Path) -> list[Any]:
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["Masks"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(f"Cannot append to {path}: it is no status of masks.") from error


def _region(row: Row, table: Table) -> dict[str, Any]:
    return {
        "Slices": number_list(row.slices),
        "VertLevel": number_list(row.levels),
        "DistancePMJ": row.pmj_distance,
        "Area": row.values[table.columns.index("MEAN(area)")],
        "Length": row.values[table.columns.index("SUM(length)")],
        "Remarks": list(row.remarks),
    }
