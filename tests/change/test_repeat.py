import pytest

from sct_deepseg_general.change.repeat import Repeatability, per_year
from sct_deepseg_general.errors import ModelError

RECORD = {"area_sd": 0.8, "level_sd": 1.2, "boundary_sd": 2.0, "pairs": 8, "people": 3}
T = 2.3534
"""Student's t of three people: 90 % lie within."""


def test_the_interval_holds_nine_in_ten_of_a_normal_error():
    repeat = Repeatability.from_record(RECORD)
    low, high = repeat.interval(-2.0, 33.0)
    assert (low, high) == pytest.approx((-2 - T * 0.8, -2 + T * 0.8), abs=1e-3)
    assert repeat.exceeded(-2.0, 33.0)
    assert not repeat.exceeded(1.8, 33.0)


def test_a_single_level_has_the_larger_error():
    repeat = Repeatability.from_record(RECORD)
    assert not repeat.exceeded(-2.0, 15.0)
    assert repeat.interval(0.0, 15.0)[1] == pytest.approx(T * 1.2, abs=1e-3)


def test_without_a_record_there_is_none():
    assert Repeatability.from_record(None) is None


@pytest.mark.parametrize(
    "record", [{}, {**RECORD, "area_sd": 0}, {**RECORD, "people": 1}, {**RECORD, "area_sd": "x"}]
)
def test_wrong_records_are_refused(record):
    with pytest.raises(ModelError):
        Repeatability.from_record(record)


def test_a_change_per_year():
    assert per_year(-1.0, 2.0) == -0.5
