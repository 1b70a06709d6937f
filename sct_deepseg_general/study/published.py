"""The study's own published results, the anchor beside which a comparison is read.

"Spinal Cord Segmentation Generalizable Across Datasets": nnU-Net v2, 3d_fullres, trained on
four datasets one by one and together; mean ± SD over people.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["IN_DOMAIN", "TITLE", "UNSEEN", "InDomain", "Unseen"]

TITLE = "Spinal Cord Segmentation Generalizable Across Datasets"

MeanSd = tuple[float, float]


@dataclass(frozen=True)
class Unseen:
    """One training set, tested on the two datasets that no model saw."""

    trained_on: str
    mp2rage_dice: MeanSd
    mp2rage_volume_error: MeanSd
    """Percent, signed."""
    epi_dice: MeanSd


@dataclass(frozen=True)
class InDomain:
    """Dice on one dataset's own test people."""

    test_set: str
    specific: MeanSd
    aggregate: MeanSd


UNSEEN = (
    Unseen("Spine Generic", (0.770, 0.061), (23.656, 17.920), (0.891, 0.029)),
    Unseen("INSPIRED", (0.409, 0.053), (114.437, 38.122), (0.140, 0.136)),
    Unseen("CanProCo", (0.027, 0.046), (4.913, 40.734), (0.055, 0.054)),
    Unseen("SCI-Colorado", (0.264, 0.191), (-80.887, 17.840), (0.884, 0.058)),
    Unseen("all aggregated", (0.850, 0.074), (-21.882, 11.340), (0.903, 0.020)),
)
IN_DOMAIN = (
    InDomain("Spine Generic", (0.962, 0.019), (0.958, 0.039)),
    InDomain("INSPIRED", (0.990, 0.003), (0.973, 0.006)),
    InDomain("CanProCo", (0.842, 0.101), (0.950, 0.030)),
    InDomain("SCI-Colorado", (0.936, 0.024), (0.931, 0.022)),
)
