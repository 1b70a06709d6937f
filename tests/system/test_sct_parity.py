"""Turned and resampled images equal those of SCT's own commands, to the last bit."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from phantoms import shared
from samples import DATA, geometry, image_path

from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Grid, Volume, from_sct_letters, to_sct_letters

STATS: dict[str, Any] = json.loads((DATA / "sct" / "stats.json").read_text())
INPUTS = {
    "t2": image_path("T2w"),
    "mt1": image_path("acq-MTon_MTS"),
    "t2s": image_path("acq-crop_T2star"),
    "t2seg": DATA / "sct" / "t2_seg-manual.nii.gz",
}
ORDERS = {"nn": 0, "linear": 1, "spline": 2}
NOT_OURS = ("centerline", "bin200", "otsu", "smooth1", "dil2")
OUTPUTS = [name for name in STATS if not any(word in name for word in NOT_OURS)]


def read(name: str) -> Volume:
    """An input with the type its file has."""
    return nifti.load_map(INPUTS[name])


@cache
def made(name: str) -> Volume:
    """What the command behind an output's name does, done here."""
    source, *words = name.removesuffix(".nii.gz").split("_")
    volume = read(source)
    if words[0] in {"AIL", "LAS", "LPI", "RPI"}:
        volume = volume.reoriented(from_sct_letters(words.pop(0)))
    if words and words[0] == "native":
        words.pop(0)
    if not words:
        return volume
    how = ORDERS.get(words[-1], 1)
    return _resampled(volume, words[0], how)


def _resampled(volume: Volume, word: str, order: int) -> Volume:
    spacing = {"1mm": (1.0, 1.0, 1.0), "0p5": (0.5, 0.5, 0.5)}.get(word)
    if spacing is not None:
        return volume.resampled(spacing, order)
    if word == "f0p5":  # sct_resample -f 0.5x0.5x1
        x, y, z = volume.grid.spacing
        return volume.resampled((x / 0.5, y / 0.5, z), order)
    if word == "vox":  # sct_resample -vox 60x60x10 -x nn
        ratio = np.array(volume.grid.shape) / (60, 60, 10)
        return volume.resampled_to(
            Grid((60, 60, 10), volume.grid.affine @ np.diag([*ratio, 1])), order=0
        )
    assert word == "on"  # sct_resample -ref mt1.nii.gz
    return volume.resampled_to(read("mt1").grid, order=1)


def sha1(data: np.ndarray) -> str:
    return hashlib.sha1(np.ascontiguousarray(data).tobytes(), usedforsecurity=False).hexdigest()


def test_every_turned_and_resampled_output_is_compared() -> None:
    assert len(OUTPUTS) == 24


@pytest.mark.parametrize("name", OUTPUTS)
def test_voxels_and_affine_are_scts(name: str) -> None:
    volume, expected = made(name), STATS[name]
    assert list(volume.grid.shape) == expected["shape"]
    assert volume.data.dtype == expected["dtype"]
    assert sha1(volume.data) == expected["sha1"]
    np.testing.assert_allclose(volume.grid.affine, expected["affine"], rtol=0, atol=1e-6)
    assert "".join(volume.grid.axcodes) == expected["axcodes"]


def test_another_interpolation_is_seen() -> None:
    other = read("mt1").resampled((1, 1, 1), order=2)
    assert sha1(other.data) != STATS["mt1_1mm_linear.nii.gz"]["sha1"]


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_saved_one_has_scts_codes(name: str, tmp_path: Path) -> None:
    volume, expected = made(name), STATS[name]
    nifti.save(volume, tmp_path / "saved.nii", volume.data.dtype.type)
    header = nib.load(tmp_path / "saved.nii").header
    assert (int(header["qform_code"]), int(header["sform_code"])) == (
        expected["qform"],
        expected["sform"],
    )


@pytest.mark.parametrize("letters", ["AIL", "LAS", "LPI", "RPI"])
def test_a_turned_file_has_scts_geometry_to_the_byte(letters: str, tmp_path: Path) -> None:
    theirs = shared("reference/sct/images") / f"t2_{letters}.nii.gz"
    turned = read("t2").reoriented(from_sct_letters(letters))
    assert to_sct_letters(turned.grid.axcodes) == letters
    nifti.save(turned, tmp_path / "turned.nii.gz", np.int16)
    assert geometry(tmp_path / "turned.nii.gz") == geometry(theirs)


def test_files_of_sct_hold_the_same_bits() -> None:
    folder = shared("reference/sct/images")
    compared = 0
    for name in OUTPUTS:
        if (folder / name).exists():
            theirs = nib.load(folder / name)
            np.testing.assert_array_equal(np.asanyarray(theirs.dataobj), made(name).data)
            np.testing.assert_allclose(theirs.affine, made(name).grid.affine, atol=1e-5)
            compared += 1
    assert compared >= 15
