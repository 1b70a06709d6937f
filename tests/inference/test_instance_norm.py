"""Instance normalisation is that of float64, whatever the size of the tile and its mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sct_deepseg_general.inference.instance_norm import exact_norms
from sct_deepseg_general.inference.openvino import import_openvino

openvino = import_openvino()
EPS = 1e-5


def _network(shape: tuple[int, ...]) -> Any:
    """A normalisation after a convolution that changes nothing, as in a U-Net."""
    from openvino import opset13 as operations

    spatial = len(shape) - 2
    image = operations.parameter(list(shape), np.float32)
    weights = np.eye(shape[1], dtype=np.float32).reshape(shape[1], shape[1], *[1] * spatial)
    none, one = [0] * spatial, [1] * spatial
    same = operations.convolution(image, operations.constant(weights), one, none, none, one)
    axes = list(range(2, len(shape)))
    return openvino.Model([operations.mvn(same, axes, True, EPS, "inside_sqrt")], [image])


def _run(network: Any, image: Any) -> Any:
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    return openvino.Core().compile_model(network, "CPU", settings)(image)[0]


def _expected(image: Any) -> Any:
    values = image.astype(np.float64)
    axes = tuple(range(2, values.ndim))
    rest = values - values.mean(axes, keepdims=True)
    return rest / np.sqrt(values.var(axes, keepdims=True) + EPS)


def _noise(shape: tuple[int, ...], mean: float, deviation: float) -> Any:
    noise = np.random.default_rng(0).standard_normal(shape)
    return (mean + deviation * noise).astype(np.float32)


@pytest.mark.parametrize("shape", [(1, 16, 20, 24, 28), (1, 16, 60, 50)])
@pytest.mark.parametrize(("mean", "deviation"), [(0, 1), (30, 1), (0, 1e-3), (-2, 0.0)])
def test_it_is_that_of_float64(shape: tuple[int, ...], mean: float, deviation: float) -> None:
    network, image = _network(shape), _noise(shape, mean, deviation)
    assert exact_norms(network) == 1
    np.testing.assert_allclose(_run(network, image), _expected(image), atol=2e-5 * (1 + abs(mean)))


def test_in_a_large_tile_openvinos_own_is_not() -> None:
    shape = (1, 16, 128, 128, 64)
    image = _noise(shape, 1, 1)
    plain, exact = _network(shape), _network(shape)
    exact_norms(exact)
    expected = _expected(image)
    error = np.abs(_run(exact, image) - expected).max()
    assert error < 1e-5
    assert np.abs(_run(plain, image) - expected).max() > 10 * error


def test_a_network_without_normalisation_stays_as_it_is() -> None:
    from openvino import opset13 as operations

    image = operations.parameter([1, 1, 4, 4, 4], np.float32)
    assert exact_norms(openvino.Model([operations.relu(image)], [image])) == 0
