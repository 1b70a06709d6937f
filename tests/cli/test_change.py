"""`change` and `-earlier`: refusals before any work, and nothing lost or half-written.

The comparison itself is tested in tests/change; here it is replaced where only the files matter.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from samples import image_path, label_path

from sct_deepseg_general import cli
from sct_deepseg_general.change.halfway import Halfway
from sct_deepseg_general.change.measure import ALL, Change, Comparison, Scan, Slices
from sct_deepseg_general.change.output import Visits
from sct_deepseg_general.cli.screens import segment as _segment_screen
from sct_deepseg_general.errors import ImageError

DATES = "-dates 2024-05-06 2025-05-06"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two visits: the sample, and the same moved by a voxel; a series of three volumes."""
    monkeypatch.chdir(tmp_path)
    source = nib.load(image_path("T2w"))
    data = np.asarray(source.dataobj, np.float32)
    for name, values in (
        ("a", data), ("b", np.roll(data, 1, axis=0)), ("series", np.stack([data, data + 1], -1)),
    ):  # fmt: skip
        nib.save(nib.Nifti1Image(values, source.affine), f"{name}.nii.gz")
    Path("mask.nii.gz").write_bytes(label_path("T2w").read_bytes())
    return tmp_path


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, Path, float | None]]:
    """The comparison takes no time, and finds a loss of 2 %; who was compared, years apart."""
    asked: list[tuple[Path, Path, float | None]] = []

    def compared_visits(
        first: tuple[Path, Scan],
        second: tuple[Path, Scan],
        years: float | None,
        predictor: Any,
        progress: Any = None,
    ) -> Visits:
        if second[0].name == "other.nii.gz":
            raise ImageError("The images do not match after alignment.")
        asked.append((first[0], second[0], years))
        if progress is not None:
            for step in range(1, 21):
                progress(step, 20)
        image, at = first[1].image, np.arange(3.0)
        slices = Slices(at, np.zeros(3, np.int64), at + 80, at + 78, at)
        halfway = Halfway(image, image, None, None)  # type: ignore[arg-type]
        found = Comparison(slices, (Change(ALL, 30.0, 81.0, 79.4, None),), 0.97, halfway)
        return Visits(first[0], second[0], years, found, None, "sc-general@1")

    from sct_deepseg_general.change import output

    monkeypatch.setattr(output, "compared_visits", compared_visits)
    return asked


def run(words: str, monkeypatch: pytest.MonkeyPatch, *, expected: int) -> None:
    monkeypatch.setattr("sys.argv", ["sct_deepseg_sc_general", *words.split()])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert (end.value.code or 0) == expected


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


REFUSED: dict[str, tuple[str, int]] = {
    "-i1 a.nii.gz -i2 b.nii.gz -dates 2025-05-06 2024-05-06": (
        "-dates 2025-05-06 and 2024-05-06 for b.nii.gz: The follow-up is of an earlier day", 1),
    "-i1 a.nii.gz -i2 b.nii.gz -dates 20240131 20250131": ("'20240131' is not a date", 1),
    "-i1 a.nii.gz -i2 b.nii.gz -dates 2024-W05-3 2025-W05-3": ("'2024-W05-3' is not a date", 1),
    "-i1 a.nii.gz -i2 b.nii.gz -dates 2024-05-06 2024-05-06": ("Both images are of one day", 1),
    "-i1 a.nii.gz -i2 b.nii.gz -dates 1024-05-06 2024-05-06": ("1000 years apart", 1),
    "-i1 a.nii.gz -i2 b.nii.gz -dates 2024-05-06": ("-dates needs one date for the baseline", 2),
    "-i1 a.nii.gz -i2 b.nii.gz -plot p.txt": ("-plot p.txt: name a .png file.", 2),
    "-i1 a.nii.gz -i2 b.nii.gz -plot none/p.png": ("the folder none does not exist", 1),
    "-i1 a.nii.gz -i2 b.nii.gz -o c.json": ("-o c.json: name a .csv file.", 2),
    "-i1 a.nii.gz -i2 b.nii.gz -o c.xlsx": ("-o c.xlsx: name a .csv file.", 2),
    "-i1 a.nii.gz -i2 b.nii.gz -o out/": ("-o out: name a .csv file.", 2),
    "-i1 a.nii.gz -i2 b.nii.gz -halfway a.nii.gz": ("a.nii.gz is not a folder", 1),
    "-i1 a.nii.gz -i2 mask.nii.gz": ("mask.nii.gz is a mask", 1),
    "-i1 a.nii.gz -i2 none.nii.gz": ("none.nii.gz does not exist", 1),
    "-i1 sub-01_T2w.nii.gz -i2 sub-02_T2w.nii.gz": ("of two people by their names", 1),
    "-i1 sub-01_ses-1_T1w.nii.gz -i2 sub-01_ses-2_T2w.nii.gz": ("of two contrasts by their", 1),
}  # fmt: skip
"""The words after `change`, what the sentence holds, and the exit code."""


@pytest.mark.parametrize("words", REFUSED)
def test_change_refuses_before_any_work(
    words: str,
    folder: Path,
    instant: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    says, code = REFUSED[words]
    before = files(folder)
    run(f"change {words}", monkeypatch, expected=code)
    told = capsys.readouterr()
    assert says in told.err
    assert len(told.err.splitlines()) == 1
    assert (told.out, instant) == ("", [])
    assert files(folder) == before


EARLIER: dict[str, tuple[str, int]] = {
    "-earlier b.nii.gz": ("-earlier needs -report", 2),
    "-report out/p.html -earlier none.nii.gz": ("none.nii.gz does not exist", 1),
    "-report out/p.html -earlier mask.nii.gz": ("mask.nii.gz is a mask", 1),
    "-report out/p.txt": ("-report out/p.txt: name a .pdf or .html file.", 2),
    "-report none/p.pdf": ("the folder none does not exist", 1),
    "-plot out/p.txt": ("-plot out/p.txt: name a .png file.", 2),
    "-age 648m -sex F": ("'648m' is not an age in years", 2),
    "-age 540 -sex F": ("540 is not an age in years", 1),
    "-age 54 -sex x": ("'x' is not a sex that the norms know", 1),
}
"""The words after `-i a.nii.gz -o out/`, what the sentence holds, and the exit code."""


@pytest.mark.parametrize("words", EARLIER)
def test_the_main_command_refuses_before_any_work(
    words: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    says, code = EARLIER[words]
    Path("out").mkdir()
    run(f"-i a.nii.gz -o out/ {words}", monkeypatch, expected=code)
    assert says in capsys.readouterr().err
    assert not any(Path("out").iterdir())


@pytest.mark.parametrize(
    ("words", "says"),
    [("-plot p.txt", "-plot p.txt: name a .png file."), ("-o c.xlsx", "name a .csv file")],
)
def test_csa_refuses_a_name_of_another_kind(
    words: str,
    says: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = files(folder)
    run(f"csa -i mask.nii.gz {words}", monkeypatch, expected=2)
    assert says in capsys.readouterr().err
    assert files(folder) == before


def test_years_and_files_of_a_comparison(
    folder: Path,
    instant: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = f"change -i1 a.nii.gz -i2 b.nii.gz {DATES} -halfway new/half -plot p.png"
    run(words, monkeypatch, expected=0)
    assert instant == [(Path("a.nii.gz"), Path("b.nii.gz"), pytest.approx(1, abs=0.01))]
    written = {"a_change.csv", "a_change.json", "p.png", "new/half/first.nii.gz",
               "new/half/second.nii.gz"}  # fmt: skip
    assert written < files(folder)
    told = capsys.readouterr()
    assert all(name in told.out for name in written)
    assert "No level is known" in told.out
    assert told.err == ""


def test_the_images_half_way_are_replaced_only_with_overwrite(
    folder: Path,
    instant: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = Path("half/second.nii.gz")
    kept.parent.mkdir()
    kept.write_text("of an earlier run")
    words = "change -i1 a.nii.gz -i2 b.nii.gz -halfway half"
    run(words, monkeypatch, expected=1)
    assert "half/second.nii.gz exists: add -overwrite" in capsys.readouterr().err
    assert kept.read_text() == "of an earlier run"
    assert "a_change.csv" not in files(folder)
    run(f"{words} -overwrite", monkeypatch, expected=0)
    assert nib.load(kept).shape == nib.load("a.nii.gz").shape


def test_an_input_is_never_replaced(
    folder: Path,
    instant: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("a.nii.gz").rename("first.nii.gz")
    before = Path("first.nii.gz").read_bytes()
    words = "change -i1 first.nii.gz -i2 b.nii.gz -halfway . -overwrite"
    run(words, monkeypatch, expected=2)
    assert "is an input: choose another folder" in capsys.readouterr().err
    assert Path("first.nii.gz").read_bytes() == before


def test_where_one_file_fails_none_is_written(
    folder: Path,
    instant: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from sct_deepseg_general.errors import OutputError
    from sct_deepseg_general.image import nifti

    def full(*_: Any) -> None:
        raise OutputError("No space left on device.")

    monkeypatch.setattr(nifti, "save", full)
    before = files(folder)
    run("change -i1 a.nii.gz -i2 b.nii.gz -halfway new/half", monkeypatch, expected=1)
    assert "No space left" in capsys.readouterr().err
    assert files(folder) == before


def test_a_follow_up_that_fails_does_not_cost_the_others(
    folder: Path,
    instant: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("other.nii.gz").write_bytes(Path("a.nii.gz").read_bytes())
    run("change -i1 a.nii.gz -i2 other.nii.gz b.nii.gz", monkeypatch, expected=1)
    told = capsys.readouterr()
    assert "Error: other.nii.gz: The images do not match" in told.err
    assert "b.nii.gz" in Path("a_change.csv").read_text()
    assert "a.nii.gz to b.nii.gz" in told.out


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ("series.nii.gz", "series.nii.gz is a series of 2 volumes: their mean is compared."),
        ("a.nii.gz", "are the same image: a change of 0 says nothing."),
    ],
)
def test_what_is_odd_about_the_images_is_said(
    second: str,
    says: str,
    folder: Path,
    instant: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(f"change -i1 a.nii.gz -i2 {second}", monkeypatch, expected=0)
    assert f"Warning: {says}" in capsys.readouterr().err.replace("a.nii.gz and a.nii.gz ", "")


class _Terminal:
    """Standard error that is a terminal and keeps what is shown on it."""

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


@pytest.mark.parametrize(("words", "shown"), [("", True), ("-v 0", False), ("-json", False)])
def test_a_terminal_shows_how_far_the_comparisons_are(
    words: str, shown: bool, folder: Path, instant: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(_segment_screen, "sys", SimpleNamespace(stderr=terminal))
    run(f"change -i1 a.nii.gz -i2 b.nii.gz b.nii.gz {words}", monkeypatch, expected=0)
    assert (" 50%" in terminal.text and "100%" in terminal.text) == shown
    assert ("Comparing" in terminal.text) == shown
