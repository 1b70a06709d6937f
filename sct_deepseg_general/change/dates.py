"""The days of images, and the years between them."""

from __future__ import annotations

import re
from datetime import date

from sct_deepseg_general.errors import ImageError

__all__ = ["day_of", "years_between"]

_WRITTEN = re.compile(r"\d{4}-\d{2}-\d{2}")
_DAYS = 365.25
_MOST = 100.0
"""Years between two images of one person beyond which a date must be wrong."""


def day_of(text: str) -> date:
    """The day that a text YYYY-MM-DD names. Other forms of ISO 8601 (20240131, 2024-W05-3) are not
    read: which of them Python understands depends on its version.

    Raises
    ------
    ImageError
        The text is no such date.
    """
    if _WRITTEN.fullmatch(text) is not None:
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise ImageError(f"'{text}' is not a date: write it as YYYY-MM-DD.")


def years_between(baseline: date, followup: date) -> float:
    """Years from the day of a baseline to that of a follow-up.

    The sentence of an error does not hold the days, which may be those of a DICOM header.

    Raises
    ------
    ImageError
        Both are of one day, the follow-up is of an earlier day, or a lifetime lies between them.
    """
    years = (followup - baseline).days / _DAYS
    if years == 0:
        raise ImageError("Both images are of one day: a change per year needs two days.")
    if years < 0:
        raise ImageError(
            "The follow-up is of an earlier day than the baseline: exchange the images, or "
            "correct the dates."
        )
    if years > _MOST:
        raise ImageError(f"The images are {years:.0f} years apart: correct the dates.")
    return years
