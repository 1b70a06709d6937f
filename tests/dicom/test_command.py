"""The main command on a DICOM folder, with the embedded model."""

import json
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("pydicom")

from dicom_files import write_series
from samples import cord_crop

PROGRAM = [sys.executable, "-c", "from sct_deepseg_general.cli import main; main()"]


def command(*words):
    return subprocess.run([*PROGRAM, *map(str, words)], capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path):
    """The T2w sample's cord as axial DICOM slices of a woman of 34."""
    image = cord_crop().reoriented(("L", "P", "S"))
    data = np.asarray(image.data, np.float64)
    data = (4000 * data / data.max()).astype(np.uint16)
    write_series(tmp_path / "visit", data, image.grid.spacing)
    return tmp_path / "visit"


def test_a_folder_is_segmented_and_nobody_is_named(folder, tmp_path):
    done = command("-i", folder, "-o", tmp_path, "-contrast", "T2w")
    assert done.returncode == 0, done.stderr
    sidecar = json.loads((tmp_path / "visit_series3_T2w_seg.json").read_text())
    assert {"Age", "Sex"}.isdisjoint(sidecar["AmongNorms"])
    written = b"".join(p.read_bytes() for p in tmp_path.glob("visit_*.json"))
    assert b"Jane" not in written
    assert b"20240506" not in written
    assert (tmp_path / "visit_series3_T2w_seg.nii.gz").exists()


@pytest.mark.parametrize(
    ("words", "says", "code"),
    [
        (("-series", "9"), "0 series have the number 9", 1),
        (("-age", "30"), "both -age and -sex", 2),
        (("-age", "540", "-sex", "F"), "540 is not an age", 1),
    ],
)
def test_what_cannot_be_is_one_sentence(folder, tmp_path, words, says, code):
    done = command("-i", folder, "-o", tmp_path, *words)
    assert done.returncode == code
    assert says in done.stderr
    assert not list(tmp_path.glob("*_seg*"))


def test_series_needs_a_folder(tmp_path):
    done = command("-i", tmp_path / "t2.nii.gz", "-series", "3")
    assert done.returncode == 2
    assert "-series needs one DICOM folder" in done.stderr


def test_two_folders_are_compared_per_year(folder, tmp_path):
    image = cord_crop().reoriented(("L", "P", "S"))
    data = (4000 * np.asarray(image.data, np.float64) / image.data.max()).astype(np.uint16)
    write_series(tmp_path / "later", data, image.grid.spacing, StudyDate="20260506")
    done = command("change", "-i1", folder, "-i2", tmp_path / "later", "-o", tmp_path / "c.csv")
    assert done.returncode == 0, done.stderr
    (record,) = json.loads((tmp_path / "c.json").read_text())
    assert record["Years"] == pytest.approx(2, abs=0.01)
    shared = record["Levels"][-1]
    assert (shared["level"], shared["change_percent"], shared["percent_per_year"]) == (
        "shared", 0.0, 0.0,
    )  # fmt: skip
    assert "repeat error of sc-general" in done.stdout or shared["lower_percent"] is not None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("-dates", "2024-01-01"), "-dates needs one date"),
        (("-discfile2", "a.nii.gz", "b.nii.gz"), "-discfile2 needs as many files"),
    ],
)
def test_lists_of_change_must_match(tmp_path, words, says):
    done = command("change", "-i1", tmp_path / "a.nii.gz", "-i2", tmp_path / "b.nii.gz", *words)
    assert done.returncode == 2
    assert says in done.stderr
