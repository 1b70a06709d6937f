"""Rows of the table, its CSV text, and the area of the average person."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from sct_deepseg_general.csa import table as csa_table
from sct_deepseg_general.csa.aggregate import Profile, Table, aggregated
from sct_deepseg_general.csa.person import Covariates, covariates_of, to_average_person
from sct_deepseg_general.csa.selection import Selection, number_list, parse_number_list
from sct_deepseg_general.errors import ImageError, OutputError
from sct_deepseg_general.morphometry.morphometrics import Morphometrics
from sct_deepseg_general.morphometry.slice_shape import SliceShape

AREA = Profile("area", np.array([np.nan, 70.0, 72.0, 80.0, np.nan]))
LENGTH = Profile("length", np.array([np.nan, 1.0, 1.5, 1.0, np.nan]), ("SUM",))
LEVELS = np.array([0, 4, 4, 3, 3])


def shape(area: float, length: float) -> SliceShape:
    return SliceShape(area, *[0.0] * 10, length)


TABLE = Morphometrics(
    (None, shape(70, 1), shape(72, 1.5), shape(80, 1), None),
    (1.0, 1.0, 1.0),
    soft_area=np.array([np.nan, 69.0, 71.0, 79.0, np.nan]),
    area_lower=np.array([np.nan, 63.0, 65.0, 73.0, np.nan]),
    area_upper=np.array([np.nan, 77.0, 79.0, 87.0, np.nan]),
    repeat=0.01,
)


def rows(selection: Selection, levels: np.ndarray | None = LEVELS) -> Table:
    return aggregated([AREA, LENGTH], selection, levels)


def test_one_row_holds_mean_spread_and_sum() -> None:
    table = rows(Selection())
    assert table.columns == ("MEAN(area)", "STD(area)", "SUM(length)")
    (row,) = table.rows
    assert row.slices == (0, 1, 2, 3, 4)
    assert row.values == pytest.approx((74.0, np.std([70, 72, 80]), 3.5))


def test_per_slice_rows_are_empty_without_cord() -> None:
    table = rows(Selection(per_slice=True))
    assert [row.values for row in table.rows] == [
        (None, None, None), (70, 0, 1), (72, 0, 1.5), (80, 0, 1), (None, None, None),
    ]  # fmt: skip
    assert [row.levels for row in table.rows] == [(), (4,), (4,), (3,), (3,)]


def test_per_level_rows_ascend_by_slice() -> None:
    table = rows(Selection(levels=(3, 4, 9), per_level=True))
    assert [(row.slices, row.levels) for row in table.rows] == [((1, 2), (4,)), ((3, 4), (3,))]
    assert table.column("MEAN(area)").tolist() == [71, 80]


def test_per_level_alone_takes_every_level() -> None:
    assert [row.levels for row in rows(Selection(per_level=True)).rows] == [(4,), (3,)]


def test_slices_and_levels_meet() -> None:
    (row,) = rows(Selection(slices=(2, 3), levels=(4,))).rows
    assert (row.slices, row.values[0]) == ((2,), 72)


def test_the_distance_is_the_rows_own() -> None:
    along = np.array([np.nan, 30.123, 28.0, 26.0, np.nan])
    table = aggregated([AREA], Selection(per_slice=True), None, along)
    assert [row.pmj_distance for row in table.rows] == [None, 30.12, 28.0, 26.0, None]


@pytest.mark.parametrize(
    ("selection", "levels", "words"),
    [
        (Selection(slices=(9,)), None, "Slice 9"),
        (Selection(levels=(3,)), None, "labels"),
        (Selection(levels=(7,)), LEVELS, "Level 7 was asked for.*hold level 3:4"),
        (Selection(), LEVELS[:3], "3 slices"),
    ],
)
def test_what_is_not_there_is_refused(
    selection: Selection, levels: np.ndarray | None, words: str
) -> None:
    with pytest.raises(ImageError, match=words):
        rows(selection, levels)


def test_numbers_are_written_and_read_as_scts() -> None:
    assert number_list((7, 1, 2, 3)) == "1:3;7"
    assert number_list(()) == ""
    assert parse_number_list("1:3;7") == (1, 2, 3, 7)
    assert parse_number_list("5,2:4,3") == (5, 2, 3, 4)
    for wrong in ("", "a", "2:", ":3", "1-3"):
        with pytest.raises(ValueError, match="list of numbers"):
            parse_number_list(wrong)


def test_a_written_table_reads_the_same(tmp_path: Path) -> None:
    table = rows(Selection(per_slice=True))
    csa_table.write(tmp_path / "a.csv", table, "t2_seg.nii.gz", "ours 1.0")
    assert csa_table.read(tmp_path / "a.csv") == table
    csa_table.write(tmp_path / "b.csv", table, "t2_seg.nii.gz", "ours 1.0", status="warn")
    judged = (tmp_path / "b.csv").read_text().splitlines()
    assert judged[0].endswith(",Status")
    assert all(line.endswith(',"warn"') for line in judged[1:])
    assert csa_table.read(tmp_path / "b.csv") == table
    lines = (tmp_path / "a.csv").read_bytes().split(b"\r\n")
    assert lines[0].startswith(b"Timestamp,SCT Version,Filename,Slice (I->S),VertLevel,DistancePMJ")
    assert b'"ours 1.0","t2_seg.nii.gz","1","4","",70.0,0.0,1.0' in lines[2]
    assert lines[1].endswith(b'"0","","","","",""')


def test_appending_adds_rows_and_no_header(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    table = rows(Selection())
    for source in ("a", "b"):
        csa_table.write(path, table, source, "v", append=True)
    with path.open(newline="") as stream:
        found = list(csv.DictReader(stream))
    assert [row["Filename"] for row in found] == ["a", "b"]


def test_appending_to_other_columns_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    csa_table.write(path, rows(Selection()), "a", "v")
    before = path.read_bytes()
    other = aggregated([AREA], Selection())
    with pytest.raises(OutputError, match="SUM"):
        csa_table.write(path, other, "b", "v", append=True)
    assert path.read_bytes() == before


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("a.csv", "b.csv", "absent.csv"):
        with pytest.raises(ImageError, match=name):
            csa_table.read(tmp_path / name)


def test_a_column_is_added_at_the_end() -> None:
    table = rows(Selection()).with_column("MEAN(area_lower)", [70.0])
    assert table.columns[-1] == "MEAN(area_lower)"
    assert table.rows[0].values[-1] == 70.0


def test_the_average_person_keeps_their_area() -> None:
    average = Covariates(0.43656716417910446, 1156171.0708955224)
    shift = to_average_person(TABLE, average).area[1] - 70.0
    assert shift == pytest.approx(1.2389409865349374e-05 * (530335.0410447761 - 504746.6), abs=0.01)


def test_a_larger_brain_lowers_the_normalised_area() -> None:
    small, large = (
        to_average_person(TABLE, Covariates(0, volume)).area[1] for volume in (1.0e6, 1.2e6)
    )
    assert small - large == pytest.approx(2e5 * 2.3741962085478625e-05)


def test_area_interval_and_soft_area_are_normalised_alike_and_nothing_else() -> None:
    after = to_average_person(TABLE, Covariates(0, 1e6, 14000.0))
    shift = after.shift
    assert abs(shift) > 1
    assert after.area == pytest.approx(TABLE.area + shift, nan_ok=True)
    for name in ("area_lower", "area_upper", "soft_area"):
        values = getattr(TABLE, name) + shift
        assert getattr(after, name) == pytest.approx(values, nan_ok=True)
    assert after.mean_interval() == pytest.approx((67.0 + shift, 81.0 + shift))
    assert after.mean_repeat(74.0 + shift) == pytest.approx((73.26 + shift, 74.74 + shift))
    assert (after.column("length")[1:4] == TABLE.column("length")[1:4]).all()
    assert after.as_measured.area == pytest.approx(TABLE.area, nan_ok=True)
    assert after.as_measured.shift == 0


def test_predictors_without_a_model_are_refused() -> None:
    assert covariates_of((("brain-volume", 1e6), ("sex", 1.0))) == Covariates(1.0, 1e6)
    for wrong in ((("sex", 1.0),), (("sex", 1.0), ("age", 3.0)), ()):
        with pytest.raises(ImageError, match="No model"):
            covariates_of(wrong)
