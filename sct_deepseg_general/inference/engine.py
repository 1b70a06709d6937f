"""What an engine is: it runs one network over a prepared array.

Arrays are (z, y, x), a volume's (x, y, z) transposed, as nnU-Net keeps them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.image.volume import Array

__all__ = ["Engine", "Float", "Progress", "cord_minus_background"]

Float = NDArray[np.float32]
Progress = Callable[[int, int], None]
"""Called with (tiles done, tiles in all)."""


class Engine(Protocol):
    """Runs one network over a prepared array."""

    name: str
    device: str

    def difference(
        self, data: Float, region: NDArray[np.bool_] | None, progress: Progress | None
    ) -> Float:
        """Logit of cord minus logit of background, (z, y, x) like `data`."""


def cord_minus_background(logits: Array, tile: Float) -> Float:
    """The second channel of `logits` (channels, z, y, x) minus the first, for a `tile` (z, y, x).

    Raises
    ------
    ModelError
        The logits are not those of two classes at the voxels of the tile.
    """
    if logits.shape[0] < 2 or logits.shape[1:] != tile.shape:
        raise ModelError(
            f"The network makes {logits.shape} of a tile of {tile.shape}, not two classes of the "
            "same size: verify the model's files."
        )
    with np.errstate(invalid="ignore"):  # infinity minus infinity is refused further on
        return np.asarray(logits[1] - logits[0], np.float32)
