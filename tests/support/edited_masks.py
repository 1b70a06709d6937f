"""A mask of this program with its sidecar, and masks that were drawn over it."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from phantoms import affine_of

from sct_deepseg_general.files import sha256
from sct_deepseg_general.job.outputs import Outputs, Provenance, outputs_for, write_sidecar

SHAPE, SPACING = (60, 60, 12), (0.5, 0.5, 3.0)
FOREIGN = {"GeneratedBy": [{"Name": "sct_deepseg"}]}


def write_tube(path: Path, across: float, along: float, slices: slice = slice(None)) -> None:
    """A straight tube; its section is an ellipse of these diameters in mm."""
    x, y = (np.arange(n) - (n - 1) / 2 for n in SHAPE[:2])
    inside = (x[:, None] * 2 * SPACING[0] / across) ** 2 + (y * 2 * SPACING[1] / along) ** 2 <= 1
    data = np.zeros(SHAPE, np.uint8)
    data[..., slices] = inside[..., None]
    nib.save(nib.Nifti1Image(data, affine_of("LAS", SPACING, SHAPE)), path)


def own_mask(folder: Path) -> Outputs:
    """A mask of this program with its sidecar."""
    (folder / "t2.nii.gz").write_bytes(b"image")
    made = outputs_for(folder / "t2.nii.gz")
    write_tube(made.segmentation, 10, 10)
    provenance = Provenance(
        folder / "t2.nii.gz", "model", "digest", "openvino", "cpu", "ok", (), 1,
        area={"Mean": 78.5, "Lower": 70.0}, mask_sha256=sha256(made.segmentation),
    )  # fmt: skip
    write_sidecar(provenance, made.sidecar)
    return made
