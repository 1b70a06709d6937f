"""The embedded model on real images it was not trained on, with the defaults."""

from __future__ import annotations

import numpy as np
import pytest
from samples import dice, image, label

from sct_deepseg_general.inference import pipeline
from sct_deepseg_general.inference.predictor import Predictor
from sct_deepseg_general.morphometry.morphometrics import measure

LEAST = {"T2w": 0.96, "acq-MToff_MTS": 0.90, "acq-MTon_MTS": 0.94, "acq-crop_T2star": 0.94}


@pytest.mark.parametrize(("name", "least"), LEAST.items(), ids=LEAST)
def test_dice_with_the_manual_label(name: str, least: float, predictor: Predictor) -> None:
    found = pipeline.segment(image(name), predictor)
    assert dice(found.segmentation.data, label(name).data) >= least


@pytest.mark.parametrize("name", LEAST)
def test_the_cord_is_found_by_the_coarse_pass(name: str, predictor: Predictor) -> None:
    assert pipeline.segment(image(name), predictor).location.found


def test_the_area_of_the_t2w_image(predictor: Predictor) -> None:
    found = pipeline.segment(image("T2w"), predictor)
    ours, theirs = (np.nanmean(measure(m).area) for m in (found.segmentation, label("T2w")))
    assert abs(ours / theirs - 1) < 0.03
