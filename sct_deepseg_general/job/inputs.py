"""Images that are results already: recognised by their sidecar or their name."""

from __future__ import annotations

from pathlib import Path

from sct_deepseg_general.bids.names import is_mask_name
from sct_deepseg_general.files import stem_of
from sct_deepseg_general.job.outputs import PROGRAM, read_sidecar

__all__ = ["result_reason"]

_MASK_TYPES = ("ROI", "Lesion", "Face", "Brain")  # BIDS: the Type of a mask


def result_reason(image: Path) -> str:
    """Why a file is the result of a segmentation rather than an image; "" if nothing says so.

    The voxels are not read: a sidecar that describes a mask decides, or a name such as
    `t2_seg.nii.gz` beside the image `t2.nii.gz`.
    """
    stem = stem_of(image)
    sidecar = read_sidecar(image.with_name(f"{stem}.json"))
    makers = sidecar.get("GeneratedBy")
    listed = makers if isinstance(makers, list) else []
    names = [one.get("Name") for one in listed if isinstance(one, dict)]
    if PROGRAM in names:
        return f"{stem}.json says that it was made by {PROGRAM}"
    if sidecar.get("Type") in _MASK_TYPES:
        return f"{stem}.json describes a mask"
    source = _source(image, stem)
    return f"it is named as a mask of {source.name}" if source else ""


def _source(image: Path, stem: str) -> Path | None:
    """The image that a mask is named after, if it lies beside the mask."""
    while is_mask_name(stem):
        stem = stem.rpartition("_")[0]
        for ending in (".nii.gz", ".nii"):
            source = image.with_name(f"{stem}{ending}")
            if source.is_file() or source.is_symlink():
                return source
    return None
