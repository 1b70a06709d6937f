"""QC entries drawn in the test: a cord with a bulge in noise, and the real images of tests/data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from phantoms import affine_of

from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Box, Grid, Probability, Segmentation, Volume
from sct_deepseg_general.qc.entry import QcEntry, SliceArea
from sct_deepseg_general.qc.folder import QcRow, new_id

DATA = Path(__file__).parents[1] / "data"
INTERVAL = (61.0, 66.5)
"""Of the mean area, in mm²: none that could be computed from the slices' own."""
REAL = ("T2w", "acq-MTon_MTS", "acq-MToff_MTS", "acq-crop_T2star")


def cord(
    shape: tuple[int, int, int] = (48, 40, 24),
    spacing: tuple[float, float, float] = (0.8, 0.8, 2.0),
    codes: str = "LAS",
    radius: float = 4.5,
    seed: int = 0,
) -> tuple[Volume, Segmentation, Probability]:
    """A slightly bent bright cord, absent in the two lowest and highest slices, in noise."""
    rng = np.random.default_rng(seed)
    x, y, z = (np.arange(n) * s for n, s in zip(shape, spacing, strict=True))
    centre = x.mean() + 3 * np.sin(z / z.max() * 3)
    distance = np.hypot(x[:, None, None] - centre, y[None, :, None] - y.mean())
    edge = radius - distance
    edge[:, :, :2] = edge[:, :, -2:] = -9
    probability = 1 / (1 + np.exp(-3 * edge))
    image = 100 + 80 * probability + rng.normal(0, 6, shape)
    grid = Grid(shape, affine_of("LAS", spacing, shape))
    target = (codes[0], codes[1], codes[2])
    return (
        Volume(image.astype(np.float32), grid).reoriented(target),
        Segmentation((probability > 0.5).astype(np.uint8), grid).reoriented(target),
        Probability(probability.astype(np.float32), grid).reoriented(target),
    )


def box_around(mask: Segmentation, voxels: int = 4) -> Box:
    there = np.argwhere(mask.data)
    low, high = (tuple(int(v) for v in ends) for ends in (there.min(axis=0), there.max(axis=0) + 1))
    return Box(low, high).grown((voxels,) * 3, mask.grid.shape)


def areas(mask: Segmentation, factor: float = 1.0) -> tuple[SliceArea, ...]:
    """Counted areas with an interval of 4 % and levels C2 to C5, the third slice flagged."""
    upright = mask.reoriented(("L", "A", "S"))
    px, py, pz = upright.grid.spacing
    counted = upright.data.sum(axis=(0, 1)) * px * py * factor
    there = np.flatnonzero(counted)
    return tuple(
        SliceArea(
            slice=int(z),
            position=float(z * pz),
            area=float(counted[z]),
            lower=float(counted[z] * 0.96),
            upper=float(counted[z] * 1.04),
            level=f"C{5 - 4 * i // len(there)}",
            flagged=i == 2,
        )
        for i, z in enumerate(there)
    )


def entry(seed: int = 0, codes: str = "LAS", **given: Any) -> QcEntry:
    """A phantom's entry, complete; `given` replaces what it should."""
    image, mask, probability = cord(codes=codes, seed=seed, radius=4.2 + 0.05 * (seed % 9))
    values: dict[str, Any] = {
        "image": image,
        "segmentation": mask,
        "probability": probability,
        "box": box_around(mask),
        "csa": areas(mask),
        "interval": INTERVAL,
        "model": "cord@1.0.0",
        "command": "sct_deepseg_sc_general -i t2.nii.gz -qc qc",
        "input_name": f"phantom/sub-{seed:02}/anat/sub-{seed:02}_T2w.nii.gz",
        "dataset": "phantom",
        "subject": f"sub-{seed:02}",
        "contrast": "T2w",
        "site": "nowhere",
        "seconds": 1.5,
        "version": "0.0.0",
    }
    return QcEntry(**{**values, **given})


def real_image(name: str) -> Path:
    return DATA / "sub-sct" / "anat" / f"sub-sct_{name}.nii.gz"


def real_mask(name: str) -> Path:
    labels = DATA / "derivatives" / "labels" / "sub-sct" / "anat"
    return labels / f"sub-sct_{name}_seg-manual.nii.gz"


def real_entry(name: str, **given: Any) -> QcEntry:
    """The real image `name` of tests/data with its manual mask."""
    image = nifti.load(real_image(name))
    mask = nifti.load_segmentation(real_mask(name))
    values: dict[str, Any] = {
        "image": image,
        "segmentation": mask,
        "box": box_around(mask),
        "csa": areas(mask),
        "input_name": f"scttesting/sub-sct/anat/sub-sct_{name}.nii.gz",
        "dataset": "scttesting",
        "subject": "sub-sct",
        "contrast": name.rsplit("_", maxsplit=1)[-1],
    }
    return QcEntry(**{**values, **given})


def row(**given):
    values = {
        "id": new_id(), "date": "2026-01-01T00:00:00Z", "dataset": "d", "subject": "s",
        "contrast": "T2w", "site": "", "input": "s.nii.gz", "status": "ok", "reasons": (),
        "csa": 70.0, "csa_sd": 3.0, "confidence": 0.9, "dice": None, "levels": (("C2", 71.5),),
        "seconds": 2.0, "model": "m@1",
    }  # fmt: skip
    return QcRow(**{**values, **given})
