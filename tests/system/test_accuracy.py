"""The embedded model on real images it was not trained on, with the defaults.

It draws the edge of the harmonised labels (docs/training.md), a little inside the manual ones.
"""

from __future__ import annotations

import numpy as np
import pytest
from samples import image, label

from sct_deepseg_general.datasets.harmonisation.harmonise import offset_by_rule
from sct_deepseg_general.image.volume import Probability
from sct_deepseg_general.inference import pipeline
from sct_deepseg_general.inference.predictor import Predictor
from sct_deepseg_general.morphometry.contours import contour_of
from sct_deepseg_general.morphometry.morphometrics import measure

LEAST = {"T2w": 0.91, "acq-MToff_MTS": 0.90, "acq-MTon_MTS": 0.89, "acq-crop_T2star": 0.92}


def harmonised(name: str) -> Probability:
    """The fraction of each voxel within the sample's label, its edge moved to the definition's."""
    seen, contour = image(name), contour_of(label(name))
    return contour.fractions(offset_by_rule(contour, seen)).reoriented(seen.grid.axcodes)


def overlap(mask: np.ndarray, fractions: np.ndarray) -> float:
    """Dice of a mask and fractions of voxels."""
    return float(2 * fractions[mask > 0].sum() / ((mask > 0).sum() + fractions.sum()))


@pytest.mark.parametrize(("name", "least"), LEAST.items(), ids=LEAST)
def test_dice_with_the_harmonised_label(name: str, least: float, predictor: Predictor) -> None:
    found = pipeline.segment(image(name), predictor)
    assert overlap(found.segmentation.data, harmonised(name).data) >= least


@pytest.mark.parametrize("name", LEAST)
def test_the_cord_is_found_by_the_coarse_pass(name: str, predictor: Predictor) -> None:
    assert pipeline.segment(image(name), predictor).location.found


def test_the_area_of_the_t2w_image(predictor: Predictor) -> None:
    found = pipeline.segment(image("T2w"), predictor)
    ours, theirs = (np.nanmean(measure(m).area) for m in (found.segmentation, harmonised("T2w")))
    assert abs(ours / theirs - 1) < 0.05
