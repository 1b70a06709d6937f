"""The main command on a DICOM folder, with the embedded model."""

import gzip
import json
import re
import subprocess
import sys
import zlib

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("pydicom")

import pydicom
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


def texts(folder):
    """Everything that was written, unpacked: gzip, and the streams of PDF files."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        raw = path.read_bytes()
        if path.suffix == ".gz":
            raw += gzip.decompress(raw)
        if path.suffix == ".pdf":
            for stream in re.findall(rb"stream\r?\n(.*?)endstream", raw, re.DOTALL):
                try:
                    raw += zlib.decompress(stream)
                except zlib.error:
                    continue
        yield path.name, re.sub(rb"[A-Za-z0-9+/=]{200,}", b"", raw)  # pictures in base64


def discs(path, shape, spacing):
    """Discs 3 to 5 on the images of `write_series`."""
    data = np.zeros(shape, np.uint8)
    for number, share in ((5, 0.1), (4, 0.5), (3, 0.9)):
        data[shape[0] // 2, shape[1] // 2, round(share * shape[2])] = number
    affine = np.diag([-spacing[0], -spacing[1], spacing[2], 1])
    affine[:2, 3] = 10, 20
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


OF_THE_PERSON = {
    "date": rb"20240506|2024-05-06|06\.05\.2024|2024/05/06|101112|10:11:12",
    "name": rb"Doe\^Jane|Jane.Doe|Doe.Jane",
    "identity": rb"PID12345",
    "age": rb'033Y|"(?:Patient)?Age"|women of|of 33 years',
    "sex": rb'"(?:Patient)?Sex"',
}
"""What the header says of the person, in the forms in which it could be written."""


@pytest.fixture
def written(folder, tmp_path, request):
    """All that the main command can write of a DICOM folder, with or without -keep-dates."""
    pytest.importorskip("highdicom")
    image = cord_crop().reoriented(("L", "P", "S"))
    data = (4000 * np.asarray(image.data, np.float64) / image.data.max()).astype(np.uint16)
    person = {"PatientAge": "033Y", "PatientID": "PID12345", "AcquisitionTime": "101112.500"}
    write_series(tmp_path / "visit", data, image.grid.spacing, **person)
    out = tmp_path / "out"
    out.mkdir()
    words = [
        *("-i", tmp_path / "visit", "-o", out, "-contrast", "T2w", "-soft"),
        *("-discfile", discs(tmp_path / "discs.nii.gz", data.shape, image.grid.spacing)),
        *("-plot", out / "csa.png", "-report", out / "page.pdf", out / "page.html"),
        *("-qc", out / "qc", "-dicom-seg", out / "seg.dcm", "-dicom-sr", out / "sr.dcm"),
        *request.param,
    ]
    done = command(*words)
    assert done.returncode == 0, done.stderr
    return out, done


@pytest.mark.slow
@pytest.mark.parametrize("written", [()], indirect=True)
def test_nothing_of_the_person_is_in_any_output(written):
    out, done = written
    assert "C3: centile" in done.stdout
    names = {name for name, _ in texts(out)}
    assert {"page.pdf", "page.html", "seg.dcm", "sr.dcm", "index.html"} <= names
    found = {
        (name, what)
        for name, raw in [*texts(out), ("screen", (done.stdout + done.stderr).encode())]
        for what, words in OF_THE_PERSON.items()
        if re.search(words, raw)
    }
    assert found == set()
    for name in ("seg.dcm", "sr.dcm"):
        read = pydicom.dcmread(out / name)
        fields = ("PatientName", "PatientID", "PatientSex", "PatientBirthDate", "StudyDate")
        assert [str(read[field].value or "") for field in fields] == [""] * len(fields)
        assert "PatientAge" not in read or not read.PatientAge


@pytest.mark.slow
@pytest.mark.parametrize("written", [("-keep-dates",)], indirect=True)
def test_age_sex_and_date_are_kept_where_that_is_asked_for(written):
    out, _ = written
    (sidecar,) = (json.loads(p.read_text()) for p in out.glob("visit_*_seg.json"))
    kept = (sidecar["PatientAge"], sidecar["PatientSex"], sidecar["AcquisitionDate"])
    assert kept == (33.0, "F", "2024-05-06")
    found = {what for _, raw in texts(out) for what in OF_THE_PERSON
             if re.search(OF_THE_PERSON[what], raw)}  # fmt: skip
    assert found == set(OF_THE_PERSON)  # so the search above can find each of them
    assert pydicom.dcmread(out / "seg.dcm").StudyDate == "20240506"


@pytest.mark.parametrize("flag", ["-dicom-seg", "-dicom-sr"])
def test_dicom_objects_need_a_dicom_folder(tmp_path, flag):
    done = command("-i", tmp_path / "t2.nii.gz", flag, tmp_path / "out.dcm")
    assert done.returncode == 2
    assert "need a DICOM folder" in done.stderr


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
