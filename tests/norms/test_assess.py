import re
from dataclasses import replace

import numpy as np
import pytest

from sct_deepseg_general.csa.aggregate import aggregated, profiles
from sct_deepseg_general.csa.selection import Selection
from sct_deepseg_general.csa.table import read, write
from sct_deepseg_general.image.volume import Grid, Segmentation
from sct_deepseg_general.morphometry.morphometrics import measure
from sct_deepseg_general.norms.assess import NormRequest, assessed, whole_levels
from sct_deepseg_general.norms.centile import Calibrations
from sct_deepseg_general.norms.columns import COLUMNS, with_norms
from sct_deepseg_general.norms.model import Subject, embedded

SAME = {"ratio": 1.0, "sd": 0.02, "people": 4}
KNOWN = Calibrations.from_record({"T2w": {"area": SAME}, "T1w": {"area": SAME}})
WOMAN = NormRequest(Subject(30, "F"), "T2w")


@pytest.fixture(scope="module")
def table():
    """A tube of 70 mm², 80 slices of 1 mm."""
    x, y, _ = np.meshgrid(np.arange(30), np.arange(30), np.arange(80), indexing="ij")
    mask = (np.hypot(x - 15, y - 15) < np.sqrt(70 / np.pi)).astype(np.uint8)
    found = measure(Segmentation(mask, Grid(mask.shape, np.diag([-1.0, 1, 1, 1]))))
    return found.with_interval(found.area - 2, found.area + 2)


def levels(**lengths):
    """Levels from the lowest slice up, such as C4=10, C3=20; 0 above them."""
    numbers = [int(name[1]) for name, count in lengths.items() for _ in range(count)]
    return np.array(numbers + [0] * (80 - len(numbers)))


def test_the_median_area_is_at_the_50th_centile(table):
    found = assessed(table, levels(C4=18, C3=18, C2=15), WOMAN, KNOWN)
    norm = embedded().distribution("area", "C3", WOMAN.subject, "T2w")
    place = found.find("area", "C3")
    assert place.value == pytest.approx(table.area[20], rel=1e-6)
    assert place.z_score == pytest.approx(float(norm.z_score(table.area[20])), abs=1e-6)
    assert place.centile_lower < place.centile < place.centile_upper
    assert found.find("area", "C2-C3") is not None
    assert found.find("diameter_AP", "C3") is None  # no calibration of it


@pytest.mark.parametrize(
    ("family", "calibrations", "given", "says"),
    [
        ("T2star", KNOWN, levels(C4=18, C3=18), "none of T2star"),
        ("", KNOWN, levels(C4=18, C3=18), "none of an unknown contrast"),
        ("T2w", KNOWN, None, "levels are not known"),
        ("T2w", KNOWN, levels(), "levels are not known"),
        ("T2w", Calibrations({}), levels(C4=18, C3=18), "not compared with those of the norms"),
    ],
)
def test_what_is_missing_is_said_and_no_centile_given(table, family, calibrations, given, says):
    found = assessed(table, given, NormRequest(Subject(30, "F"), family), calibrations)
    assert says in found.reason
    assert not found.places
    assert not found.bands
    assert found.summary()["Levels"] == []


def test_another_age_has_a_reason_at_each_level(table):
    found = assessed(table, levels(C4=18, C3=18), NormRequest(Subject(70, "F"), "T2w"), KNOWN)
    assert all(p.place is None and p.reason for p in found.places)
    assert not found.bands


def test_a_level_cut_by_the_image_does_not_count(table):
    whole = whole_levels(table.area, levels(C4=5, C3=18, C2=15))
    assert "C4" not in whole
    assert {"C2", "C3", "C2-C3"} <= whole.keys()


def test_c2_without_a_disc_above_ends_where_the_template_has_it(table):
    whole = whole_levels(table.area, levels(C4=18, C3=37, C2=25))
    assert whole["C2"].size == 25
    assert whole_levels(table.area, levels(C4=18, C3=18, C2=40))["C2"].size == 15


def test_the_band_is_in_the_models_own_areas(table):
    low = Calibrations.from_record({"T2w": {"area": {**SAME, "ratio": 0.9}}})
    one, other = (
        assessed(table, levels(C4=18, C3=18), WOMAN, c).bands[3].median for c in (KNOWN, low)
    )
    assert other == pytest.approx(one / 0.9)


def test_the_repeat_error_takes_the_place_of_the_intervals_width(table):
    given = levels(C4=18, C3=18)
    wide = assessed(table, given, WOMAN, KNOWN).find("area", "C3")
    request = NormRequest(Subject(30, "F"), "T2w", repeat=0.001)
    sharp = assessed(table, given, request, KNOWN).find("area", "C3")
    assert sharp.centile == wide.centile
    assert wide.centile_lower < sharp.centile_lower
    assert sharp.lower == pytest.approx(sharp.value * (1 - 1.645 * SAME["sd"]), rel=1e-3)


def test_columns_are_filled_in_the_rows_of_levels(table):
    given = levels(C4=18, C3=18, C2=15)
    rows = aggregated(profiles(table), Selection(per_level=True), given)
    found = assessed(table, given, WOMAN, KNOWN)
    filled = with_norms(rows, found)
    assert filled.columns[-len(COLUMNS) :] == COLUMNS
    assert np.isfinite(filled.column("CENTILE(area)")).all()
    sides = [row.values[-1] for row in filled.rows]
    names = [f"C{row.levels[0]}" for row in filled.rows]
    assert sides == [found.find("area", name).against_fifth for name in names]
    both = with_norms(aggregated(profiles(table), Selection(levels=(2, 3)), given), found)
    assert both.column("CENTILE(area)")[0] == pytest.approx(found.find("area", "C2-C3").centile)
    wide = with_norms(aggregated(profiles(table), Selection(levels=(3, 4)), given), found)
    assert np.isnan(wide.column("CENTILE(area)")).all()
    assert wide.rows[0].values[-1] is None
    spelled = with_norms(replace(rows, spelled=True), found)
    assert spelled.spelled


def test_a_table_with_centiles_is_read_back_as_it_was_written(table, tmp_path):
    given = levels(C4=18, C3=18, C2=15)
    rows = aggregated(profiles(table), Selection(per_level=True), given)
    filled = with_norms(rows, assessed(table, given, WOMAN, KNOWN))
    write(tmp_path / "csa.csv", filled, "t2_seg.nii.gz", "mine 1.0", status="ok")
    back = read(tmp_path / "csa.csv")
    assert back.columns == filled.columns
    assert [row.values for row in back.rows] == [row.values for row in filled.rows]


def test_the_words_name_the_centile_and_each_level_s_side_of_the_5th(table):
    found = assessed(table, levels(C4=18, C3=18, C2=15), WOMAN, KNOWN)
    place = found.find("area", "C2-C3")
    assert found.words.startswith(f"C2-C3: {place.centile:.0f} ({place.centile_lower:.0f} to ")
    assert found.words.endswith(found.against_fifth)
    assert {"C2-C3", "C2", "C3", "C4"} <= set(re.findall(r"C\d(?:-C\d)?", found.against_fifth))
    other = assessed(table, levels(C4=18, C3=18), replace(WOMAN, family="T2star"), KNOWN)
    assert other.words == f"no centile: {other.reason}"
