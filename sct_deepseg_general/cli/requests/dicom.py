"""DICOM folders as input, and the DICOM objects that are written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from sct_deepseg_general.job.outputs import check_writable

if TYPE_CHECKING:
    from sct_deepseg_general.cli.options.segment import SegmentOptions
    from sct_deepseg_general.dicom.series import Series
    from sct_deepseg_general.image.volume import Volume
    from sct_deepseg_general.job.values import Done

__all__ = [
    "check_objects",
    "dated_image",
    "header_of",
    "is_folder",
    "measured_areas",
    "write_objects",
]


def is_folder(path: Path) -> bool:
    """Whether a path is a folder; a circular link is none."""
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises for a circular link


def dated_image(path: Path) -> tuple[Volume, date | None]:
    """An image, or the only series of a DICOM folder, and the day that its header says."""
    from sct_deepseg_general.image import nifti

    if not is_folder(path):
        return nifti.load(path), None
    from sct_deepseg_general.dicom.convert import converted
    from sct_deepseg_general.dicom.series import chosen, series_in

    one = chosen(series_in(path), None)
    with TemporaryDirectory() as scratch:
        return nifti.load(converted(one, Path(scratch) / "image.nii.gz")), one.day


def header_of(series: Series | None, *, keep: bool) -> Mapping[str, Any]:
    """What of a header goes into the sidecar: age, sex and day where they are kept."""
    if series is None or not keep:
        return {}
    values = {
        "PatientAge": series.person.age,
        "PatientSex": series.person.sex,
        "AcquisitionDate": series.day.isoformat() if series.day else None,
    }
    return {name: value for name, value in values.items() if value is not None}


def check_objects(series: Series | None, given: SegmentOptions) -> None:
    """Check that the DICOM objects asked for can be written.

    Raises
    ------
    click.UsageError
        There is no DICOM folder.
    BackendError
        highdicom is not installed.
    OutputError
        A file exists or cannot be written.
    """
    paths = tuple(path for path in (given.dicom_seg, given.dicom_sr) if path is not None)
    if series is None and (paths or given.keep_dates):
        flag = "-keep-dates" if not paths else "-dicom-seg and -dicom-sr"
        verb = "needs" if not paths else "need"
        raise click.UsageError(f"{flag} {verb} a DICOM folder with -i.")
    if paths:
        from sct_deepseg_general.dicom.segmentation import read_highdicom

        read_highdicom()
        check_writable(paths, overwrite=bool(given.overwrite))


def write_objects(done: Done, series: Series | None, model: str, given: SegmentOptions) -> None:
    """Write the mask and the areas as DICOM, where that was asked for.

    Raises
    ------
    ImageError
        The mask is empty or cannot be placed on the images.
    OutputError
        A file cannot be written.
    """
    if series is None or (given.dicom_seg is None and given.dicom_sr is None):
        return
    from sct_deepseg_general.dicom.segmentation import (
        headers_of,
        segmentation_of,
        write_object,
    )

    mask = done.result.segmentation
    images = headers_of(series, keep=given.keep_dates)
    made = segmentation_of(mask.data > 0, mask.grid.affine, images, model)
    if given.dicom_seg is not None:
        write_object(given.dicom_seg, made)
    if given.dicom_sr is not None:
        from sct_deepseg_general.dicom.structured_report import report_of

        write_object(given.dicom_sr, report_of(measured_areas(done), made, images))


def measured_areas(done: Done) -> list[Any]:
    """The mean area of all slices, and of each whole level and C2-C3, of the person themselves."""
    from sct_deepseg_general.dicom.structured_report import LevelArea
    from sct_deepseg_general.norms.assess import whole_levels

    area, levels = done.table.as_measured.area, done.measured.single_levels
    found = [LevelArea("", done.whole_area - done.table.shift)]
    if levels is not None:
        found += [
            LevelArea(level, float(area[part].mean()))
            for level, part in whole_levels(area, levels).items()
        ]
    return found
