"""Logits of anything but two classes are refused."""

from __future__ import annotations

import numpy as np
import pytest

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.inference.engine import cord_minus_background


def test_the_difference_is_cord_minus_background() -> None:
    logits = np.stack([np.full((2, 3, 4), 1.0), np.full((2, 3, 4), 3.0)])
    found = cord_minus_background(logits, np.zeros((2, 3, 4), np.float32))
    assert found.dtype == np.float32
    assert (found == 2).all()


@pytest.mark.parametrize("shape", [(1, 2, 3, 4), (2, 2, 3, 5)])
def test_logits_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="not two classes"):
        cord_minus_background(np.zeros(shape), np.zeros((2, 3, 4), np.float32))
