"""The mean of models: of a model with itself it is that model; its logits are scaled once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nnunetv2")

from safetensors.torch import load_file, save_file  # noqa: E402  # after the skips

from benchmarks.training.average_models import averaged  # noqa: E402  # after the skips
from sct_deepseg_general.datasets import recipe as recipes  # noqa: E402
from sct_deepseg_general.inference.nnunet import load_network  # noqa: E402
from sct_deepseg_general.zoo.archive import seal  # noqa: E402
from sct_deepseg_general.zoo.model import Model  # noqa: E402
from sct_deepseg_general.zoo.zoo import resolve  # noqa: E402


def _logits(model: Model) -> np.ndarray:
    paths = [model.path(name) for name in ("plans.json", "dataset.json", model.folds[0])]
    network = load_network(*paths).eval()
    tile = torch.linspace(-2, 2, 32**3).reshape(1, 1, 32, 32, 32)
    with torch.no_grad():
        found = network(tile)
    return np.asarray(found[0] if isinstance(found, list | tuple) else found)


def test_the_mean_of_a_model_with_itself_is_that_model_with_other_logits(tmp_path: Path) -> None:
    model = resolve("sc-general", offline=True)
    own = recipes.read(model.folder / "recipe.json").training
    made = averaged([model, model], 2 * own.sharpness, 2 * own.shift, tmp_path / "mean")
    np.testing.assert_allclose(_logits(made), 2 * _logits(model), rtol=0.02, atol=0.05)
    written = recipes.read(made.folder / "recipe.json").training
    assert (written.sharpness, written.shift) == (2 * own.sharpness, 2 * own.shift)


def test_half_of_what_two_models_differ_by_is_in_their_mean(tmp_path: Path) -> None:
    model = resolve("sc-general", offline=True)
    other = tmp_path / "other"
    shutil.copytree(model.folder, other)
    weights = load_file(other / model.folds[0])
    last = max(name for name in weights if name.startswith("decoder.seg_layers."))
    name = f"{last.rpartition('.')[0]}.bias"
    weights[name][1:] += 3
    save_file(weights, other / model.folds[0])
    changed = seal(other, json.loads((other / "model.json").read_text(encoding="utf-8")))
    own = recipes.read(model.folder / "recipe.json").training
    made = averaged([model, changed], own.sharpness, own.shift, tmp_path / "mean")
    np.testing.assert_allclose(_logits(made)[:, 1], _logits(model)[:, 1] + 1.5, atol=0.05)
    np.testing.assert_allclose(_logits(made)[:, 0], _logits(model)[:, 0], atol=0.05)
