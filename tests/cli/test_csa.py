"""The command `csa`, as it is typed."""

from __future__ import annotations

import csv
import shutil
import sys
from pathlib import Path

import pytest
from sct_reference import CORD, NO_DISCS, SCT, assert_equal, reference

from sct_deepseg_general.cli import main
from sct_deepseg_general.csa import table as csa_table


@pytest.fixture
def seg(tmp_path: Path) -> Path:
    return Path(shutil.copy(SCT / f"{CORD}.nii.gz", tmp_path / "t2_seg.nii.gz"))


def csa(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["sct_deepseg_sc_general", "csa", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_per_slice_beside_the_mask(
    seg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert csa(monkeypatch, "-i", seg, "-perslice", 1) == 0
    found = csa_table.read(tmp_path / "t2_seg_csa.csv")
    assert_equal(found, reference("t2_seg-manual_perslice", tmp_path))


def test_levels_from_discs_and_a_plot(
    seg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, plot = tmp_path / "out.csv", tmp_path / "out.png"
    words = ("-discfile", SCT / f"{NO_DISCS}.nii.gz", "-vert", "2:4", "-perlevel", "1")
    assert csa(monkeypatch, "-i", seg, "-o", out, "-plot", plot, *words) == 0
    assert_equal(csa_table.read(out), reference("t2_disc_perlevel", tmp_path))
    assert plot.stat().st_size > 5000
    said = capsys.readouterr()
    assert "level 3:4, slices 10:44: 79.04 mm²" in said.out
    assert "disc 4 is not labelled" in said.err
    with out.open(newline="") as stream:
        (doubled, single) = list(csv.DictReader(stream))
    assert (doubled["VertLevel"], doubled["Status"]) == ("3:4", "warn")
    assert "disc 4 is not labelled" in doubled["Reasons"]
    assert (single["VertLevel"], single["Status"]) == ("2", "warn")
    assert single["Reasons"].startswith("level 2 is open above, as disc 2 is not labelled")


def test_normalised_and_appended(
    seg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.csv"
    assert csa(monkeypatch, "-i", seg, "-o", out) == 0
    person = ("sex", 0, "brain-volume", 960606.0, "thalamus-volume", 13942.0)
    assert csa(monkeypatch, "-i", seg, "-o", out, "-append", 1, "-normalize", *person) == 0
    assert csa_table.read(out).column("MEAN(area)") == pytest.approx(
        [77.51561788019276, 80.7253521452222], rel=1e-9
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [("empty", "no cord"), ("only1slice", "one slice"), ("gap_2slices", "slices 20:21")],
)
def test_odd_masks_get_a_word_and_a_table(
    name: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out.csv"
    assert csa(monkeypatch, "-i", SCT / f"{name}.nii.gz", "-o", out, "-perslice", 1) == 0
    assert words in capsys.readouterr().err
    with out.open(newline="") as stream:
        assert len(list(csv.reader(stream))) == 56


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("-vert", "2:4"), "-vert needs"),
        (("-perlevel", "1"), "-perlevel needs"),
        (("-vert", "2:x"), "list of numbers"),
        (("-pmj-distance", "60"), "needs -pmj"),
        (("-pmj", "x.nii.gz"), "needs -pmj-distance"),
        (("-normalize-PAM50", "1"), "needs -vertfile"),
        (("-normalize", "sex"), "pairs"),
        (("-plot", "a.png", "-backend", "sct"), "needs -backend native"),
        (("-vertfile", "a.nii", "-discfile", "b.nii"), "one of them"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(
    words: tuple[str, ...],
    sentence: str,
    seg: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert csa(monkeypatch, "-i", seg, *words) == 2
    assert sentence in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["t2_seg.nii.gz"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("-z", "60"), "0 to 54"),
        (("-vertfile", "absent.nii.gz"), "does not exist"),
        (("-normalize", "age", "3"), "No model"),
    ],
)
def test_what_is_not_there_ends_with_one_sentence(
    words: tuple[str, ...],
    sentence: str,
    seg: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert csa(monkeypatch, "-i", seg, *words) == 1
    said = capsys.readouterr().err
    assert said.startswith("Error: ")
    assert said.count("\n") == 1
    assert sentence in said
    assert [path.name for path in tmp_path.iterdir()] == ["t2_seg.nii.gz"]


def test_existing_tables_are_kept_unless_asked(
    seg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.csv"
    out.write_text("mine")
    assert csa(monkeypatch, "-i", seg, "-o", out) == 1
    assert out.read_text() == "mine"
    assert csa(monkeypatch, "-i", seg, "-o", out, "-overwrite") == 0
    assert out.read_text().startswith("Timestamp")


def test_a_quiet_command_writes_the_table_and_says_nothing(
    seg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        csa(monkeypatch, "-i", SCT / "gap_2slices.nii.gz", "-o", tmp_path / "a.csv", "-v", 0) == 0
    )
    assert "".join(capsys.readouterr()) == ""
    assert len(csa_table.read(tmp_path / "a.csv").rows) == 1


def test_a_row_without_cord_is_written_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert csa(monkeypatch, "-i", SCT / "empty.nii.gz", "-o", tmp_path / "a.csv") == 0
    assert capsys.readouterr().out == f"fail: the mask is empty\n{tmp_path / 'a.csv'}\n"


def test_a_soft_mask_adds_its_area(
    seg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert csa(monkeypatch, "-i", seg, "-soft", seg, "-o", tmp_path / "a.csv") == 0
    with (tmp_path / "a.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    (name,) = (name for name in row if "soft" in name and name.startswith("MEAN"))
    assert float(row[name]) == pytest.approx(float(row["MEAN(area)"]), rel=0.02)


def test_an_absent_sct_ends_with_one_sentence(
    seg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SCT_DIR", raising=False)
    assert csa(monkeypatch, "-i", seg, "-backend", "sct") == 1
    assert "install the Spinal Cord Toolbox" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["t2_seg.nii.gz"]


@pytest.mark.parametrize("lacking", [("Reasons", "Status"), ("Reasons",)])
def test_a_table_of_an_earlier_version_is_continued(
    lacking: tuple[str, ...], seg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.csv"
    assert csa(monkeypatch, "-i", seg, "-o", out, "-z", "20:30") == 0
    with out.open(newline="", encoding="utf-8") as stream:
        (row,) = csv.DictReader(stream)
    older = {name: value for name, value in row.items() if name not in lacking}
    with out.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(older))
        writer.writeheader()
        writer.writerow(older)
    assert csa(monkeypatch, "-i", seg, "-o", out, "-append", 1, "-z", "20:30") == 0
    with out.open(newline="", encoding="utf-8") as stream:
        first, second = csv.DictReader(stream)
    assert first == {name: "" if name in lacking else value for name, value in row.items()}
    assert {**second, "Timestamp": ""} == {**row, "Timestamp": ""}
    assert [area.values[0] for area in csa_table.read(out).rows] == [float(row["MEAN(area)"])] * 2
