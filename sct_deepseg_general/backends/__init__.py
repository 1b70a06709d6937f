"""Who does the work that SCT's commands do too: this package, or SCT itself.

`native` is the default, so that numbers do not depend on what else is installed; `sct` runs
SCT's own commands. Both give the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from sct_deepseg_general.csa.aggregate import Table
from sct_deepseg_general.csa.measure import CsaRequest
from sct_deepseg_general.errors import BackendError
from sct_deepseg_general.image.volume import Axcodes, Volume

__all__ = ["NAMES", "Backend", "Interpolation", "backend"]

NAMES = ("native", "sct")
Interpolation = Literal["nn", "linear", "spline"]


class Backend(Protocol):
    """Reorients, resamples and measures; axis codes are nibabel's, spacings in mm."""

    def reoriented(self, volume: Volume, codes: Axcodes) -> Volume:
        """The same voxels in another axis order and direction."""

    def resampled(
        self, volume: Volume, spacing: Sequence[float], interpolation: Interpolation
    ) -> Volume:
        """Interpolated to the grid nearest to `spacing`."""

    def measured(self, segmentation: Volume, request: CsaRequest) -> Table:
        """The CSA table of a mask."""


def backend(name: str) -> Backend:
    """The backend called `name`.

    Raises:
        BackendError: there is none of that name, or SCT is not installed.
    """
    if name == "native":
        from sct_deepseg_general.backends.native import Native

        return Native()
    if name == "sct":
        from sct_deepseg_general.csa.sct import Sct

        return Sct.found()
    raise BackendError(f"There is no backend '{name}': choose {' or '.join(NAMES)}.")
