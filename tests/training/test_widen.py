"""A widened network computes what the small one does, and its copies are not alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from samples import model

torch = pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("nnunetv2", reason="the train extra is not installed")

from sct_deepseg_general.datasets import recipe as recipes  # noqa: E402  # after the skips
from sct_deepseg_general.errors import ModelError  # noqa: E402
from sct_deepseg_general.inference.nnunet import build_network, load_network  # noqa: E402
from sct_deepseg_general.training.start import Start  # noqa: E402
from sct_deepseg_general.training.widen import widened  # noqa: E402

pytestmark = pytest.mark.training


def network(folder: Path, features: list[int]) -> Any:
    plans = json.loads(model().path("plans.json").read_text(encoding="utf-8"))
    architecture = plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]
    architecture["features_per_stage"] = features
    (folder / "plans.json").write_text(json.dumps(plans), encoding="utf-8")
    return build_network(folder / "plans.json", model().path("dataset.json"))


def embedded() -> Any:
    one = model()
    return load_network(one.path("plans.json"), one.path("dataset.json"), one.path(one.folds[0]))


def test_a_wider_network_gives_the_same_logits(tmp_path: Path) -> None:
    small = embedded()
    features = [2 * n for n in small.encoder.output_channels[:2]]
    features += [n + 8 for n in small.encoder.output_channels[2:]]
    big = widened(small, network(tmp_path, features)).eval()
    image = torch.randn(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.allclose(small(image), big(image), atol=1e-3)


def test_copies_of_a_channel_pass_on_different_shares(tmp_path: Path) -> None:
    small = embedded()
    old = int(small.encoder.output_channels[0])
    features = [2 * n for n in small.encoder.output_channels]
    big = widened(small, network(tmp_path, features))
    weight = big.encoder.stages[0][0].convs[1].conv.weight
    first = big.encoder.stages[0][0].convs[0].conv.weight
    copy = next(k for k in range(old, 2 * old) if torch.equal(first[k], first[0]))
    assert not torch.allclose(weight[:, 0], weight[:, copy])


def test_a_narrower_network_is_refused(tmp_path: Path) -> None:
    small = embedded()
    fewer = [int(n) // 2 for n in small.encoder.output_channels]
    with pytest.raises(ModelError, match="at least as many channels"):
        widened(small, network(tmp_path, fewer))


def test_a_training_starts_from_the_unsharpened_network(tmp_path: Path) -> None:
    small = embedded()
    settings = recipes.read(model().path("recipe.json")).training
    begun = network(tmp_path, [int(n) for n in small.encoder.output_channels])
    Start(model()).fill(begun)
    image = torch.randn(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = settings.sharpness * begun.eval()(image)
        expected[:, 1:] += settings.shift
        assert torch.allclose(small(image), expected, atol=1e-3)


def test_the_locator_is_taken_over_only_where_its_settings_are_the_same() -> None:
    recipe = recipes.read(model().path("recipe.json"))
    assert recipe.locator is not None
    start = Start(model())
    assert start.has_locator(recipe.locator)
    assert not start.has_locator(recipe.training)
