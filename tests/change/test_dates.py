"""The days of images: which texts are read, and which days cannot be those of two visits."""

from __future__ import annotations

from datetime import date

import pytest

from sct_deepseg_general.change.dates import day_of, years_between
from sct_deepseg_general.errors import ImageError


def test_years_between_two_days() -> None:
    assert years_between(day_of("2023-01-01"), day_of("2025-01-01")) == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize(
    "text",
    ["20240131", "2024-W05-3", "2024W053", "2024-13-01", "2024-1-31", "31.01.2024", "yesterday", "",
     " 2024-01-31", "2024-01-31T10:00"],
)  # fmt: skip
def test_one_form_is_read_on_every_python(text: str) -> None:
    with pytest.raises(ImageError, match="write it as YYYY-MM-DD"):
        day_of(text)


@pytest.mark.parametrize(
    ("later", "says"),
    [
        (date(2024, 5, 6), "Both images are of one day"),
        (date(2023, 5, 6), "of an earlier day than the baseline: exchange"),
        (date(2924, 5, 6), "The images are 900 years apart"),
    ],
)
def test_days_of_no_two_visits_are_refused_without_showing_them(later: date, says: str) -> None:
    with pytest.raises(ImageError, match=says) as told:
        years_between(date(2024, 5, 6), later)
    assert "2024" not in str(told.value)
