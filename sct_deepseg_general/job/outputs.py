"""What is written for an image: names, provenance, and each file whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sct_deepseg_general import __version__
from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.files import sha256, write_whole

__all__ = [
    "CODE_URL",
    "Outputs",
    "Provenance",
    "check_folder",
    "check_writable",
    "outputs_for",
    "write_sidecar",
]

CODE_URL = "https://github.com/sct-pipeline/sct-deepseg-general"


@dataclass(frozen=True)
class Outputs:
    """The files written for one image."""

    segmentation: Path
    sidecar: Path
    csa: Path
    soft: Path
    discs: Path | None = None
    """The discs found, as labelled voxels; written where levels are asked for and not withheld."""

    @property
    def every(self) -> tuple[Path, ...]:
        """All files that may be written."""
        discs = () if self.discs is None else (self.discs,)
        return (self.segmentation, self.sidecar, self.csa, self.soft, *discs)

    def wanted(self, csa: bool, soft: bool) -> tuple[Path, ...]:
        """The files of a run that writes the area, and the probability, or not."""
        extra = [(self.csa, csa), (self.soft, soft)]
        return (self.segmentation, *(path for path, on in extra if on), self.sidecar)


@dataclass(frozen=True)
class Provenance:
    """How a segmentation was made, for its sidecar."""

    image: Path
    model_key: str
    model_digest: str
    engine: str
    device: str
    status: str
    reasons: tuple[str, ...]
    frames: int
    source: str = ""
    """How the sidecar names the image, a BIDS URI; "" stands for the file's own name."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    area: Mapping[str, Any] = field(default_factory=dict)
    """The mean area and its interval, as the sidecar says them."""
    levels: Mapping[str, Any] = field(default_factory=dict)
    """The discs, the status of their numbers and the area of C2-C3, where they were asked for."""


def outputs_for(image: Path, asked: Path | None = None) -> Outputs:
    """The names beside the image, or those that `asked` (a .nii.gz name or a folder) gives."""
    stem = image.name.removesuffix(".gz").removesuffix(".nii")
    ending = ".nii.gz" if image.name.endswith(".gz") else ".nii"
    segmentation = image.parent / f"{stem}_seg{ending}"
    if asked is not None:
        named = asked.name.endswith((".nii", ".nii.gz"))
        segmentation = asked if named else asked / segmentation.name
    base = segmentation.name.removesuffix(".gz").removesuffix(".nii")
    ending = segmentation.name[len(base) :]
    folder = segmentation.parent
    return Outputs(
        segmentation,
        folder / f"{base}.json",
        folder / f"{base}_csa.csv",
        folder / f"{base.removesuffix('_seg')}_softseg{ending}",
        folder / f"{base.removesuffix('_seg')}_label-discs{ending}",
    )


def check_writable(paths: tuple[Path, ...], *, overwrite: bool) -> None:
    """Refuse at the start what would fail, or lose something, at the end.

    Raises:
        OutputError: a file exists and may not be overwritten, or a folder is missing or
            read-only.
    """
    for path in paths:
        try:
            _check_file(path, overwrite=overwrite)
        except OSError as error:  # a name too long, a folder that may not be entered
            raise OutputError(f"Cannot write {path}: {error.strerror}.") from error


def check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be written to, or cannot be made.

    Raises:
        OutputError: a file is in its place, or there is no permission.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise OutputError(f"Cannot write to {folder}: {there} is not a folder.")
    if not os.access(there, os.W_OK):
        raise OutputError(f"Cannot write to {folder}: no permission in {there}.")


def _check_file(path: Path, *, overwrite: bool) -> None:
    if path.is_dir():
        raise OutputError(f"Cannot write {path}: it is a folder.")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists: add -overwrite to replace it, or choose -o.")
    if not path.parent.is_dir():
        raise OutputError(f"Cannot write {path}: the folder {path.parent} does not exist.")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"Cannot write {path}: no permission in {path.parent}.")


def write_sidecar(provenance: Provenance, path: Path) -> None:
    """The provenance in BIDS terms (`GeneratedBy`, `Sources`, `SpatialReference`)."""
    text = json.dumps(_sidecar(provenance), indent=2, ensure_ascii=False) + "\n"
    with write_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _sidecar(made: Provenance) -> dict[str, Any]:
    return {
        "Description": "The spinal cord: 1 inside, 0 outside, on the grid of the image.",
        "Type": "ROI",
        "GeneratedBy": [
            {
                "Name": "sct_deepseg_sc_general",
                "Version": __version__,
                "CodeURL": CODE_URL,
                "Model": made.model_key,
                "ModelSHA256": made.model_digest,
            }
        ],
        "Sources": [made.source or made.image.name],
        "SourcesSHA256": [sha256(made.image)],
        "SpatialReference": made.source or made.image.name,
        "Engine": made.engine,
        "Device": made.device,
        "AveragedVolumes": made.frames,
        "Parameters": dict(made.parameters),
        "Area": dict(made.area),
        **made.levels,
        "Status": made.status,
        "Reasons": list(made.reasons),
    }
