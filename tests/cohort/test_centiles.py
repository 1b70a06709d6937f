"""Centiles of a batch: columns of images.tsv, a row for each level, and who has none."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from samples import model

from sct_deepseg_general.cohort.centiles import (
    COLUMNS,
    Cohort,
    cohort_of,
    unplaced,
    write_centiles,
)
from sct_deepseg_general.errors import NormsError
from sct_deepseg_general.norms.participants import read_participants
from sct_deepseg_general.zoo.model import Model

KNOWN = {"T2w": {"area": {"ratio": 1.0, "sd": 0.05, "people": 3}}}


@pytest.fixture(scope="module")
def calibrated() -> Model:
    return replace(model(), norms=KNOWN)


def tables(place: Path, digest: str, people: dict[str, str]) -> Path:
    """The tables of a batch of C4, C3 and C2; `people` gives the status of each."""
    head = "participant_id\tsession_id\tcontrast\timage\t"
    images, slices = [head + "status\tmodel\n"], [head + "slice\tlevel\tarea\tstatus\n"]
    for who, status in people.items():
        key = f"{who}\tn/a\tT2w\t{who}/anat/{who}_T2w.nii.gz\t"
        images.append(f"{key}{status}\t{digest[:12]}\n")
        slices += [f"{key}{z}\t{4 - z // 15}\t70.0\t{status}\n" for z in range(45)]
    (place / "images.tsv").write_text("".join(images))
    (place / "csa.tsv").write_text("".join(slices))
    (place / "images.json").write_text('{"status": {"Description": "The quality check."}}')
    return place


def cohort(place: Path, *lines: str) -> Cohort:
    path = place / "participants.tsv"
    path.write_text("participant_id\tage\tsex\n" + "".join(f"{line}\n" for line in lines))
    return Cohort(read_participants(path))


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="") as stream:
        return {row["participant_id"]: row for row in csv.DictReader(stream, delimiter="\t")}


def test_each_image_gets_its_centile_or_the_reason(tmp_path: Path, calibrated: Model) -> None:
    people = {"sub-01": "ok", "sub-02": "fail", "sub-03": "ok"}
    place = tables(tmp_path, calibrated.digest, people)
    found = write_centiles(
        place, cohort(tmp_path, "sub-01\t30\tF", "sub-02\t30\tF", "sub-04\t30\tM"), calibrated
    )
    images = rows(place / "images.tsv")
    centile = float(images["sub-01"]["c2c3_centile"])
    low, high = (float(images["sub-01"][f"c2c3_centile_{end}"]) for end in ("lower", "upper"))
    assert 0 < low < centile < high < 100
    assert images["sub-01"]["no_centile"] == "n/a"
    assert images["sub-02"]["no_centile"] == "the quality check says fail"
    assert images["sub-03"]["no_centile"] == "not in participants.tsv"
    assert {images[who]["c2c3_centile"] for who in ("sub-02", "sub-03")} == {"n/a"}
    assert unplaced(found) == {
        "sub-02": "the quality check says fail",
        "sub-03": "not in participants.tsv",
        "sub-04": "no image",
    }


def test_the_new_columns_are_described_and_are_there_once(
    tmp_path: Path, calibrated: Model
) -> None:
    place, people = tables(tmp_path, calibrated.digest, {"sub-01": "ok"}), cohort(tmp_path)
    for _ in range(2):
        write_centiles(place, people, calibrated)
    header = (place / "images.tsv").read_text().splitlines()[0].split("\t")
    assert header[-len(COLUMNS) :] == list(COLUMNS)
    assert len(set(header)) == len(header)
    assert set(header) - set(json.loads((place / "images.json").read_text())) <= {
        "participant_id", "session_id", "contrast", "image", "model",
    }  # fmt: skip


def test_an_image_of_another_model_gets_no_centile(tmp_path: Path, calibrated: Model) -> None:
    place = tables(tmp_path, "0" * 64, {"sub-01": "ok"})
    write_centiles(place, cohort(tmp_path, "sub-01\t30\tF"), calibrated)
    (row,) = rows(place / "images.tsv").values()
    assert (row["c2c3_centile"], row["no_centile"]) == (
        "n/a", "the mask was made with another model",
    )  # fmt: skip


def test_a_model_without_calibration_gives_none_and_says_so(tmp_path: Path) -> None:
    bare = replace(model(), norms=None)
    place = tables(tmp_path, bare.digest, {"sub-01": "ok"})
    write_centiles(place, cohort(tmp_path, "sub-01\t30\tF"), bare)
    (row,) = rows(place / "images.tsv").values()
    assert row["c2c3_centile"] == "n/a"
    assert "were not compared with those of the norms" in row["no_centile"]


def test_the_table_of_the_dataset_is_taken_where_there_is_one(tmp_path: Path) -> None:
    assert cohort_of(tmp_path, None, None) is None
    (tmp_path / "participants.tsv").write_text("participant_id\tage\tsex\nsub-01\t30\tF\n")
    found = cohort_of(tmp_path, None, None)
    assert found is not None
    assert list(found.people) == ["sub-01"]


def test_a_table_that_cannot_be_used_stops_a_batch_only_if_it_was_named(tmp_path: Path) -> None:
    path = tmp_path / "participants.tsv"
    path.write_text("participant_id\tage\tsex\nsub-01\t360\tF\n")
    path.with_suffix(".json").write_text('{"age": {"Units": "months"}}')
    found = cohort_of(tmp_path, None, None)
    assert found is not None
    assert "in months: give them in years" in found.problem
    for named, group in ((path, None), (None, "sex")):
        with pytest.raises(NormsError, match="in months"):
            cohort_of(tmp_path, named, group)
    with pytest.raises(NormsError, match="-group needs"):
        cohort_of(None, None, "sex")
