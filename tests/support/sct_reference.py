"""SCT's own outputs on small real masks (tests/data/sct), and how close ours must be."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from samples import DATA

from sct_deepseg_general.csa import table as csa_table
from sct_deepseg_general.csa.aggregate import Table
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Volume

SCT = DATA / "sct"
CORD = "t2_seg-manual"
LEVEL_MAP = "t2_seg-manual_labeled"
"""For equality with SCT only: its numbers are one too low."""
NO_DISCS = "labels"
"""For equality with SCT only, which was given them as discs: these points lie in the middle of
vertebrae."""
EXACT = ("area", "angle_", "length")
"""Held to 1e-6, the other measures to 1e-3; both relative, or absolute below 1."""


def mask(name: str) -> Volume:
    return nifti.load_map(SCT / f"{name}.nii.gz")


def reference(name: str, folder: Path) -> Table:
    path = folder / f"{name}.csv"
    path.write_bytes(gzip.decompress((SCT / f"{name}.csv.gz").read_bytes()))
    return csa_table.read(path)


def assert_equal(ours: Table, theirs: Table) -> None:
    """The same columns (ours may have more at the end), the same rows, the same values.

    A level that holds two vertebrae has both numbers in ours, and only the upper in SCT's.
    """
    assert ours.columns[: len(theirs.columns)] == theirs.columns
    assert [(row.slices, row.pmj_distance) for row in ours.rows] == [
        (row.slices, row.pmj_distance) for row in theirs.rows
    ]
    for mine, their in zip(ours.rows, theirs.rows, strict=True):
        assert mine.levels[: len(their.levels)] == their.levels
        assert len(mine.levels) == len(their.levels) or len(their.levels) == 1
    for name in theirs.columns:
        tolerance = 1e-6 if any(word in name for word in EXACT) else 1e-3
        mine, expected = ours.column(name), theirs.column(name)
        np.testing.assert_array_equal(np.isnan(mine), np.isnan(expected), err_msg=name)
        np.testing.assert_allclose(mine, expected, rtol=tolerance, atol=tolerance, err_msg=name)
