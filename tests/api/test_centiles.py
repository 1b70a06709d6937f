"""Age and sex as arguments: the centiles are those of the command, and say why there is none."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from samples import DATA

from sct_deepseg_general import cli, measure, segment
from sct_deepseg_general.api.result import CordResult
from sct_deepseg_general.errors import ArgumentError, NormsError

NECK, NECK_MASK = (DATA / "levels" / f"neck_T2w{end}.nii.gz" for end in ("", "_seg"))


@pytest.fixture(scope="module")
def placed() -> CordResult:
    return segment(NECK, age=34, sex="f")


def area_of(result: CordResult, level: str) -> Any:
    table = result.centiles()
    return table[(table["level"] == level) & (table["measure"] == "area")].iloc[0]


def test_centiles_are_those_of_the_command(
    placed: CordResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("-i", NECK, "-o", f"{tmp_path}/", "-age", 34, "-sex", "F", "-perlevel", 1)
    monkeypatch.setattr("sys.argv", ["x", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    with (tmp_path / "neck_T2w_seg_csa.csv").open(newline="", encoding="utf-8") as file:
        written = {row["VertLevel"]: row["CENTILE(area)"] for row in csv.DictReader(file)}
    for level in (2, 3, 4, 5):
        assert area_of(placed, f"C{level}")["centile"] == pytest.approx(float(written[str(level)]))


def test_rows_of_levels_and_regions_hold_the_centile_of_the_area(placed: CordResult) -> None:
    region = placed.table("region", level=(2, 3)).iloc[0]
    assert region["area_centile"] == area_of(placed, "C2-C3")["centile"]
    assert 0 < region["area_centile"] < 100
    levels = placed.table("level").set_index("level")
    assert levels.loc[3, "area_zscore"] == area_of(placed, "C3")["z_score"]
    assert "area_centile" not in placed.table()


def test_the_sidecar_that_is_saved_holds_them(placed: CordResult, tmp_path: Path) -> None:
    files = placed.save(tmp_path, by="level")
    among = json.loads(files["sidecar"].read_text(encoding="utf-8"))["AmongNorms"]
    assert (among["Age"], among["Sex"], among["Contrast"]) == (34, "F", "T2w")
    assert "CENTILE(area)" in files["table"].read_text(encoding="utf-8").splitlines()[0]


def test_a_mask_has_the_centiles_of_the_result_that_it_is_of(placed: CordResult) -> None:
    again = measure(placed.mask, image=NECK, age=34, sex="F", contrast="T2w", model="sc-general")
    for level in ("C2-C3", "C5"):
        here, there = area_of(placed, level), area_of(again, level)
        assert here["centile"] == pytest.approx(there["centile"], abs=0.5)


def test_the_norm_is_drawn(placed: CordResult) -> None:
    shown = [text.get_text() for text in placed.plot().get_legend().get_texts()]
    assert any("women of 34 (T2w)" in text for text in shown)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"age": 90, "sex": "F"}, "is of other ages"),
        ({"age": 34, "sex": "F", "contrast": "STIR"}, "none of STIR"),
    ],
)
def test_the_reason_why_there_is_no_centile_is_a_warning(given: dict[str, Any], said: str) -> None:
    result = measure(NECK_MASK, image=NECK, model="sc-general", **given)
    assert [said in sentence for sentence in result.warnings] == [True]
    assert result.warnings[0].startswith("no centile: ")


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"age": 34}, ArgumentError, "both age and sex"),
        ({"contrast": "T2w"}, ArgumentError, "give age and sex too"),
        ({"model": "sc-general"}, ArgumentError, "give age and sex too"),
        ({"age": "34", "sex": "F"}, ArgumentError, "age='34'"),
        ({"age": 34, "sex": 1}, ArgumentError, "sex=1"),
        ({"age": float("nan"), "sex": "F"}, NormsError, "not an age"),
        ({"age": 34, "sex": "X"}, NormsError, "give F or M"),
        ({"age": 34, "sex": "F"}, NormsError, "give it with model"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    given: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        measure(NECK_MASK, image=NECK, **given)


def test_without_age_and_sex_there_are_no_centiles_to_ask_for() -> None:
    with pytest.raises(ArgumentError, match="give age and sex"):
        measure(NECK_MASK).centiles()
