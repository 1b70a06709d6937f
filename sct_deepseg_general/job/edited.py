"""Masks that a person has edited, or another program has made: recognised, kept and measured.

The sidecar of a mask holds the SHA-256 of the mask file as it was written. A mask of another
SHA-256 was edited since; a mask whose sidecar names another program is of that program.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sct_deepseg_general import __version__
from sct_deepseg_general.csa.measure import PER_SLICE, measured
from sct_deepseg_general.csa.table import write as write_csa
from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.files import sha256, write_whole
from sct_deepseg_general.image import nifti
from sct_deepseg_general.job.outputs import MASK_HASH, PROGRAM, Outputs, read_sidecar

__all__ = ["EDITED", "EditedMask", "MaskOrigin", "Overwrite", "mask_origin", "remeasured"]

MaskOrigin = Literal["absent", "own", "edited", "foreign", "unknown"]
"""There is no mask; this program wrote it; it was edited after that; its sidecar names another
program; or it has no sidecar."""

EDITED = "edited"
"""The status of an edited mask in tables and sidecars."""
REASON = "the mask was edited: no interval, and no quality check of it"


@dataclass(frozen=True)
class Overwrite:
    """Which existing outputs a run may replace."""

    own: bool = False
    """Results of this program, and files without a sidecar that says whose they are."""
    names: tuple[str, ...] = ()
    """File names or paths of masks that may be replaced although they were edited, or made by
    another program."""

    @classmethod
    def of_words(cls, words: tuple[str, ...]) -> Overwrite:
        """The values of the flag `-overwrite`: none, an empty word for the bare flag, or names."""
        return cls(bool(words), tuple(word for word in words if word))

    def names_mask(self, mask: Path) -> bool:
        """Whether the mask is named, by its file name or its path."""
        return any(
            name == mask.name or Path(name).absolute() == mask.absolute() for name in self.names
        )

    def check(self, outputs: Outputs) -> None:
        """Check that no edited mask, and none of another program, would be replaced.

        Raises
        ------
        OutputError
            The mask is such a mask and is not named.
        """
        mask = outputs.segmentation
        origin = mask_origin(outputs) if self.own else "absent"
        if origin in ("edited", "foreign") and not self.names_mask(mask):
            whose = {
                "edited": f"was edited after {outputs.sidecar.name} was written",
                "foreign": f"is not of {PROGRAM}, as {outputs.sidecar.name} says",
            }[origin]
            raise OutputError(
                f"{mask} {whose}: choose another -o, or replace it with '-overwrite {mask.name}'."
            )


@dataclass(frozen=True)
class EditedMask:
    """The area of a mask that was edited."""

    mean_area: float | None
    """Mean cross-sectional area in mm² over the slices with cord; None without cord."""
    slices: int
    """Number of slices with cord."""
    reasons: tuple[str, ...] = (REASON,)


def mask_origin(outputs: Outputs) -> MaskOrigin:
    """Whose the existing mask of an image is, from its sidecar.

    Raises
    ------
    OutputError
        The mask cannot be read.
    """
    if not outputs.segmentation.exists():
        return "absent"
    if not outputs.sidecar.exists():
        return "unknown"
    sidecar = read_sidecar(outputs.sidecar)
    if not _is_own(sidecar):
        return "foreign"
    if MASK_HASH not in sidecar:
        return "unknown"
    try:
        return "own" if sha256(outputs.segmentation) == sidecar[MASK_HASH] else "edited"
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"Cannot read {outputs.segmentation}: {reason}.") from error


def remeasured(outputs: Outputs, *, csa: bool) -> EditedMask:
    """Measure an edited mask, and write its areas and its status beside it.

    The mask is not changed. The sidecar keeps what it says of the program and of the mask that
    the program wrote; its area, status and reasons become those of the edited mask.

    Parameters
    ----------
    outputs
        The paths of the mask, the sidecar and the areas.
    csa
        Whether the table of areas is written.

    Raises
    ------
    ImageError
        The mask cannot be read.
    OutputError
        A file cannot be written.
    """
    mask = nifti.load_segmentation(outputs.segmentation)
    result = measured(mask, PER_SLICE)
    area = result.morphometrics.area
    with_cord = np.isfinite(area) & (area > 0)
    mean = round(float(area[with_cord].mean()), 4) if with_cord.any() else None
    if csa:
        producer = f"{PROGRAM} {__version__}"
        source = str(outputs.segmentation)
        write_csa(outputs.csa, result.table, source, producer, status=EDITED)
    found = EditedMask(mean, int(with_cord.sum()))
    _update_sidecar(outputs.sidecar, found)
    return found


def _update_sidecar(path: Path, mask: EditedMask) -> None:
    sidecar = dict(read_sidecar(path))
    if not _is_own(sidecar):
        return
    sidecar["Area"] = {} if mask.mean_area is None else {"Mean": round(mask.mean_area, 3)}
    sidecar["Status"], sidecar["Reasons"] = EDITED, list(mask.reasons)
    with write_whole(path) as temporary:
        text = json.dumps(sidecar, indent=2, ensure_ascii=False) + "\n"
        temporary.write_text(text, encoding="utf-8")


def _is_own(sidecar: Mapping[str, Any]) -> bool:
    makers = sidecar.get("GeneratedBy")
    listed = makers if isinstance(makers, list) else []
    return any(isinstance(one, dict) and one.get("Name") == PROGRAM for one in listed)
