"""The `qc` command: any mask on a page, two masks compared, clear words where it cannot."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pytest
from qc_phantoms import cord, real_image, real_mask

from sct_deepseg_general.cli._click import run
from sct_deepseg_general.cli.qc import command
from sct_deepseg_general.image import nifti


class Ended(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def qc(*words):
    """The command in this process: its exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
        run(command, "qc", [str(word) for word in words])
    return Ended(int(end.value.code or 0), out.getvalue(), err.getvalue())


def listed(folder):
    text = (folder / "index.js").read_text("ascii")
    content = json.loads(text[len("qc.index(") : -3])
    return [dict(zip(content["columns"], values, strict=True)) for values in content["rows"]]


def test_two_masks_in_one_entry_with_levels_and_names(tmp_path):
    mask = nib.load(real_mask("T2w"))
    data = np.asarray(mask.dataobj)
    where = np.argwhere(data)
    smaller = data.copy()
    smaller[:, : where[:, 1].min() + 5] = 0
    nib.save(nib.Nifti1Image(smaller.astype(np.uint8), mask.affine), tmp_path / "other.nii.gz")
    levels = np.full(data.shape, 3, dtype=np.uint8)
    nib.save(nib.Nifti1Image(levels, mask.affine), tmp_path / "levels.nii.gz")
    done = qc("-i", real_image("T2w"), "-s", real_mask("T2w"), "-s2", tmp_path / "other.nii.gz",
              "-soft", real_mask("T2w"), "-vertfile", tmp_path / "levels.nii.gz",
              "-qc", tmp_path / "qc", "-qc-dataset", "d", "-qc-site", "here")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "qc" / "index.html") in done.stdout
    (found,) = listed(tmp_path / "qc")
    assert (found["dataset"], found["subject"], found["contrast"], found["site"]) == (
        "d", "sub-sct", "T2w", "here")  # fmt: skip
    assert 0.8 < found["dice"] < 1
    assert found["csa"] == pytest.approx(77.5, abs=2)
    assert [name for name, _ in found["levels"]] == ["C3"]
    assert found["confidence"] == 1.0


@pytest.mark.parametrize("codes", ["AIL", "RPI"])
def test_the_orientation_of_the_file_does_not_make_a_mask_suspicious(tmp_path, codes):
    image, mask, _ = cord(codes=codes)
    nifti.save(image, tmp_path / "t2.nii.gz")
    nifti.save(mask, tmp_path / "seg.nii.gz")
    done = qc("-i", tmp_path / "t2.nii.gz", "-s", tmp_path / "seg.nii.gz", "-qc", tmp_path / "qc")
    assert done.returncode == 0, done.stderr
    assert listed(tmp_path / "qc")[0]["reasons"] == []


def test_a_mask_on_another_grid_is_one_sentence(tmp_path):
    done = qc("-i", real_image("T2w"), "-s", real_mask("acq-MTon_MTS"), "-qc", tmp_path / "qc")
    assert done.returncode == 1
    assert "is not on the grid of" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "qc").exists()


def test_what_is_missing_is_one_sentence(tmp_path):
    assert qc("-i", real_image("T2w"), "-qc", tmp_path).returncode == 2
    done = qc("-i", tmp_path / "no.nii.gz", "-s", real_mask("T2w"), "-qc", tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_two_sources_of_levels_are_refused(tmp_path):
    done = qc("-i", real_image("T2w"), "-s", real_mask("T2w"), "-qc", tmp_path, "-v", "0",
              "-vertfile", "a.nii.gz", "-discfile", "b.nii.gz")  # fmt: skip
    assert done.returncode == 2
    assert "give one of them" in done.stderr
