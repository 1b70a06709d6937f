"""Images become small files that hold what they should."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from sct_deepseg_general.errors import BackendError
from sct_deepseg_general.qc.raster import grey, heat_png, resized, webp, window


def test_the_window_spans_the_values_without_the_background():
    data = np.concatenate([np.zeros(5000), np.linspace(10, 20, 5000)])
    low, high = window(data, 0, 100)
    assert low == pytest.approx(10, abs=0.01)
    assert high == 20


@pytest.mark.parametrize("data", [np.full(9, 3.0), np.array([]), np.full(4, np.nan)])
def test_the_window_of_next_to_nothing_is_still_a_window(data):
    low, high = window(data)
    assert high > low


def test_grey_is_linear_and_clips():
    shades = grey(np.array([[-5.0, 0.0, 5.0, 10.0, 99.0, np.nan]]), (0.0, 10.0))
    assert shades.tolist() == [[0, 0, 127, 255, 255, 0]]


def test_resizing_keeps_a_flat_image_flat():
    assert (resized(np.full((7, 5), 90, dtype=np.uint8), (31, 64)) == 90).all()
    assert resized(np.zeros((7, 5), dtype=np.uint8), (0, 3)).shape == (1, 3)


def test_webp_decodes_to_nearly_the_same_image():
    ramp = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
    decoded = np.asarray(Image.open(io.BytesIO(webp(ramp, 90))).convert("L")).astype(int)
    assert decoded.shape == ramp.shape
    assert np.abs(decoded - ramp).max() < 12


def test_the_heat_is_clear_where_improbable_and_rises_in_lightness():
    probability = np.array([[0, 4, 40, 128, 255]], dtype=np.uint8)
    decoded = np.asarray(Image.open(io.BytesIO(heat_png(probability))).convert("RGBA"))[0]
    assert decoded[:2, 3].tolist() == [0, 0]
    light = decoded[2:, :3].astype(float) @ [0.299, 0.587, 0.114]
    assert (np.diff(light) > 0).all()
    assert (np.diff(decoded[2:, 3].astype(int)) > 0).all()


def test_a_pillow_without_webp_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    Image.init()
    monkeypatch.delitem(Image.SAVE, "WEBP")
    with pytest.raises(BackendError, match="needs WebP images"):
        webp(np.zeros((4, 4), np.uint8))
