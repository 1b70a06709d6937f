"""Images are prepared, and logits brought back, to the last digit as nnU-Net does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sct_deepseg_general.inference.imported.image import (
    label_map,
    label_probability,
    nnunet_image,
    resampled,
)
from sct_deepseg_general.zoo.labels import label_scheme
from sct_deepseg_general.zoo.record import Preprocessing, Resampling

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("spacing", "target"),
    [
        ((1.0, 1.0, 1.0), (0.7, 1.3, 1.0)),
        ((5.0, 0.5, 0.5), (1.0, 1.0, 1.0)),  # thick slices: one by one
        ((0.5, 5.0, 0.5), (1.0, 1.0, 1.0)),
        ((1.0, 1.0, 1.0), (4.0, 1.0, 1.2)),
        ((4.0, 4.0, 1.0), (1.0, 1.0, 1.0)),  # two thick axes: none alone
    ],
)
@pytest.mark.parametrize("order", [(3, 0), (1, 0), (1, 1)])
@pytest.mark.parametrize("separate", [None, True, False])
def test_interpolation_is_nnunets(
    spacing: Any, target: Any, order: tuple[int, int], separate: bool | None
) -> None:
    default = pytest.importorskip("nnunetv2.preprocessing.resampling.default_resampling")
    data = RNG.normal(size=(10, 14, 12)).astype(np.float32)
    shape = tuple(round(n * a / b) for n, a, b in zip(data.shape, spacing, target, strict=True))
    theirs = default.resample_data_or_seg_to_shape(
        data[None], shape, spacing, target, False, *order, separate
    )[0]
    how = Resampling(order=order[0], order_z=order[1], separate_z=separate)
    ours = resampled(data, shape, spacing, target, how)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_torchs_interpolation_is_linear() -> None:
    """`resample_torch_fornnunet` gives what splines of order 1 give."""
    module = pytest.importorskip("nnunetv2.preprocessing.resampling.resample_torch")
    data = RNG.normal(size=(9, 14, 12)).astype(np.float32)
    for spacing in ((1.0, 1.0, 1.0), (5.0, 0.5, 0.5)):
        shape = (21, 9, 17)
        theirs = module.resample_torch_fornnunet(data[None], shape, spacing, (1.0, 1.0, 1.0))[0]
        ours = resampled(data, shape, spacing, (1.0, 1.0, 1.0), Resampling(order=1))
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_zeros_around_the_image_are_left_out_and_come_back() -> None:
    data = np.zeros((10, 10, 10), np.float32)
    data[2:8, 3:9, 1:5] = RNG.uniform(1, 2, (6, 6, 4))
    image = nnunet_image([data], (1.0,) * 3, (1.0,) * 3, Preprocessing())
    assert image.data.shape == (1, 6, 6, 4)
    assert image.data.mean() == pytest.approx(0, abs=1e-6)
    assert image.data.std() == pytest.approx(1, abs=1e-5)
    scheme = label_scheme({"background": 0, "sc": 1}, None, "test")
    logits = np.stack([np.zeros((6, 6, 4)), np.ones((6, 6, 4))]).astype(np.float16)
    labels = label_map(logits, image, Resampling(order=1), scheme)
    assert labels.shape == (10, 10, 10)
    assert labels.sum() == 6 * 6 * 4
    probability = label_probability(logits, image, Resampling(order=1), scheme, "sc")
    assert probability[3, 4, 2] == pytest.approx(1 / (1 + np.exp(-1)), abs=1e-3)
    assert probability[0, 0, 0] == 0


@pytest.mark.parametrize(("how", "mean"), [("zscore", 0.0), ("masked-zscore", None), ("none", 5.0)])
def test_intensities_are_normalised_as_the_plan_says(how: Any, mean: float | None) -> None:
    data = RNG.normal(5, 1, (6, 6, 6)).astype(np.float32)
    data[0, 0] = 0  # an edge of zeros inside the window
    image = nnunet_image([data], (1.0,) * 3, (1.0,) * 3, Preprocessing(normalisations=(how,)))
    if mean is not None:
        assert image.data.mean() == pytest.approx(data.mean() if how == "none" else 0, abs=1e-4)
    else:
        inside = image.data[0][data != 0]
        assert inside.mean() == pytest.approx(0, abs=1e-5)
        assert (image.data[0][0, 0] == 0).all()


def test_slices_of_a_2d_network_stay_as_they_are() -> None:
    data = RNG.uniform(1, 2, (5, 12, 12)).astype(np.float32)
    how = Preprocessing(configuration="2d")
    image = nnunet_image([data], (6.0, 1.0, 1.0), (3.0, 0.5, 0.5), how)
    assert image.data.shape == (1, 5, 24, 24)
    assert image.spacing == (6.0, 0.5, 0.5)


def test_an_empty_image_is_background() -> None:
    data = np.zeros((4, 4, 4), np.float32)
    image = nnunet_image([data], (1.0,) * 3, (1.0,) * 3, Preprocessing())
    assert np.isfinite(image.data).all()


def test_regions_are_painted_in_order() -> None:
    scheme = label_scheme({"background": 0, "sc": (1, 2), "lesion": 2}, (1, 2), "test")
    image = nnunet_image([np.ones((1, 1, 3))], (1.0,) * 3, (1.0,) * 3, Preprocessing())
    logits = np.array([[[[2.0, 2.0, -2.0]]], [[[-1.0, 1.0, 1.0]]]], np.float16)
    assert label_map(logits, image, Resampling(order=1), scheme).tolist() == [[[1, 2, 2]]]
    lesion = label_probability(logits, image, Resampling(order=1), scheme, "lesion")
    np.testing.assert_allclose(lesion[0, 0], 1 / (1 + np.exp([1.0, -1.0, -1.0])), atol=1e-3)
