"""Engines of imported networks agree, and refuse what is not the network's output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulated_releases import BY_TASK, imported

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.inference.imported import engine as module
from sct_deepseg_general.inference.imported.engine import label_engine
from sct_deepseg_general.inference.openvino import drop_pages
from sct_deepseg_general.inference.sliding_window import blended_channels
from sct_deepseg_general.zoo.labels import label_scheme

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    "task", ["lesion_sci_t2", "lesion_ms_axial_t2", pytest.param("spine", marks=pytest.mark.slow)]
)
def test_the_engines_agree(tmp_path: Path, task: str) -> None:
    release = BY_TASK[task]
    _, model = imported(release, tmp_path)
    shape = (len(release.channels), 30, 60, 50)
    data = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    calls: list[tuple[int, int]] = []
    by_openvino = list(
        label_engine(model, "openvino", "cpu").logits(data, lambda *step: calls.append(step))
    )
    assert len(by_openvino) == len(release.folds)
    assert calls[-1][0] == calls[-1][1] == len(calls)
    for name in ("torch", "nnunet"):
        found = list(label_engine(model, name, "cpu").logits(data))
        for ours, theirs in zip(found, by_openvino, strict=True):
            assert ours.dtype == theirs.dtype == np.float16
            middle = (slice(None), slice(8, -8), slice(15, -15), slice(12, -12))
            np.testing.assert_allclose(ours[middle], theirs[middle], atol=0.02)


def test_what_is_not_the_networks_output_is_refused() -> None:
    scheme = label_scheme({"background": 0, "sc": 1}, None, "test")
    tile = np.zeros((1, 2, 2, 2), np.float32)
    with pytest.raises(ModelError, match="not 2 channels of the same size"):
        module._check(np.zeros((3, 2, 2, 2)), tile, scheme)
    with pytest.raises(ModelError, match="no numbers"):
        module._check(np.full((2, 2, 2, 2), np.nan), tile, scheme)
    module._check(np.zeros((2, 2, 2, 2)), tile, scheme)


def test_a_network_of_slices_sees_each_slice_once() -> None:
    data = np.random.default_rng(0).standard_normal((1, 7, 20, 20)).astype(np.float32)
    seen: list[Any] = []

    def forward(tile: Any) -> Any:
        seen.append(tile.shape)
        return np.concatenate([tile, -tile])

    found = blended_channels(data, (1, 20, 20), forward)
    assert seen == [(1, 1, 20, 20)] * 7
    np.testing.assert_allclose(found[0], data[0], atol=0.03)  # half precision in the corners
    np.testing.assert_allclose(found[1], -data[0], atol=0.03)  # half precision in the corners


def test_progress_counts_the_tiles_of_all_folds() -> None:
    steps: list[Any] = []
    part = module._part(lambda *step: steps.append(step), 1, 3)
    assert part is not None
    part(2, 4)
    assert steps == [(6, 12)]
    assert module._part(None, 0, 1) is None


@pytest.mark.skipif(sys.platform != "linux", reason="pages of a file are dropped on Linux only")
def test_the_file_of_the_weights_does_not_stay_in_memory(tmp_path: Path) -> None:
    _, model = imported(BY_TASK["canal"], tmp_path)
    engine = label_engine(model, "openvino", "cpu")
    data = np.random.default_rng(0).standard_normal((1, 30, 60, 50)).astype(np.float32)
    (first,) = engine.logits(data)
    weights = model.path(f"{model.networks[0]}.bin")
    assert drop_pages(weights) >= weights.stat().st_size
    (again,) = engine.logits(data)
    np.testing.assert_array_equal(first, again)
    assert drop_pages(tmp_path / "never-mapped.bin") == 0
