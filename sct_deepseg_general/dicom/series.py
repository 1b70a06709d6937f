"""The series of a DICOM folder, and what their headers say of the person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sct_deepseg_general.errors import BackendError, ImageError

__all__ = ["Person", "Series", "chosen", "series_in"]

_TAGS = (
    "Modality", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "PatientAge",
    "PatientSex", "PatientBirthDate", "StudyDate", "SeriesDate",
)  # fmt: skip
_YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}


@dataclass(frozen=True)
class Person:
    """What a header says of the person: age in years and sex ("F", "M"); None where it does not."""

    age: float | None
    sex: str | None


@dataclass(frozen=True)
class Series:
    """One series of images: its number and description, its files, and who was imaged when."""

    number: int
    description: str
    files: tuple[Path, ...]
    person: Person
    day: date | None
    """Day of the study."""


def series_in(folder: Path) -> tuple[Series, ...]:
    """The magnetic resonance series below a folder, by number.

    Parameters
    ----------
    folder
        A folder with DICOM files, with or without subfolders.

    Returns
    -------
    tuple of Series
        The series, in the order of their numbers.

    Raises
    ------
    BackendError
        pydicom is not installed.
    ImageError
        The folder holds no magnetic resonance image.
    """
    found: dict[str, tuple[Any, list[Path]]] = {}
    for path, header in _headers(folder):
        if header.get("Modality") == "MR":
            found.setdefault(str(header.get("SeriesInstanceUID")), (header, []))[1].append(path)
    if not found:
        raise ImageError(f"{folder} holds no magnetic resonance image in DICOM form.")
    series = [_series(header, files) for header, files in found.values()]
    return tuple(sorted(series, key=lambda one: (one.number, one.description)))


def chosen(series: tuple[Series, ...], number: int | None) -> Series:
    """The series with a number, or the only one.

    Raises
    ------
    ImageError
        There is none with that number, or several and no number.
    """
    listed = "; ".join(f"{s.number}: {s.description} ({len(s.files)} files)" for s in series)
    if number is None:
        if len(series) > 1:
            raise ImageError(f"Choose a series with -series: {listed}.")
        return series[0]
    fitting = [one for one in series if one.number == number]
    if len(fitting) != 1:
        raise ImageError(f"{len(fitting)} series have the number {number}; there are: {listed}.")
    return fitting[0]


def _headers(folder: Path) -> Iterator[tuple[Path, Any]]:
    try:
        import pydicom
    except ImportError as error:
        raise BackendError(
            "Reading DICOM needs pydicom and dcm2niix: pip install 'sct-deepseg-general[dicom]'."
        ) from error
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            yield path, pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
        except (pydicom.errors.InvalidDicomError, OSError, EOFError):
            continue  # DICOMDIR's neighbours: text, pictures, viewers


def _series(header: Any, files: list[Path]) -> Series:
    return Series(
        number=int(header.get("SeriesNumber") or 0),
        description=str(header.get("SeriesDescription") or "no description"),
        files=tuple(files),
        person=Person(_age(header), _sex(header)),
        day=_day(header.get("StudyDate") or header.get("SeriesDate")),
    )


def _age(header: Any) -> float | None:
    """The age in years: PatientAge ("054Y", "650M"), or from the dates of birth and study."""
    text = str(header.get("PatientAge") or "")
    if len(text) >= 2 and text[:-1].isdigit() and text[-1] in _YEARS:
        return int(text[:-1]) * _YEARS[text[-1]]
    born, seen = _day(header.get("PatientBirthDate")), _day(header.get("StudyDate"))
    return None if born is None or seen is None else (seen - born).days / 365.25


def _sex(header: Any) -> str | None:
    sex = str(header.get("PatientSex") or "")
    return sex if sex in {"F", "M"} else None


def _day(text: Any) -> date | None:
    digits = str(text or "").replace(".", "")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None
