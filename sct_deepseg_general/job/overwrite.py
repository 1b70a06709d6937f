"""Masks that a person has edited, or another program has made, are recognised and kept.

The sidecar of a mask holds the SHA-256 of the mask file as it was written. A mask of another
SHA-256 was edited since; a mask whose sidecar names another program is of that program.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.files import sha256
from sct_deepseg_general.job.outputs import MASK_HASH, PROGRAM, Outputs, read_sidecar

__all__ = ["EDITED", "MaskOrigin", "Overwrite", "is_own", "mask_origin"]

MaskOrigin = Literal["absent", "own", "edited", "foreign", "unknown"]
"""There is no mask; this program wrote it; it was edited after that; its sidecar is of another
program; or no sidecar says whose it is."""

EDITED = "edited"
"""The status of an edited mask in tables and sidecars."""


@dataclass(frozen=True)
class Overwrite:
    """Which existing outputs a run may replace."""

    own: bool = False
    """Results of this program."""
    names: tuple[str, ...] = ()
    """File names or paths of masks that may be replaced although they were edited, or no sidecar
    says that this program made them."""

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
        """Check that no edited mask, and none that another may have made, would be replaced.

        Raises
        ------
        OutputError
            The mask is such a mask and is not named.
        """
        mask = outputs.segmentation
        origin = mask_origin(outputs) if self.own else "absent"
        if origin not in ("absent", "own") and not self.names_mask(mask):
            whose = {
                "edited": f"was edited after {outputs.sidecar.name} was written",
                "foreign": f"is not of {PROGRAM}, as {outputs.sidecar.name} says",
                "unknown": f"may be of another program or of a person: no {outputs.sidecar.name} "
                "says whose it is",
            }[origin]
            raise OutputError(
                f"{mask} {whose}: choose another -o, or replace it with '-overwrite {mask.name}'."
            )


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
    if not is_own(sidecar):
        return "foreign" if sidecar else "unknown"
    if MASK_HASH not in sidecar:
        return "own"  # of a version that did not write it
    try:
        return "own" if sha256(outputs.segmentation) == sidecar[MASK_HASH] else "edited"
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"Cannot read {outputs.segmentation}: {reason}.") from error


def is_own(sidecar: Mapping[str, Any]) -> bool:
    """Whether a sidecar says that its mask was made by this program."""
    makers = sidecar.get("GeneratedBy")
    listed = makers if isinstance(makers, list) else []
    return any(isinstance(one, dict) and one.get("Name") == PROGRAM for one in listed)
