"""The outputs of an image: their names, the checks before work starts, and the JSON sidecar."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sct_deepseg_general import __version__
from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.files import sha256, stem_of, write_json

__all__ = [
    "CODE_URL",
    "MASK_HASH",
    "PRODUCER",
    "PROGRAM",
    "Outputs",
    "Provenance",
    "check_folder",
    "check_no_image",
    "check_writable",
    "outputs_for",
    "read_sidecar",
    "write_sidecar",
]

PROGRAM = "sct_deepseg_sc_general"
"""The name of the program in sidecars and dataset descriptions."""
PRODUCER = f"{PROGRAM} {__version__}"
"""Name and version of the program, for the column "SCT Version" of every table."""
MASK_HASH = "MaskSHA256"
"""The key of the sidecar that holds the SHA-256 of the mask file."""
CODE_URL = "https://github.com/sct-pipeline/sct-deepseg-general"


@dataclass(frozen=True)
class Outputs:
    """The paths of the files that are written for one image."""

    segmentation: Path
    sidecar: Path
    """The JSON file with the provenance of the mask."""
    csa: Path
    """The CSV file with the areas."""
    soft: Path
    """The probability map."""
    discs: Path | None = None
    """The label map of the discs; written if levels are requested and not withheld."""

    @property
    def every(self) -> tuple[Path, ...]:
        """All files that may be written."""
        discs = () if self.discs is None else (self.discs,)
        return (self.segmentation, self.sidecar, self.csa, self.soft, *discs)

    def paths(self, csa: bool, soft: bool) -> tuple[Path, ...]:
        """The files that are written, with or without areas and probability map."""
        extra = [(self.csa, csa), (self.soft, soft)]
        return (self.segmentation, *(path for path, on in extra if on), self.sidecar)


@dataclass(frozen=True)
class Provenance:
    """How a mask was made, for its sidecar."""

    image: Path
    model_key: str
    model_digest: str
    engine: str
    device: str
    status: str
    reasons: tuple[str, ...]
    frames: int
    """Number of volumes of the image that were averaged."""
    undefined: int = 0
    """Number of voxels without a value (NaN) in the image."""
    source: str = ""
    """The BIDS URI of the image; "" for its file name."""
    image_sha256: str | None = None
    """SHA-256 of the image's file; None: of what the file holds now; "" for no file."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    area: Mapping[str, Any] = field(default_factory=dict)
    """The mean area and its interval in mm², under the names that the sidecar uses."""
    norms: Mapping[str, Any] = field(default_factory=dict)
    """Where the levels lie among the norms; left out of the sidecar where it is empty."""
    header: Mapping[str, Any] = field(default_factory=dict)
    """Age, sex and day of a DICOM header, where they are kept."""
    main: str = ""
    """What an imported model's mask shows; "" for the spinal cord."""
    labels: Mapping[str, Any] = field(default_factory=dict)
    """The labels of an imported model: values, volumes in mm³ and files; left out where empty."""
    region: Mapping[str, Any] = field(default_factory=dict)
    """The part of the image that an imported model was run on; left out where empty."""
    levels: Mapping[str, Any] = field(default_factory=dict)
    """The discs, the status of their numbers and the area of C2-C3, where they were asked for."""
    mask_sha256: str = ""
    """SHA-256 of the mask file, by which a mask that was edited later is recognised."""


def outputs_for(image: Path, target: Path | None = None, suffix: str = "_seg") -> Outputs:
    """The paths of the outputs of an image.

    Parameters
    ----------
    image
        The image.
    target
        A file name (.nii or .nii.gz) for the mask, or a folder; by default the folder of the
        image.
    suffix
        What follows the image's name in the mask's, where `target` is not a file.

    Returns
    -------
    Outputs
        The paths; nothing is created.

    Examples
    --------
    >>> outputs_for(Path("t2.nii.gz"), Path("results")).segmentation.as_posix()
    'results/t2_seg.nii.gz'
    """
    stem = stem_of(image)
    ending = ".nii.gz" if image.name.endswith(".gz") else ".nii"
    segmentation = image.parent / f"{stem}{suffix}{ending}"
    if target is not None:
        is_file = target.name.endswith((".nii", ".nii.gz"))
        segmentation = target if is_file else target / segmentation.name
    base = stem_of(segmentation)
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
    """Check before work starts that the outputs can be written and no file would be lost.

    Raises
    ------
    OutputError
        A file exists and `overwrite` is false, or a folder is missing or read-only.
    """
    for path in paths:
        try:
            _check_file(path, overwrite=overwrite)
        except OSError as error:  # a name too long, a folder that may not be entered
            raise OutputError(f"Cannot write {path}: {error.strerror}.") from error


def check_no_image(paths: Iterable[Path]) -> None:
    """Check that tables, plots and records are not written under the name of an image.

    Raises
    ------
    OutputError
        A name ends in .nii or .nii.gz.
    """
    for path in paths:
        if path.name.lower().endswith((".nii", ".nii.gz")):
            raise OutputError(f"{path} is the name of an image: choose one for a table or a plot.")


def check_folder(folder: Path) -> None:
    """Check that a folder can be written to, or can be created.

    Raises
    ------
    OutputError
        A file is in its place, or it may not be written to.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise OutputError(f"Cannot write to {folder}: {existing} is not a folder.")
    if not os.access(existing, os.W_OK):
        raise OutputError(f"Cannot write to {folder}: no permission in {existing}.")


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
    """Write the provenance with the keys of BIDS (`GeneratedBy`, `Sources`, `SpatialReference`).

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    write_json(path, _sidecar(provenance))


def _described(made: Provenance) -> str:
    if made.main == "":
        return "The spinal cord: 1 inside, 0 outside"
    return f"{made.main} of the model {made.model_key}"


def read_sidecar(path: Path) -> Mapping[str, Any]:
    """The content of a JSON sidecar; empty if it is missing or is not a JSON object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _sources(made: Provenance) -> dict[str, Any]:
    """The image that the mask is of; nothing where it was in memory only."""
    if made.image_sha256 == "":
        return {}
    source = made.source or made.image.name
    return {
        "Sources": [source],
        "SourcesSHA256": [made.image_sha256 or sha256(made.image)],
        "SpatialReference": source,
    }


def _sidecar(made: Provenance) -> dict[str, Any]:
    return {
        "Schema": "sidecar-1",
        "Description": f"{_described(made)}, on the grid of the image.",
        "Type": "ROI",
        "GeneratedBy": [
            {
                "Name": PROGRAM,
                "Version": __version__,
                "CodeURL": CODE_URL,
                "Model": made.model_key,
                "ModelSHA256": made.model_digest,
            }
        ],
        **_sources(made),
        MASK_HASH: made.mask_sha256,
        "Engine": made.engine,
        "Device": made.device,
        "AveragedVolumes": made.frames,
        **({"UndefinedVoxels": made.undefined} if made.undefined else {}),
        "Parameters": dict(made.parameters),
        "Area": dict(made.area),
        **({"Labels": dict(made.labels)} if made.labels else {}),
        **({"Region": dict(made.region)} if made.region else {}),
        **({"AmongNorms": dict(made.norms)} if made.norms else {}),
        **made.levels,
        **made.header,
        "Status": made.status,
        "Reasons": list(made.reasons),
    }
