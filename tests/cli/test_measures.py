"""The flags of `csa` in the main command, and `-uncertainty`."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import fields
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from samples import LABELS, MODEL_VARIABLE, image_path

from sct_deepseg_general import cli
from sct_deepseg_general.cli._click import PROGRAM
from sct_deepseg_general.cli.options.csa import MEASURING
from sct_deepseg_general.csa import table as csa_table
from sct_deepseg_general.qc.folder import QcRow

PERSON = ("-normalize", "sex", 0, "brain-volume", 960606)
DISCS = LABELS / "sub-sct_T2w_label-discs.nii.gz"


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    import os

    model = ("-m", os.environ[MODEL_VARIABLE]) if MODEL_VARIABLE in os.environ else ()
    monkeypatch.setattr(sys, "argv", [PROGRAM, *map(str, (*words, *model))])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


@pytest.fixture
def t2(tmp_path: Path) -> Path:
    return Path(shutil.copy(image_path("T2w"), tmp_path / "t2.nii.gz"))


def test_levels_come_with_the_segmentation(
    t2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("-discfile", DISCS, "-vert", "4:6", "-perlevel", 1, "-qc", tmp_path / "qc")
    assert run(monkeypatch, "-i", t2, *words) == 0
    found = csa_table.read(tmp_path / "t2_seg_csa.csv")
    assert sorted(row.levels for row in found.rows) == [(4,), (5,), (6,)]
    lower, area, upper = (found.column(f"MEAN({n})") for n in ("area_lower", "area", "area_upper"))
    assert (lower < area).all()
    assert (area < upper).all()
    texts = "".join(p.read_text(errors="ignore") for p in (tmp_path / "qc").rglob("*.js*"))
    assert "C4" in texts
    again = tmp_path / "again.csv"
    mask = tmp_path / "t2_seg.nii.gz"
    assert run(monkeypatch, "csa", "-i", mask, "-o", again, *words[:-2]) == 0
    np.testing.assert_allclose(csa_table.read(again).column("MEAN(area)"), area)


def test_the_region_asked_for_is_what_terminal_json_and_page_give(
    t2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("-z", "10:30", "-perslice", 0, "-qc", tmp_path / "qc")
    assert run(monkeypatch, "-i", t2, *words) == 0
    (row,) = csa_table.read(tmp_path / "t2_seg_csa.csv").rows
    area = row.values[0]
    assert area is not None
    record = json.loads((tmp_path / "t2_seg.json").read_text(encoding="utf-8"))["Area"]
    assert record["Mean"] == pytest.approx(area, abs=1e-3)
    assert record["Region"] == "slices 10:30"
    assert record["Lower"] < record["Mean"] < record["Upper"]
    assert f"mean CSA of slices 10:30: {area:.1f} mm²" in capsys.readouterr().out
    (entry,) = (tmp_path / "qc").rglob("entry.json")
    names = [field.name for field in fields(QcRow)]
    shown = dict(zip(names, json.loads(entry.read_text(encoding="utf-8")), strict=True))
    assert (shown["csa"], shown["region"]) == (pytest.approx(area, abs=0.01), "slices 10:30")


@pytest.mark.parametrize("person", [(), PERSON], ids=["own", "average"])
@pytest.mark.parametrize("rows", [("-perslice", 1), ("-perlevel", 1)])
def test_the_mean_is_of_the_region_whatever_rows_the_table_has(
    rows: tuple[str, int],
    person: tuple[object, ...],
    t2: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("-discfile", DISCS, "-vert", "4:5", *person, "-overwrite")
    assert run(monkeypatch, "-i", t2, *words, "-perslice", 0) == 0
    (row,) = csa_table.read(tmp_path / "t2_seg_csa.csv").rows
    area = row.values[0]
    one = json.loads((tmp_path / "t2_seg.json").read_text(encoding="utf-8"))["Area"]
    capsys.readouterr()
    assert run(monkeypatch, "-i", t2, *words, *rows) == 0
    assert len(csa_table.read(tmp_path / "t2_seg_csa.csv").rows) > 1
    assert json.loads((tmp_path / "t2_seg.json").read_text(encoding="utf-8"))["Area"] == one
    assert f" of {one['Region']}: {area:.1f} mm²" in capsys.readouterr().out


def test_the_average_persons_area_is_the_same_in_every_output(
    t2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    region, page = ("-z", "10:30", "-perslice", 0), tmp_path / "page.html"
    assert run(monkeypatch, "-i", t2, *region) == 0
    sidecar, table = tmp_path / "t2_seg.json", tmp_path / "t2_seg_csa.csv"
    plain = json.loads(sidecar.read_text(encoding="utf-8"))["Area"]
    words = (*region, *PERSON, "-overwrite")
    assert run(monkeypatch, "-i", t2, *words, "-qc", tmp_path / "qc", "-report", page) == 0
    moved = json.loads(sidecar.read_text(encoding="utf-8"))["Area"]
    shift = moved["AveragePerson"]
    assert shift == pytest.approx(4.662, abs=1e-3)
    for end in ("Mean", "Lower", "Upper"):
        assert moved[end] == pytest.approx(plain[end] + shift, abs=2e-3)
    assert moved["Repeat"] == pytest.approx([one + shift for one in plain["Repeat"]], abs=2e-3)
    (row,) = csa_table.read(table).rows
    columns = csa_table.read(table).columns
    for name, end in (("area", "Mean"), ("area_lower", "Lower"), ("area_upper", "Upper")):
        assert row.values[columns.index(f"MEAN({name})")] == pytest.approx(moved[end], abs=1e-3)
    ends = f"({moved['Lower']:.1f} to {moved['Upper']:.1f}"
    said = capsys.readouterr().out
    assert (
        f"in the average person (+4.7 mm²) of slices 10:30: {moved['Mean']:.1f} mm² {ends}" in said
    )
    assert f"{moved['Mean']:.1f} mm² {ends})" in page.read_text(encoding="utf-8")
    (entry,) = (tmp_path / "qc").rglob("entry.json")
    names = [field.name for field in fields(QcRow)]
    shown = dict(zip(names, json.loads(entry.read_text(encoding="utf-8")), strict=True))
    assert shown["csa"] == pytest.approx(moved["Mean"], abs=1e-3)


def test_discs_on_another_grid_give_the_same_levels_with_the_segmentation(
    t2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    discs = nib.load(DISCS)
    part = nib.Nifti1Image(np.asarray(discs.dataobj)[2:], discs.affine.copy())
    part.affine[:3, 3] += discs.affine[:3, 0] * 2
    nib.save(nib.Nifti1Image(part.dataobj, part.affine), tmp_path / "part.nii.gz")
    rows = []
    for path in (DISCS, tmp_path / "part.nii.gz"):
        words = ("-discfile", path, "-perlevel", 1, "-overwrite")
        assert run(monkeypatch, "-i", t2, *words) == 0
        rows.append(csa_table.read(tmp_path / "t2_seg_csa.csv").rows)
    assert rows[0] == rows[1]
    assert "not on the grid" in capsys.readouterr().err


def test_the_other_views_are_asked_for_by_name(
    cord: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plot = cord.parent / "csa.png"
    assert run(monkeypatch, "-i", cord, "-uncertainty", "-plot", plot) == 0
    assert plot.read_bytes()[1:4] == b"PNG"
    told = json.loads((cord.parent / "t2_seg.json").read_text(encoding="utf-8"))
    assert told["Area"]["From"] == "border"
    area = told["Area"]
    shown = (
        f"({area['Lower']:.1f} to {area['Upper']:.1f}; a second scan {area['Repeat'][0]:.1f} to "
    )
    assert shown in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-vertfile", DISCS, "-discfile", DISCS), "give one of them"),
        (("-pmj-distance", 60), "-pmj-distance needs -pmj"),
        (("-pmj", DISCS, "-pmj-distance", 60, "-normalize-PAM50", 1), "slices of the template"),
        (("-i", "other.nii.gz", "-discfile", DISCS), "belongs to one image"),
        (("-centerline-exclude-missing", 1), "needs -centerline"),
        ((*PERSON, "-age", 30, "-sex", "F"), "of the person's own: give one of them"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(
    words: tuple[object, ...],
    said: str,
    t2: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "-i", t2, *words) == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in t2.parent.iterdir()] == ["t2.nii.gz"]


def test_help_lists_the_flags_of_csa(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (("csa", "-h"), ("-help-all",)):
        assert run(monkeypatch, *words) == 0
        listed = capsys.readouterr().out
        assert all(name in listed for name in MEASURING)
