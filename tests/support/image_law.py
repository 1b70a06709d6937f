"""The law for every input: a valid volume and right results, or one error in one sentence."""

from __future__ import annotations

import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from hostile_images import Input

from sct_deepseg_general.errors import DeepsegError, ImageError
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Grid, Segmentation, Volume
from sct_deepseg_general.inference.preprocess import prepared
from sct_deepseg_general.morphometry.morphometrics import measure

__all__ = ["LONGEST", "MOST_MEMORY", "judged", "peak_memory"]

LONGEST = 10.0  # seconds of one processor
MOST_MEMORY = 2 << 30  # bytes
MOST_PREPARED = 4_000_000  # voxels: a stranger's voxel size may ask for any number of them
MOST_MEASURED = 40_000  # mm² in a slice
MOST_SLICES = 200
COARSE = (3.0, 3.0, 3.0)


def judged(one: Input, folder: Path) -> str:
    """What came of an input: "measured", "read" or "refused".

    Raises:
        AssertionError: the law is broken. Any other error breaks it too.
    """
    path = folder / one.name
    path.write_bytes(one.content)
    started = time.process_time()  # of this process alone: the machine may be busy
    try:
        outcome = _tried(path)
    finally:
        path.unlink()
    assert time.process_time() - started < LONGEST
    assert peak_memory() < MOST_MEMORY
    return outcome


def peak_memory() -> int:
    """The most bytes this process has held so far."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _tried(path: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the terminal gets the error and nothing else
        try:
            volume = nifti.load(path)
        except ImageError as error:
            _check_sentence(error, path)
            return "refused"
    _check_volume(volume)
    try:
        return _used(volume, path)
    except DeepsegError as error:
        _check_sentence(error, path, named=False)
        return "refused"


def _used(volume: Volume, path: Path) -> str:
    upright = volume.reoriented(("L", "A", "S"))
    if np.prod(upright.grid.resampled(COARSE).shape, dtype=float) <= MOST_PREPARED:
        close = prepared(upright, upright.grid.box, COARSE)
        assert np.isfinite(close.data).all()
    mask = Segmentation(
        (volume.data > float(np.median(volume.data))).astype(np.uint8), volume.grid, volume.header
    )
    out = path.with_name("out.nii")
    try:
        nifti.save(mask, out)
        back = nifti.load_segmentation(out)
    finally:
        out.unlink(missing_ok=True)
    np.testing.assert_array_equal(back.data, mask.data)
    assert back.grid.matches(volume.grid, 1e-3 * max(1.0, float(np.abs(volume.grid.affine).max())))
    if not mask.data.any() or _is_too_much(upright.grid):
        return "read"
    area = measure(mask).area
    assert len(area) == upright.grid.shape[2]
    assert (area[np.isfinite(area)] >= 0).all()
    return "measured"


def _is_too_much(grid: Grid) -> bool:
    """Whether measuring noise over the whole grid is work for a minute."""
    across, along, _ = (n * mm for n, mm in zip(grid.shape, grid.spacing, strict=True))
    return across * along > MOST_MEASURED or max(grid.shape) > MOST_SLICES


def _check_volume(volume: Volume) -> None:
    assert volume.data.shape == volume.grid.shape
    assert len(volume.grid.shape) == 3
    assert np.isfinite(volume.data).all()
    assert np.isfinite(volume.grid.affine).all()
    assert volume.frames >= 1


def _check_sentence(error: DeepsegError, path: Path, *, named: bool = True) -> None:
    text = str(error)
    assert "\n" not in text
    assert 10 < len(text) < 400 + len(str(path))
    assert not named or path.name in text
