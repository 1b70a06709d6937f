"""Models are loaded once and kept."""

from __future__ import annotations

import numpy as np
import pytest
from samples import image_path

from sct_deepseg_general import load, segment
from sct_deepseg_general.errors import ArgumentError, BackendError, ModelError


def test_a_model_is_loaded_once() -> None:
    first = load(device="cpu")
    assert load(device="cpu").predictor is first.predictor
    assert load(first.name, device="cpu").predictor is first.predictor
    assert 0 < first.threshold < 1


def test_a_loaded_model_and_its_name_give_the_same_mask() -> None:
    model = load()
    path = image_path("T2w")
    one, other = segment(path, model=model), segment(path, model=model.name)
    assert np.array_equal(np.asarray(one.mask), np.asarray(other.mask))


def test_the_words_name_model_engine_and_device() -> None:
    model = load(device="cpu")
    assert repr(model) == f"<Model {model.name}, openvino on cpu>"


def test_what_cannot_be_loaded_is_one_sentence() -> None:
    with pytest.raises(ArgumentError, match="give one of them"):
        load("a", task="b")
    with pytest.raises(ModelError, match="no task 'b'"):
        load(task="b")
    with pytest.raises(BackendError, match="no engine 'tpu'"):
        load(engine="tpu")
