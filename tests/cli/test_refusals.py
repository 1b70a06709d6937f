"""What the main command and `batch` refuse before any work, so that nothing is lost or wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from samples import image_path

from sct_deepseg_general.cli import main
from sct_deepseg_general.cli._click import PROGRAM

COMMAND = Path(sys.executable).with_name("sct_deepseg_sc_general")


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *map(str, words)], capture_output=True, text=True, check=False)


def inputs(command: str, folder: Path) -> tuple[object, ...]:
    """The words that name one image and a folder for the results."""
    path = folder / "in" / "t2.nii.gz"
    path.parent.mkdir()
    path.write_bytes(image_path("T2w").read_bytes())
    if command == "batch":
        return ("batch", "-i", path, "-o", folder / "out")
    (folder / "out").mkdir()
    return ("-i", path, "-o", folder / "out")


@pytest.mark.parametrize("command", ["main", "batch"])
def test_a_qc_folder_of_another_tool_is_refused_before_any_work(
    command: str, tmp_path: Path
) -> None:
    page = tmp_path / "qc" / "index.html"
    page.parent.mkdir()
    page.write_text("the report of SCT")
    done = run(*inputs(command, tmp_path), "-qc", page.parent)
    assert done.returncode == 1
    assert "files of another tool" in done.stderr
    assert page.read_text() == "the report of SCT"
    assert not list((tmp_path / "out").glob("**/*.nii.gz"))


def test_a_threshold_of_zero_is_refused_and_names_the_soft_mask(tmp_path: Path) -> None:
    done = run(*inputs("batch", tmp_path), "-thr", "0")
    assert done.returncode == 2
    assert "-soft" in done.stderr
    assert not list((tmp_path / "out").glob("**/*.nii.gz"))


@pytest.mark.parametrize(
    "words",
    [
        ("-i", "t2.nii.gz", "-qc", ""),
        ("-i", ""),
        ("csa", "-i", "t2_seg.nii.gz", "-o", ""),
        ("qc", "-i", "t2.nii.gz", "-s", "t2_seg.nii.gz", "-qc", ""),
        ("batch", "-bids", "data", "-o", ""),
        ("evaluate", "-bids", ""),
    ],
)
def test_an_empty_path_is_not_the_working_directory(
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [PROGRAM, *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert "the path is empty" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
