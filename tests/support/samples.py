"""The sample images in tests/data, and a small part of one for tests that need many runs."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np

from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Box, Grid, Segmentation, Volume
from sct_deepseg_general.zoo.model import Model
from sct_deepseg_general.zoo.zoo import resolve

DATA = Path(__file__).parents[1] / "data"
ANAT = DATA / "sub-sct" / "anat"
LABELS = DATA / "derivatives" / "labels" / "sub-sct" / "anat"
MODEL_VARIABLE = "SCT_DEEPSEG_GENERAL_TEST_MODEL"
NAMES = ("T2w", "acq-MToff_MTS", "acq-MTon_MTS", "acq-crop_T2star")


def image_path(name: str) -> Path:
    return ANAT / f"sub-sct_{name}.nii.gz"


def label_path(name: str) -> Path:
    return LABELS / f"sub-sct_{name}_seg-manual.nii.gz"


def model() -> Model:
    """The embedded model, or the one in the folder that the environment names."""
    return resolve(os.environ.get(MODEL_VARIABLE), offline=True)


@cache
def image(name: str) -> Volume:
    return nifti.load(image_path(name))


@cache
def label(name: str) -> Segmentation:
    return nifti.load_segmentation(label_path(name))


@cache
def cord_crop() -> Volume:
    """The middle of the T2w sample, 38 x 38 mm across and 40 mm along, on its own axes."""
    return image("T2w").cropped(_middle())


@cache
def cord_crop_label() -> Segmentation:
    """The label of `cord_crop`."""
    return label("T2w").cropped(_middle())


def _middle() -> Box:
    index = np.argwhere(label("T2w").data)
    shape, half = np.array(label("T2w").data.shape), np.array((19, 20, 19))
    start = np.clip((index.min(0) + index.max(0)) // 2 - half, 0, shape - 2 * half)
    x, y, z = (int(v) for v in start)
    return Box((x, y, z), (x + 38, y + 40, z + 38))


def dice(a: np.ndarray, b: np.ndarray) -> float:
    first, second = a > 0, b > 0
    return float(2 * (first & second).sum() / max(first.sum() + second.sum(), 1))


def near(mask: np.ndarray, voxels: int = 5) -> np.ndarray:
    """The voxels within `voxels` of a mask, along each axis."""
    from scipy import ndimage

    return np.asarray(ndimage.binary_dilation(mask, np.ones((3, 3, 3)), iterations=voxels))


def geometry(path: Path) -> dict[str, bytes]:
    """The bytes of a header's geometry fields."""
    header = nib.load(path).header
    fields = ["qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x"]
    fields += ["qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z", "xyzt_units"]
    values = {
        name: np.asarray(header[name]).astype(header[name].dtype.newbyteorder("<")).tobytes()
        for name in fields
    }
    values["pixdim"] = header["pixdim"][:4].astype("<f4").tobytes()
    values["dim"] = header["dim"][1:4].astype("<i2").tobytes()
    return values


def world_centre(volume: Volume) -> np.ndarray:
    """The centre of mass in mm (RAS+)."""
    return np.asarray(
        nib.affines.apply_affine(volume.grid.affine, np.argwhere(volume.data > 0).mean(0))
    )


def all_codes() -> list[tuple[str, str, str]]:
    """The 48 orientations, as nibabel's axis codes."""
    from itertools import permutations, product

    pairs = (("L", "R"), ("P", "A"), ("I", "S"))
    return [codes for order in permutations(pairs) for codes in product(*order)]


def grid(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Grid:
    return Grid(shape, np.diag([*spacing, 1.0]))
