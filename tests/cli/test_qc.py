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
from sct_deepseg_general.image.volume import Box, Grid, Volume


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


def saved(folder, name, volume):
    nifti.save(volume, folder / f"{name}.nii.gz", np.uint8)
    return folder / f"{name}.nii.gz"


def moved(volume, *shift):
    affine = volume.grid.affine.copy()
    affine[:3, 3] += shift
    return Volume(volume.data, Grid(volume.grid.shape, affine))


@pytest.fixture
def files(tmp_path):
    """An image, its mask, and a level map with level 3 below the middle and 2 above it."""
    image, mask, _ = cord(codes="LAS")
    levels = np.full(image.grid.shape, 3, np.uint8)
    levels[:, :, image.grid.shape[2] // 2 :] = 2
    nifti.save(image, tmp_path / "t2.nii.gz")
    nifti.save(mask, tmp_path / "seg.nii.gz")
    return tmp_path, mask, Volume(levels, mask.grid)


def shown(folder, *words):
    done = qc("-i", folder / "t2.nii.gz", "-s", folder / "seg.nii.gz", "-qc", folder / "qc", *words)
    assert done.returncode == 0, done.stderr
    return listed(folder / "qc")[-1], done.stderr


def test_levels_on_another_grid_give_the_same_means(files):
    folder, mask, levels = files
    truth, silent = shown(folder, "-vertfile", saved(folder, "levels", levels))
    assert silent == ""
    n = mask.grid.shape[2]
    cropped = levels.cropped(Box((2, 3, 0), (*levels.grid.shape[:2], n)))
    turned = cropped.reoriented(("P", "I", "R"))
    same, warned = shown(folder, "-vertfile", saved(folder, "turned", turned))
    assert "not on the grid" in warned
    assert same["levels"] == truth["levels"]
    lower = levels.cropped(Box((0, 0, 0), (*levels.grid.shape[:2], n // 2 + 2)))
    part, _ = shown(folder, "-vertfile", saved(folder, "lower", lower))
    assert dict(part["levels"])["C3"] == dict(truth["levels"])["C3"]


def test_levels_of_another_place_are_refused(files):
    folder, _, levels = files
    far = saved(folder, "far", moved(levels, 0, 0, 5000))
    done = qc("-i", folder / "t2.nii.gz", "-s", folder / "seg.nii.gz", "-qc", folder / "qc",
              "-vertfile", far)  # fmt: skip
    assert done.returncode == 1
    assert "cannot be brought onto the grid" in done.stderr
    assert not (folder / "qc").exists()


def test_discs_far_away_are_refused(files):
    folder, _, levels = files
    discs = np.zeros(levels.grid.shape, np.uint8)
    discs[10, 10, 3] = 4
    far = saved(folder, "far", moved(Volume(discs, levels.grid), 0, 0, 500))
    done = qc("-i", folder / "t2.nii.gz", "-s", folder / "seg.nii.gz", "-qc", folder / "qc",
              "-discfile", far)  # fmt: skip
    assert done.returncode == 1
    assert "point 4 lies" in done.stderr


def test_a_cropped_or_flipped_mask_is_the_same_mask(files):
    folder, mask, _ = files
    truth, _ = shown(folder)
    n = mask.grid.shape[2]
    cropped = mask.cropped(Box((3, 2, 0), (*mask.grid.shape[:2], n))).reoriented(("P", "I", "R"))
    nifti.save(cropped, folder / "seg.nii.gz")
    found, warned = shown(folder)
    assert "not on the grid" in warned
    assert (found["csa"], found["csa_sd"]) == (truth["csa"], truth["csa_sd"])


def test_a_second_mask_of_another_resolution_is_compared_where_it_lies(files):
    folder, mask, _ = files
    fine = mask.resampled([mm / 2 for mm in mask.grid.spacing])
    found, warned = shown(folder, "-s2", saved(folder, "other", fine))
    assert "not on the grid" in warned
    assert found["dice"] > 0.9


def test_a_map_of_labels_is_no_mask(files):
    folder, _, levels = files
    done = qc("-i", folder / "t2.nii.gz", "-s", saved(folder, "levels", levels),
              "-qc", folder / "qc")  # fmt: skip
    assert done.returncode == 1
    assert "map of the labels 2, 3" in done.stderr


def test_a_report_of_another_tool_stays_as_it_is(files):
    folder, _, _ = files
    (folder / "qc").mkdir()
    (folder / "qc" / "index.html").write_text("SCT")
    done = qc("-i", folder / "t2.nii.gz", "-s", folder / "seg.nii.gz", "-qc", folder / "qc")
    assert done.returncode == 1
    assert "another tool" in done.stderr
    assert [path.name for path in (folder / "qc").iterdir()] == ["index.html"]


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
