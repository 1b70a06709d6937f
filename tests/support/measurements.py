"""Rows of an evaluation, written by hand."""

from __future__ import annotations

import numpy as np

from sct_deepseg_general.evaluation.measurement import METRICS, AreaProfile, Measurement


def row(model: str = "m", person: str = "p", test_set: str = "s", **changes: object) -> Measurement:
    named = dict.fromkeys(METRICS, 0.0) | {"seconds": 0.0}
    words = {"session": "", "run": "", "contrast": "T2w", "image_sha256": "", "label_sha256": ""}
    words |= {"status": "ok", "reason": ""}
    fields = {**named, **words, "name": f"{test_set}_{person}", **changes}
    return Measurement(model=model, person=person, test_set=test_set, **fields)


def profile(low: float, high: float, area: float) -> AreaProfile:
    heights = tuple(np.arange(low, high + 1, 2.0).tolist())
    slopes = tuple(area + h for h in heights)
    return AreaProfile(heights, slopes, tuple(50 + h for h in heights))
