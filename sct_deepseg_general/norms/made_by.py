"""Which model made a mask, by the sidecar beside it."""

from __future__ import annotations

import json
from pathlib import Path

from sct_deepseg_general.errors import NormsError

__all__ = ["model_of_mask"]


def model_of_mask(mask: Path) -> str:
    """The key (id@version) of the model that made a mask.

    Parameters
    ----------
    mask
        A mask whose sidecar (the same name with .json) lies beside it.

    Raises
    ------
    NormsError
        There is no sidecar, or it names no model.
    """
    sidecar = mask.parent / f"{mask.name.removesuffix('.gz').removesuffix('.nii')}.json"
    try:
        made = json.loads(sidecar.read_text(encoding="utf-8"))["GeneratedBy"]
        return str(next(one["Model"] for one in made if "Model" in one))
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise NormsError(
            f"A centile needs to know the model that made {mask}, and {sidecar.name} does not name "
            "one: give it with -m."
        ) from error
