"""This package's own reorienting, resampling and measuring."""

from __future__ import annotations

from collections.abc import Sequence

from sct_deepseg_general.backends import Interpolation
from sct_deepseg_general.csa.aggregate import Table
from sct_deepseg_general.csa.measure import CsaRequest, measured
from sct_deepseg_general.image.volume import Axcodes, Volume

__all__ = ["Native"]

ORDERS = {"nn": 0, "linear": 1, "spline": 2}


class Native:
    """The default backend; needs nothing but this package."""

    def reoriented(self, volume: Volume, codes: Axcodes) -> Volume:
        return volume.reoriented(codes)

    def resampled(
        self, volume: Volume, spacing: Sequence[float], interpolation: Interpolation
    ) -> Volume:
        return volume.resampled(spacing, ORDERS[interpolation])

    def measured(self, segmentation: Volume, request: CsaRequest) -> Table:
        return measured(segmentation, request).table
