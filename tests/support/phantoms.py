"""Cords drawn in the test: cylinders in noise, and BIDS datasets of them."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

SHARED_VARIABLE = "SCT_DEEPSEG_GENERAL_SHARED"


def cylinder(
    shape: Sequence[int],
    spacing: Sequence[float],
    radius: float,
    centre: Sequence[float] | None = None,
) -> NDArray[np.bool_]:
    """A cylinder along the third axis; `radius` and `centre` (x, y) in mm from the first voxel."""
    x, y = (np.arange(n) * s for n, s in zip(shape[:2], spacing[:2], strict=True))
    cx, cy = centre or (x.mean(), y.mean())
    disc = (x[:, None] - cx) ** 2 + (y[None, :] - cy) ** 2 <= radius**2
    return np.repeat(disc[:, :, None], shape[2], axis=2)


def affine_of(codes: str, spacing: Sequence[float], shape: Sequence[int]) -> NDArray[np.float64]:
    """An affine with nibabel's axis `codes` ("LAS") and voxel sizes in mm, centred at 0."""
    world = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, code in enumerate(codes):
        row, sign = world[code]
        affine[row, axis] = sign * spacing[axis]
    affine[:3, 3] = -affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    return affine


def cord_image(mask: NDArray[np.bool_], contrast: str, seed: int) -> NDArray[np.float32]:
    """A cord darker than its CSF for T2w, brighter for all else, in noise."""
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    cord, csf = (80.0, 200.0) if contrast == "T2w" else (180.0, 60.0)
    image = rng.normal(100, 8, mask.shape)
    image[ndimage.binary_dilation(mask, iterations=2)] = csf
    image[mask] = cord
    return (image + rng.normal(0, 4, mask.shape)).astype(np.float32)


@dataclass(frozen=True)
class Convention:
    """How one phantom dataset writes its names and draws its people."""

    people: tuple[str, ...] = ("01", "02", "03", "04", "05", "06")
    contrasts: tuple[str, ...] = ("T2w",)
    """The ends of the names: "T2w", "acq-MTon_MTS"."""
    sessions: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    datatype: str = "anat"
    label_suffix: str = "_seg-manual"
    derivatives: str = "labels"
    extension: str = ".nii.gz"
    codes: str = "LAS"
    shape: tuple[int, int, int] = (24, 22, 10)
    spacing: tuple[float, float, float] = (1.0, 1.0, 3.0)
    soft: bool = False
    unlabelled: tuple[str, ...] = ()


def phantom_bids(root: Path, convention: Convention | None = None) -> Path:
    """Writes a BIDS dataset of cylinders at `root`, and returns it."""
    convention = convention or Convention()
    write_json(root / "dataset_description.json", {"Name": root.name, "BIDSVersion": "1.10.0"})
    for person in convention.people:
        for session in convention.sessions or ("",):
            for run in convention.runs or ("",):
                for contrast in convention.contrasts:
                    _write_case(root, convention, person, session, run, contrast)
    return root


def _write_case(
    root: Path, convention: Convention, person: str, session: str, run: str, contrast: str
) -> None:
    parts = [f"sub-{person}", session and f"ses-{session}", run and f"run-{run}", contrast]
    stem = "_".join(part for part in parts if part)
    place = Path(f"sub-{person}", f"ses-{session}" if session else "", convention.datatype)
    seed = zlib.crc32(f"{root.name} {stem}".encode())
    radius = 4.0 + zlib.crc32(person.encode()) % 100 / 50
    mask = cylinder(convention.shape, convention.spacing, radius)
    affine = affine_of(convention.codes, convention.spacing, convention.shape)
    image = cord_image(mask, contrast, seed)
    write_nifti(root / place / (stem + convention.extension), image, affine)
    if person in convention.unlabelled:
        return
    label = softened(mask) if convention.soft else mask.astype(np.uint8)
    folder = root / "derivatives" / convention.derivatives / place
    write_nifti(folder / (stem + convention.label_suffix + convention.extension), label, affine)


def softened(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A partial-volume version of a mask: values between 0 and 1 along its edge."""
    from scipy import ndimage

    return ndimage.gaussian_filter(mask.astype(np.float32), (0.7, 0.7, 0))


def write_nifti(path: Path, data: NDArray, affine: NDArray[np.float64]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def write_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def shared(name: str) -> Path:
    """A folder of the real data outside the repository; skips the test where there is none."""
    place = os.environ.get(SHARED_VARIABLE, Path(__file__).parents[3] / "shared")
    folder = Path(place) / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: set {SHARED_VARIABLE} to the folder with the data")
    return folder
