"""Each row of the tables in docs/sct.md, run on SCT's sample image."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from samples import cord_crop, cord_crop_label

from sct_deepseg_general import __version__, cli
from sct_deepseg_general.cli.csa import command as csa_command
from sct_deepseg_general.cli.options.sct import (
    CSA_FLAGS,
    OWN_TASKS,
    QC_FLAGS,
    SEGMENT_FLAGS,
    of_task,
    taken_over,
)
from sct_deepseg_general.cli.qc import command as qc_command
from sct_deepseg_general.cli.segment import command as segment_command
from sct_deepseg_general.image import nifti

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sct.md"
Check = Callable[[Path, str], None]


def has(*names: str) -> Check:
    """The files are there."""

    def check(folder: Path, _told: str) -> None:
        assert [name for name in names if not (folder / name).exists()] == []

    return check


def told(*words: str) -> Check:
    def check(_folder: Path, said: str) -> None:
        assert [word for word in words if word not in said] == []

    return check


def soft(folder: Path, said: str) -> None:
    assert "-thr 0 is taken as -soft" in said
    values = np.asarray(nib.load(folder / "t2_softseg.nii.gz").dataobj)
    assert np.mean((values > 0.1) & (values < 0.9)) > 0
    assert set(np.unique(np.asarray(nib.load(folder / "t2_seg.nii.gz").dataobj))) == {0, 1}


def lower(folder: Path, _said: str) -> None:
    settings = json.loads((folder / "t2_seg.json").read_text(encoding="utf-8"))["Parameters"]
    assert settings["threshold"] == 0.4


def small(folder: Path, _said: str) -> None:
    settings = json.loads((folder / "t2_seg.json").read_text(encoding="utf-8"))["Parameters"]
    assert settings["smallest"] == "5vox"


def two_results(folder: Path, _said: str) -> None:
    has("t2_seg.nii.gz", "b_seg.nii.gz")(folder, "")


ONE = "t2_seg.nii.gz"
# the words after the program's name; {i} is the image; exit code; what holds afterwards
SEGMENT: dict[str, tuple[str, int, Check]] = {
    "spinalcord": ("spinalcord -i {i}", 0, told("this program's own model")),
    "lesion_ms": ("lesion_ms -i {i} -offline", 1, told("sct-lesion-ms")),
    "-i": ("spinalcord -i {i} b.nii.gz", 0, two_results),
    "-o": ("spinalcord -i {i} -o new/cord", 0, has("new/cord.nii.gz", "new/cord_csa.csv")),
    "-install": ("spinalcord -install", 0, told("is installed")),
    "-custom-url": ("-custom-url http://x/m.zip -i {i}", 1, told("http")),
    "-thr 0.4": ("spinalcord -i {i} -thr 0.4", 0, lower),
    "-thr 0": ("spinalcord -i {i} -thr 0", 0, soft),
    "-largest": ("spinalcord -i {i} -largest 1", 0, has(ONE)),
    "-fill-holes": ("spinalcord -i {i} -fill-holes 1", 0, has(ONE)),
    "-remove-small": ("spinalcord -i {i} -remove-small 5vox", 0, small),
    "-test-time-aug": ("spinalcord -i {i} -test-time-aug", 0, told("is taken as -uncertainty")),
    "-qc": ("spinalcord -i {i} -qc qc", 0, has("qc/index.html")),
    "-qc-dataset": ("spinalcord -i {i} -qc qc -qc-dataset mine", 0, has("qc/index.html")),
    "-qc-subject": ("spinalcord -i {i} -qc qc -qc-subject anna", 0, has("qc/index.html")),
    "-qc-plane": ("spinalcord -i {i} -qc qc -qc-plane Sagittal", 0, has("qc/index.html")),
    "-qc-seg": ("spinalcord -i {i} -qc qc -qc-seg {m}", 0, has("qc/index.html")),
    "-soft-ms-lesion": ("-soft-ms-lesion -i {i}", 0, has("t2_softseg.nii.gz")),
    "-r": ("spinalcord -i {i} -r 0", 0, has(ONE)),
    "-v": ("spinalcord -i {i} -v 1", 0, has(ONE)),
    "-c": ("spinalcord -i {i} -c t2", 0, told("segments any contrast")),
    "-brain": ("-i {i} -c t2 -brain 1", 0, has(ONE)),
    "-kernel": ("-i {i} -kernel 2d", 0, has(ONE)),
    "-file_centerline": ("-i {i} -file_centerline x.nii.gz", 0, has(ONE)),
    "-centerline": ("-i {i} -centerline cnn", 0, has(ONE)),
    "-label-vert": ("spine -i {i} -label-vert 1", 2, told("choose with -label")),
    "-box-xmin": ("rootlets -i {i} -box-xmin 10", 2, told("-exact")),
    "-list-tasks": ("-list-tasks", 2, told("models list")),
    "-trace-memory": ("spinalcord -i {i} -trace-memory", 2, told("time -v")),
    "-h": ("spinalcord -h", 0, told("Usage")),
    "-single-fold": ("lesion_ms -i {i} -single-fold", 2, told("leave it out")),
    "-step1-only": ("spine -i {i} -step1-only 1", 2, told("-label")),
    "-task-details": ("-task-details", 2, told("models list")),
    "-profile-time": ("spinalcord -i {i} -profile-time", 2, told("time is printed")),
}


def levels(folder: Path, _said: str) -> None:
    with (folder / "csa.csv").open(newline="", encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    assert row["SCT Version"] == f"sct_deepseg_sc_general {__version__}"


AREAS: dict[str, tuple[str, int, Check]] = {
    "-s": ("csa -s {m} -i {i} -o csa.csv -perslice 1", 0, levels),
    "-vert": ("csa -i {m} -o csa.csv -vert C2:C3 -vertfile levels.nii.gz", 0, levels),
    "-angle-corr-centerline": ("csa -i {m} -o csa.csv -angle-corr-centerline {m}", 0, levels),
    "-qc": ("csa -i {m} -o csa.csv -qc qc -qc-image {i}", 0, has("csa.csv", "qc/index.html")),
    "-o": ("csa -i {m} -o csa.csv", 0, levels),
    "-r": ("csa -i {m} -o csa.csv -r 0", 0, levels),
    "-profile-time": ("csa -i {m} -o csa.csv -profile-time", 2, told("time is printed")),
}
PAGE_OF_MASK = "qc -i {i} -s {m} -qc qc -volume 0"
QC: dict[str, tuple[str, int, Check]] = {
    "-p": (f"{PAGE_OF_MASK} -p sct_deepseg_sc", 0, has("qc/index.html")),
    "-qc": (PAGE_OF_MASK, 0, has("qc/index.html")),
    "-d": (f"{PAGE_OF_MASK} -p sct_propseg -d {{i}}", 2, told("-s2")),
    "-plane": (f"{PAGE_OF_MASK} -plane axial", 0, has("qc/index.html")),
    "-resample": (f"{PAGE_OF_MASK} -resample 0.5", 0, has("qc/index.html")),
    "-text-labels": (f"{PAGE_OF_MASK} -text-labels 0", 0, has("qc/index.html")),
    "-custom-labels": (f"{PAGE_OF_MASK} -custom-labels a.json", 0, has("qc/index.html")),
    "-fps": (f"{PAGE_OF_MASK} -fps 3", 0, has("qc/index.html")),
    "-profile-time": (f"{PAGE_OF_MASK} -profile-time", 2, told("time is printed")),
}
REFUSED = {
    "-c t1 t2": ("tumor -i {i} -c t1 t2", "-channels"),
    "-c with a task": ("lesion_ms -i {i} -c t2", "-channels"),
    "-custom-url": ("lesion_ms -i {i} -custom-url https://a/1.zip https://a/2.zip", "models add"),
    "-remove-small": ("spinalcord -i {i} -remove-small 10 20 10vox", "one size for all labels"),
    "-centerline": ("-i {i} -c t2 -centerline viewer", "found by itself"),
    "-p": (f"{PAGE_OF_MASK} -p sct_register_multimodal -d {{i}}", "masks of the cord"),
}
# the names of all flags in the source of SCT 7.3 and of its development version of August 2026
IN_SCT = {
    "sct_deepseg": """-task -task-details -h -i -o -install -custom-url -thr -largest -fill-holes
        -remove-small -qc -qc-dataset -qc-subject -qc-plane -qc-seg -test-time-aug -c -label-vert
        -soft-ms-lesion -single-fold -step1-only -box-xmin -box-xmax -box-ymin -box-ymax -box-zmin
        -box-zmax -v -r -profile-time -trace-memory""",
    "sct_process_segmentation": """-i -o -append -z -perslice -vert -vertfile -discfile -perlevel
        -angle-corr -centerline -centerline-algo -centerline-smooth -centerline-exclude-missing
        -pmj -pmj-distance -pmj-extent -anat -normalize -normalize-PAM50 -qc -qc-image -qc-dataset
        -qc-subject -h -v -r -profile-time -trace-memory""",
    "sct_qc": """-i -p -s -d -plane -resample -text-labels -custom-labels -qc -qc-dataset
        -qc-subject -fps -h -v -profile-time -trace-memory""",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SCT_DIR", raising=False)
    nifti.save(cord_crop(), Path("t2.nii.gz"))
    nifti.save(cord_crop(), Path("b.nii.gz"))
    Path("masks").mkdir()
    label = cord_crop_label()
    nifti.save(label, Path("masks/manual.nii.gz"))
    upright = label.reoriented(("L", "A", "S"))
    numbers = np.where(np.arange(upright.data.shape[2]) < 19, 3, 2)
    data = (upright.data * numbers).astype(np.uint8)
    nib.save(nib.Nifti1Image(data, upright.grid.affine), "levels.nii.gz")
    return tmp_path


def run(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    made = words.format(i="t2.nii.gz", m="masks/manual.nii.gz").split()
    monkeypatch.setattr("sys.argv", ["sct_deepseg_sc_general", *made])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return int(end.value.code or 0), said.out + said.err


@pytest.mark.parametrize("flag", SEGMENT)
def test_a_flag_of_sct_deepseg(
    flag: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, code, check = SEGMENT[flag]
    ended, said = run(words, monkeypatch, capsys)
    assert ended == code, said
    check(folder, said)


@pytest.mark.parametrize("flag", AREAS)
def test_a_flag_of_sct_process_segmentation(
    flag: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, code, check = AREAS[flag]
    ended, said = run(words, monkeypatch, capsys)
    assert ended == code, said
    check(folder, said)


@pytest.mark.parametrize("flag", QC)
def test_a_flag_of_sct_qc(
    flag: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, code, check = QC[flag]
    ended, said = run(words, monkeypatch, capsys)
    assert ended == code, said
    check(folder, said)


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_taken_over_says_what_to_use(
    case: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, sentence = REFUSED[case]
    ended, said = run(words, monkeypatch, capsys)
    assert ended == 2
    assert sentence in said
    assert not (folder / "t2_seg.nii.gz").exists()


@pytest.mark.parametrize("name", IN_SCT)
def test_every_flag_of_sct_is_on_the_page_and_known(name: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    section = text.partition(f"## {name}\n")[2].partition("\n## ")[0]
    flags = IN_SCT[name].split()
    named = {word for cell in re.findall("`([^`]+)`", section) for word in cell.split()}
    assert [flag for flag in flags if flag not in named] == []
    command, taken = {
        "sct_deepseg": (segment_command, SEGMENT_FLAGS),
        "sct_process_segmentation": (csa_command, CSA_FLAGS),
        "sct_qc": (qc_command, QC_FLAGS),
    }[name]
    own = {"-h", "-profile-time", "-trace-memory", *taken}
    own.update(word for one in command.params for word in one.opts)
    assert [flag for flag in flags if flag not in own] == []


def rows(heading: str) -> set[str]:
    """The flags in the first column of the table under a heading of the page."""
    section = PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)
    return {cell if cell.startswith("-thr") else cell.split()[0] for cell in cells}


@pytest.mark.parametrize(
    ("heading", "cases"),
    [("sct_deepseg", SEGMENT), ("sct_process_segmentation", AREAS), ("sct_qc", QC)],
)
def test_every_row_of_the_page_is_run(heading: str, cases: Sequence[str]) -> None:
    assert rows(heading) == set(cases)


def test_every_flag_that_is_taken_over_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    old = {"-ofolder"}  # of versions before 7
    assert [flag for flag in SEGMENT_FLAGS if f"`{flag}" not in page and flag not in old] == []


def test_words_of_this_program_stay_as_they_are() -> None:
    words = ["-i", "a.nii.gz", "-thr", "0.5", "-soft", "-o", "b/"]
    assert taken_over(words, SEGMENT_FLAGS) == (words, ())
    assert of_task("lesion_ms", ["-i", "a"]) == (["-task", "lesion_ms", "-i", "a"], ())
    assert all(of_task(task, ["-i", "a"])[0] == ["-i", "a"] for task in OWN_TASKS)


def test_the_page_stands_beside_the_report_of_sct(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "qc" / "_json").mkdir(parents=True)
    (folder / "qc" / "index.html").write_text("the report of SCT", encoding="utf-8")
    assert run("spinalcord -i {i} -qc qc", monkeypatch, capsys)[0] == 0
    assert (folder / "qc" / "index.html").read_text(encoding="utf-8") == "the report of SCT"
    assert (folder / "qc" / "sct_deepseg_sc_general" / "index.html").exists()
    monkeypatch.setenv("SCT_DIR", "/opt/sct")
    assert run("qc -i {i} -s {m} -qc new", monkeypatch, capsys)[0] == 0
    assert (folder / "new" / "sct_deepseg_sc_general" / "index.html").exists()


def test_ranges_that_no_spreadsheet_takes_for_a_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "csa -i {m} -perlevel 1 -vert 2:3 -vertfile levels.nii.gz -o"
    assert run(f"{words} plain.csv", monkeypatch, capsys)[0] == 0
    assert run(f"{words} words.csv -excel 1", monkeypatch, capsys)[0] == 0
    plain, spelled = ((folder / name).read_text(encoding="utf-8") for name in
                      ("plain.csv", "words.csv"))  # fmt: skip
    ranges = re.findall(r'"(\d+:\d+)"', plain)
    assert len(ranges) == 2
    assert re.findall(r'"(\d+ to \d+)"', spelled) == [one.replace(":", " to ") for one in ranges]
    assert not re.search(r'"\d+:\d+"', spelled)


def test_levels_have_names_and_numbers() -> None:
    from sct_deepseg_general.cli.options.csa import MEASURING

    kind = MEASURING["-vert"]["type"]
    assert kind.convert("C2:C3", None, None) == (2, 3)
    assert kind.convert("c7,T1,L1", None, None) == (7, 8, 20)
    with pytest.raises(Exception, match="C9"):
        kind.convert("C9", None, None)
