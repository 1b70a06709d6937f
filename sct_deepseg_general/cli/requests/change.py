"""The images of `change` and of the main command's `-earlier`, checked before work starts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sct_deepseg_general.cli.options.endings import PICTURE, check_ending
from sct_deepseg_general.cli.requests.dicom import dated_image
from sct_deepseg_general.errors import ImageError

if TYPE_CHECKING:
    from sct_deepseg_general.change.measure import Scan
    from sct_deepseg_general.cli.options.segment import SegmentOptions
    from sct_deepseg_general.dicom.series import Series
    from sct_deepseg_general.image.volume import Volume

__all__ = [
    "DatedScan",
    "check_places",
    "dated_scan",
    "earlier_of",
    "halfway_files",
    "header_years",
    "header_years_of",
    "pair_remarks",
    "years_given",
]


@dataclass(frozen=True, eq=False)
class DatedScan:
    """An image with its path, and the day that a DICOM header says."""

    path: Path
    scan: Scan
    day: date | None
    remarks: tuple[str, ...]
    """What was done to the image before it is compared, as sentences."""


def dated_scan(path: Path, discs: Path | None = None) -> DatedScan:
    """An image with its discs, read and checked.

    Raises
    ------
    ImageError
        The image or the file of its discs cannot be used.
    """
    from sct_deepseg_general.change.levels import disc_points
    from sct_deepseg_general.change.measure import Scan
    from sct_deepseg_general.change.pairing import remarks_of
    from sct_deepseg_general.image.companion import check_points
    from sct_deepseg_general.image.kinds import check_is_image
    from sct_deepseg_general.image.labels import load_labels

    labels = load_labels(discs) if discs else None
    points = disc_points(labels) if labels else {}
    image, day = dated_image(path)
    check_is_image(image, str(path))
    told = check_points(labels, image, str(discs), str(path)) if labels is not None else None
    remarks = (*remarks_of(image, path), *([told] if told else []))
    return DatedScan(path, Scan(image, points, str(path)), day, remarks)


def earlier_of(given: SegmentOptions) -> DatedScan | None:
    """The image that -earlier names, before anything is written for the later one.

    Raises
    ------
    ImageError
        It cannot be used, or is of another person or contrast by its name.
    """
    from sct_deepseg_general.change.pairing import check_names

    if given.earlier is None:
        return None
    check_names(given.earlier, given.images[0])
    return dated_scan(given.earlier)


def pair_remarks(first: Volume, second: Volume, paths: tuple[Path, Path]) -> list[str]:
    """What is odd about two images together, as sentences."""
    from sct_deepseg_general.change.pairing import same_image

    if not same_image(first, second):
        return []
    return [f"{paths[0]} and {paths[1]} are the same image: a change of 0 says nothing."]


def header_years(first: date | None, later: date | None, name: str) -> float | None:
    """Years between the days that two DICOM headers say; None without both, or for one day.

    Raises
    ------
    ImageError
        The later image is of an earlier day; `name` begins the message.
    """
    from sct_deepseg_general.change.dates import years_between

    if first is None or later is None or first == later:
        return None
    try:
        return years_between(first, later)
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error


def header_years_of(
    given: SegmentOptions, earlier: DatedScan | None, series: Series | None
) -> float | None:
    """Years between -earlier and the image, where DICOM headers say both days."""
    if earlier is None or series is None:
        return None
    return header_years(earlier.day, series.day, f"-earlier {given.earlier}")


def years_given(dates: Sequence[str], followups: Sequence[Path]) -> list[float]:
    """Years from the first of the dates (YYYY-MM-DD) to each other one, that of a follow-up.

    Raises
    ------
    ImageError
        One is no date, or does not come after the first.
    """
    from sct_deepseg_general.change.dates import day_of, years_between

    first, *later = map(day_of, dates)
    years = []
    for day, path in zip(later, followups, strict=True):
        try:
            years.append(years_between(first, day))
        except ImageError as error:
            raise ImageError(f"-dates {first} and {day} for {path}: {error}") from error
    return years


def halfway_files(folder: Path | None) -> tuple[Path, ...]:
    """The two images that -halfway writes into its folder; none without one."""
    return () if folder is None else (folder / "first.nii.gz", folder / "second.nii.gz")


def check_places(
    table: Path,
    plot: Path | None,
    halfway: Path | None,
    inputs: Iterable[Path],
    *,
    overwrite: bool,
) -> None:
    """Check that what `change` writes can be written, and that nothing is lost.

    Raises
    ------
    click.UsageError
        A name is that of another kind of file, or that of an input.
    OutputError
        A file exists or cannot be written.
    """
    from sct_deepseg_general.job.outputs import check_folder, check_no_image, check_writable

    plots = (plot,) if plot else ()
    check_no_image((table, *plots))
    check_ending("-o", table, (".csv",))
    check_ending("-plot", plot, PICTURE)
    images = halfway_files(halfway)
    taken = {os.path.realpath(path) for path in inputs}
    for path in images:
        if os.path.realpath(path) in taken:
            raise click.UsageError(f"{path} is an input: choose another folder for -halfway.")
    check_writable((table, table.with_suffix(".json"), *plots), overwrite=overwrite)
    if halfway is not None:
        check_folder(halfway)
        if halfway.is_dir():
            check_writable(images, overwrite=overwrite)
