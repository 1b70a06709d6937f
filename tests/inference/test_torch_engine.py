"""Torch as an engine: tiles that do not fit are halved, until the network takes no smaller one."""

from __future__ import annotations

import numpy as np
import pytest
from samples import grid, model

from sct_deepseg_general.errors import BackendError
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.inference.predictor import load_predictor
from sct_deepseg_general.inference.torch_engine import TorchEngine

torch = pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("nnunetv2", reason="the torch extra is not installed")


def test_a_tile_is_halved_along_its_longest_side_until_the_network_takes_no_smaller() -> None:
    engine = load_predictor(model(), "torch", "cpu").engine
    assert isinstance(engine, TorchEngine)
    steps = np.prod(engine._networks[0].encoder.strides, axis=0)
    while any(n % (2 * step) == 0 for n, step in zip(engine._tile, steps, strict=True)):
        before = engine._tile
        engine._tile = engine._smaller_tile(MemoryError())
        assert np.prod(engine._tile) * 2 == np.prod(before)
        assert not (np.array(engine._tile) % steps).any()
    with pytest.raises(BackendError, match="does not hold one tile"):
        engine._smaller_tile(MemoryError())


def test_the_probability_does_not_depend_on_the_tile_being_larger_than_the_image() -> None:
    predictor = load_predictor(model(), "torch", "cpu")
    shape = (40, 40, 40)
    data = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    found = predictor.probability(Volume(data, grid(shape, predictor.model.spacing)))
    assert found.data.shape == shape
    assert 0 <= found.data.min() < found.data.max() <= 1
