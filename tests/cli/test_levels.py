"""Levels at the command line: one line for C2-C3, files, warnings, and refusals."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from necks import IMAGE, MASK, below, cord, known_discs, labelled
from samples import DATA

from sct_deepseg_general import cli
from sct_deepseg_general.cli._click import PROGRAM
from sct_deepseg_general.csa import table as csa_table
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.levels.record import embedded_model, load_model


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", [PROGRAM, *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


@pytest.fixture
def neck(tmp_path: Path) -> Path:
    return Path(shutil.copy(IMAGE, tmp_path / "t2.nii.gz"))


@pytest.fixture
def low(tmp_path: Path) -> Path:
    """The neck without C2/C3."""
    path = tmp_path / "low.nii.gz"
    nifti.save(below(known_discs()[3][2] - 6)[0], path, np.int16)
    return path


def test_c2c3_is_one_line_and_in_the_sidecar(
    neck: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "-i", neck, "-c2c3") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("t2.nii.gz: C2-C3 area ")
    assert line.endswith("levels ok")
    record = json.loads((neck.parent / "t2_seg.json").read_text(encoding="utf-8"))
    one = record["C2C3"]
    assert one["Lower"] < one["Area"] < one["Upper"]
    assert f"{one['Area']:.1f} mm² ({one['Lower']:.1f} to {one['Upper']:.1f}" in line
    assert record["Levels"]["Status"] == "ok"
    assert [disc["Number"] for disc in record["Levels"]["Discs"]] == [1, 2, 3, 4, 5, 6, 7]


def test_the_disc_file_gives_the_same_levels_again(
    neck: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, "-i", neck, "-perlevel", 1, "-vert", "2:5", "-v", 0) == 0
    first = csa_table.read(tmp_path / "t2_seg_csa.csv")
    assert [row.levels for row in first.rows] == [(5,), (4,), (3,), (2,)]
    discs = tmp_path / "t2_label-discs.nii.gz"
    assert nifti.load_map(discs).grid.matches(nifti.load(neck).grid)
    words = ("-i", tmp_path / "t2_seg.nii.gz", "-o", tmp_path / "again.csv", "-discfile", discs)
    assert run(monkeypatch, "csa", *words, "-perlevel", 1, "-vert", "2:5") == 0
    again = csa_table.read(tmp_path / "again.csv")
    np.testing.assert_allclose(again.column("MEAN(area)"), first.column("MEAN(area)"))


def test_a_level_that_is_cut_is_no_ok_row(
    neck: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "-i", neck, "-perlevel", 1) == 0
    assert "level 7 is open below, as disc 8 is not labelled" in capsys.readouterr().err
    with (neck.parent / "t2_seg_csa.csv").open(newline="", encoding="utf-8") as stream:
        rows = {row["VertLevel"]: row for row in csv.DictReader(stream)}
    assert {level: row["Status"] for level, row in rows.items()} == {
        "7": "warn", "6": "ok", "5": "ok", "4": "ok", "3": "ok", "2": "ok", "1": "warn",
    }  # fmt: skip
    assert rows["1"]["Reasons"].startswith("level 1 is open above, as disc 1 is not labelled")


def test_the_disc_file_lies_as_the_image_does(neck: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turned = neck.parent / "turned.nii.gz"
    nifti.save(nifti.load(neck).reoriented(("S", "P", "R")), turned, np.int16)
    for image in (neck, turned):
        assert run(monkeypatch, "-i", image, "-c2c3") == 0
    first, second = (
        nifti.load_map(neck.parent / f"{name}_label-discs.nii.gz") for name in ("t2", "turned")
    )
    assert second.grid.matches(nifti.load(turned).grid)
    again = second.reoriented(first.grid.axcodes)
    assert np.abs(np.argwhere(again.data > 0) - np.argwhere(first.data > 0)).max() <= 1


def test_levels_in_doubt_are_withheld_with_a_reason(
    low: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "-i", low, "-c2c3") == 0
    line = capsys.readouterr().out
    assert "C2-C3 area withheld" in line
    assert "C2/C3 is not in the field of view: levels are relative, give -disc-at" in line
    assert not (low.parent / "low_label-discs.nii.gz").exists()
    record = json.loads((low.parent / "low_seg.json").read_text(encoding="utf-8"))
    assert record["Levels"]["Status"] == "withheld"
    assert {disc["Number"] for disc in record["Levels"]["Discs"]} == {None}
    assert record["C2C3"]["Area"] is None
    assert run(monkeypatch, "-i", low, "-c2c3", "-overwrite", "-strict") == 1


def test_a_map_that_cannot_be_compared_is_used_and_named(
    low: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image = nifti.load(low)
    levels = np.zeros(image.grid.shape, np.uint8)
    las = Volume(levels, image.grid).reoriented(("L", "A", "S"))
    heights = [0, 20, 35, 50, las.grid.shape[2]]
    for number, (bottom, top) in zip((5, 4, 3, 2), pairwise(heights), strict=True):
        las.data[:, :, bottom:top] = number
    path = low.parent / "levels.nii.gz"
    nifti.save(las.reoriented(image.grid.axcodes), path, np.uint8)
    assert run(monkeypatch, "-i", low, "-c2c3", "-vertfile", path, "-qc", low.parent / "qc") == 0
    assert "levels partial, from the file given" in capsys.readouterr().out
    record = json.loads((low.parent / "low_seg.json").read_text(encoding="utf-8"))["Levels"]
    assert (record["Status"], record["Reasons"], record["Source"]) == ("ok", [], "file")
    assert record["NotCompared"][0].startswith("C2/C3 is not in the field of view")
    page = "".join(path.read_text() for path in (low.parent / "qc").rglob("view.js"))
    told = "from the file given, not compared with the image (C2/C3 is not in the field of view)"
    assert told in page


@pytest.mark.parametrize("more", [("-perslice", 0), ()])
def test_levels_asked_for_by_number_and_withheld_give_no_other_number(
    low: Path,
    more: tuple[str | int, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "-i", low, "-vert", "5:6", *more) == 1
    said = capsys.readouterr()
    assert "Error: Level 5:6 was asked for, and the levels are withheld: " in said.err
    assert "mm²" not in said.out
    assert not (low.parent / "low_seg.nii.gz").exists()


def test_slices_of_the_template_need_levels_that_are_not_withheld(
    low: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "-i", low, "-normalize-PAM50", 1, "-perslice", 1) == 1
    said = capsys.readouterr()
    assert "Error: Areas on the slices of the PAM50 template were asked for, and" in said.err
    assert "mm²" not in said.out
    assert not (low.parent / "low_seg.nii.gz").exists()


def test_withheld_levels_leave_a_table_of_slices_and_a_warning(
    low: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "-i", low, "-perlevel", 1) == 0
    assert "levels withheld" in capsys.readouterr().err
    with (low.parent / "low_seg_csa.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["VertLevel"] for row in rows} == {""}
    assert len(rows) > 30


def test_a_known_disc_gives_the_levels(
    low: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image = nifti.load(low)
    z = round((known_discs()[5][2] - image.grid.affine[2, 3]) / image.grid.affine[2, 2])
    assert run(monkeypatch, "-i", low, "-disc-at", f"{z},5", "-perlevel", 1) == 0
    assert "withheld" not in capsys.readouterr().err
    labels = nifti.load_map(low.parent / "low_label-discs.nii.gz").data
    assert sorted(labels[labels > 0].tolist()) == [4, 5, 6, 7]


def test_csa_finds_levels_for_any_mask(
    neck: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "levels.csv"
    words = ("-i", MASK, "-anat", neck, "-o", table)
    assert run(monkeypatch, "csa", *words, "-levels", "auto", "-perslice", 1) == 0
    levels = {level for row in csa_table.read(table).rows for level in row.levels}
    assert levels >= {2, 3, 4, 5, 6}
    capsys.readouterr()
    assert run(monkeypatch, "csa", *words, "-c2c3", "-overwrite") == 0
    assert capsys.readouterr().out.startswith("neck_T2w_seg.nii.gz: C2-C3 area ")
    (row,) = csa_table.read(table).rows
    assert row.levels == (2, 3)


def test_csa_does_not_number_in_doubt(
    low: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mask = tmp_path / "low_seg.nii.gz"
    nifti.save(below(known_discs()[3][2] - 6)[1], mask)
    words = ("-i", mask, "-anat", low, "-o", tmp_path / "t.csv", "-perlevel", 1)
    assert run(monkeypatch, "csa", *words) == 1
    assert "levels are withheld" in capsys.readouterr().err
    assert not (tmp_path / "t.csv").exists()


def test_centiles_need_no_file_of_levels(
    neck: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "-i", neck, "-age", 30, "-sex", "F", "-contrast", "T2w") == 0
    assert "the vertebral levels are not known" not in capsys.readouterr().out
    assert (neck.parent / "t2_label-discs.nii.gz").is_file()


def test_a_file_with_wrong_numbers_is_used_with_a_warning(
    neck: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    discs = tmp_path / "low.nii.gz"
    nifti.save(labelled({n - 1: p for n, p in known_discs().items()}), discs, np.uint8)
    assert run(monkeypatch, "-i", neck, "-discfile", discs, "-perlevel", 1) == 0
    assert "disagree with the file given" in capsys.readouterr().err
    levels = {row.levels[0] for row in csa_table.read(tmp_path / "t2_seg_csa.csv").rows}
    assert levels == {1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-disc-at", "7"), "write slice,number"),
        (("-disc-at", "50,5", "-discfile", IMAGE), "without -vertfile and -discfile"),
        (("-levels", "yes"), "auto"),
        (("-disc-at", "50,5", "-i", "b.nii.gz"), "belongs to one image"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(
    words: tuple[object, ...],
    said: str,
    neck: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "-i", neck, *words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("words", [("-perlevel", 1), ("-c2c3",), ("-levels", "auto")])
def test_csa_needs_a_file_or_the_image(
    words: tuple[object, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "csa", "-i", MASK, "-o", tmp_path / "t.csv", *words) == 2
    assert "-anat" in capsys.readouterr().err


def test_a_batch_finds_levels_and_takes_those_of_the_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for person in ("sub-01", "sub-02"):
        folder = tmp_path / "data" / person / "anat"
        folder.mkdir(parents=True)
        shutil.copy(IMAGE, folder / f"{person}_T2w.nii.gz")
    labels = tmp_path / "data/derivatives/labels/sub-02/anat/sub-02_T2w_label-discs.nii.gz"
    labels.parent.mkdir(parents=True)
    nifti.save(labelled(known_discs(), cord()), labels, np.uint8)
    out = tmp_path / "out"
    words = ("-bids", tmp_path / "data", "-o", out, "-c2c3", "-no-qc", "-jobs", 1)
    assert run(monkeypatch, "batch", *words) == 0
    with (out / "images.tsv").open(newline="", encoding="utf-8") as stream:
        first, second = csv.DictReader(stream, delimiter="\t")
    assert first["levels"] == "found in the image"
    estimated = "The disc 2 (estimated) is not in the file: it was taken from the image."
    assert second["levels"] == f"from the file given; {estimated}"
    assert float(first["c2c3_lower"]) < float(first["c2c3_area"]) < float(first["c2c3_upper"])
    found = sorted(path.name for path in out.rglob("*label-discs*"))
    assert found == [f"sub-0{n}_label-discs_desc-T2w_dseg.nii.gz" for n in (1, 2)]
    with (out / "csa.tsv").open(newline="", encoding="utf-8") as stream:
        assert {"3", "4"} <= {row["level"] for row in csv.DictReader(stream, delimiter="\t")}


@pytest.mark.training
def test_train_rebuilds_the_network_of_the_discs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder that a training writes is a recipe that gives the same bytes again."""
    recipe = json.loads((embedded_model().folder / "recipe.json").read_text(encoding="utf-8"))
    recipe |= {"id": "tiny", "table": "levels/neck_discs.tsv", "iterations": 3, "batch": 1}
    recipe |= {"sources": [{"images": "levels/*.nii.gz"}], "centrelines": ""}
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(recipe), encoding="utf-8")
    (tmp_path / "card.md").write_text("A network of one neck.", encoding="utf-8")
    first, again = tmp_path / "discs", tmp_path / "again"
    words = ("train", "-what", "levels", "-data", DATA)
    assert run(monkeypatch, *words, "-recipe", path, "-o", first) == 0
    assert "1 image, 1 person" in capsys.readouterr().out
    made = load_model(first)
    made.verify()
    assert made.limits == embedded_model().limits
    assert (first / "images.txt").read_text(encoding="utf-8") == "levels/neck_T2w.nii.gz\n"
    assert run(monkeypatch, *words, "-recipe", first / "recipe.json", "-o", again) == 0
    for written in first.iterdir():
        assert (again / written.name).read_bytes() == written.read_bytes(), written.name


def test_train_checks_before_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = embedded_model().folder / "recipe.json"
    words = ("-what", "levels", "-recipe", recipe, "-data", tmp_path, "-o", tmp_path / "discs")
    assert run(monkeypatch, "train", *words) != 0
    assert "levels/discs.tsv is in none of the data folders" in capsys.readouterr().err
    assert not (tmp_path / "discs").exists()


@pytest.mark.parametrize("words", [("list",), ("verify",), ("verify", "-m", "vertebral-discs")])
def test_models_shows_the_network_of_the_discs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert run(monkeypatch, "models", *words) == 0
    shown = capsys.readouterr().out
    assert "vertebral levels:" in shown
    assert embedded_model().key in shown


def test_models_tells_of_the_network_of_the_discs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "models", "path", "-m", "vertebral-discs") == 0
    assert Path(capsys.readouterr().out.strip()) == embedded_model().folder
    assert run(monkeypatch, "models", "info", "-m", "vertebral-discs") == 0
    assert "Not a medical device" in capsys.readouterr().out
