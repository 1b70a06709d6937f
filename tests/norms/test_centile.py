import pytest

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.norms.centile import Calibration, Calibrations, percent, place_of
from sct_deepseg_general.norms.model import Distribution, Family

WHO = Family(0.0, 0.0, 7, {"F": 100, "M": 90}, {"F": ((20.0, 80.0),), "M": ((20.0, 80.0),)})
NORM = Distribution(70.0, 0.1, 0.0, WHO)
SAME = Calibration(1.0, 0.0, 4)


def placed(value, interval=None, calibration=SAME):
    return place_of(value, interval, NORM, calibration, 100)


def test_the_median_is_the_50th_centile():
    place = placed(70.0)
    assert place.centile == pytest.approx(50)
    assert place.z_score == pytest.approx(0)
    assert place.centile_lower == place.centile_upper == place.centile


def test_centiles_are_those_of_the_normal_distribution():
    assert percent(-1.6448536) == pytest.approx(5)
    assert percent(1.959964) == pytest.approx(97.5)


def test_the_value_is_brought_to_the_norms_definition_first():
    assert placed(35.0, calibration=Calibration(2.0, 0.0, 4)).centile == pytest.approx(50)


def test_an_uncertain_calibration_widens_the_interval():
    sharp, wide = (placed(60.0, (59, 62), Calibration(1.0, sd, 4)) for sd in (0.0, 0.05))
    assert wide.centile == sharp.centile
    assert wide.centile_lower < sharp.centile_lower < sharp.centile < sharp.centile_upper
    assert wide.centile_upper > sharp.centile_upper
    assert (sharp.lower, sharp.upper) == pytest.approx((59, 62))


@pytest.mark.parametrize(("value", "says"), [(45, "below"), (60, "crosses"), (75, "above")])
def test_the_interval_against_the_5th_centile(value, says):
    assert placed(value, (value - 3, value + 3)).against_fifth == says


def test_the_record_is_read():
    record = {"T2w": {"area": {"ratio": 1.02, "sd": 0.01, "people": 4}}}
    found = Calibrations.from_record(record)
    assert found.get("T2w", "area") == Calibration(1.02, 0.01, 4)
    assert found.get("T1w", "area") is None
    assert Calibrations.from_record(None).get("T2w", "area") is None


@pytest.mark.parametrize(
    "record",
    [
        {"T2w": 3},
        {"T2w": {"area": {"ratio": 1.0}}},
        {"T2w": {"area": {"ratio": 9.0, "sd": 0.01, "people": 4}}},
        {"T2w": {"area": {"ratio": 1.0, "sd": float("nan"), "people": 4}}},
        {"EPI": {"area": {"ratio": 1.0, "sd": 0.01, "people": 4}}},
        {"T2w": {"volume": {"ratio": 1.0, "sd": 0.01, "people": 4}}},
    ],
)
def test_a_wrong_record_is_refused(record):
    with pytest.raises(ModelError):
        Calibrations.from_record(record)
