"""The programs of dcmqi, which read DICOM objects without any of our code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine

__all__ = ["read_report", "read_segmentation", "world"]


def read_segmentation(path: Path, scratch: Path) -> nib.nifti1.Nifti1Image:
    """The one segment of a segmentation object, as `segimage2itkimage` reads it."""
    scratch.mkdir()
    _run("segimage2itkimage", "--inputDICOM", path, "--outputDirectory", scratch, "-t", "nii")
    (found,) = scratch.glob("*.nii.gz")
    return nib.load(found)


def read_report(path: Path, scratch: Path) -> dict[str, Any]:
    """The measurements of a structured report, as `tid1500reader` reads them."""
    _run("tid1500reader", "--inputDICOM", path, "--outputMetadata", scratch)
    found: dict[str, Any] = json.loads(scratch.read_text())
    return found


def world(mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The places of a mask's voxels, mm in RAS, in one order."""
    places = np.round(apply_affine(affine, np.argwhere(mask > 0)), 2)
    return np.asarray(places[np.lexsort(places.T)])


def _run(name: str, *words: object) -> None:
    pytest.importorskip("dcmqi")
    program = Path(sys.executable).with_name(name)
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
