"""A rearranged graph gives the same logits and runs the encoder's convolutions at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulated_releases import BY_TASK, dataset_json, plans

from sct_deepseg_general.inference import nnunet
from sct_deepseg_general.inference.openvino import import_openvino
from sct_deepseg_general.release.export import export_ir
from sct_deepseg_general.release.lean_ir import PREFIX, split_joins

openvino = import_openvino()
pytestmark = pytest.mark.filterwarnings("ignore")


def _network(task: str, folder: Path, stages: int = 2) -> Any:
    """A random network of a release; with more stages than it has, where asked for."""
    release = BY_TASK[task]
    plan, dataset = plans(release), dataset_json(release)
    if stages > 2:
        kwargs = plan["configurations"][release.configuration]["architecture"]["arch_kwargs"]
        kwargs |= {
            "n_stages": stages,
            "features_per_stage": [6 * 2**n for n in range(stages)],
            "kernel_sizes": [kwargs["kernel_sizes"][0]] * stages,
            "strides": [kwargs["strides"][0], *[kwargs["strides"][1]] * (stages - 1)],
            "n_conv_per_stage": [1] * stages,
            "n_conv_per_stage_decoder": [1] * (stages - 1),
        }
    (folder / "plans.json").write_text(json.dumps(plan))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    return nnunet.build_network(
        folder / "plans.json", folder / "dataset.json", release.configuration
    ).eval()


def _exported(network: Any, folder: Path, channels: int, *, lean: bool) -> Any:
    name = "lean" if lean else "plain"
    xml, _ = export_ir(network, folder, name, channels=channels, half=False, lean=lean)
    return openvino.Core().read_model(xml)


def _compiled(model: Any, shape: tuple[int, ...]) -> Any:
    model.reshape(list(shape))
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    return openvino.Core().compile_model(model, "CPU", settings)


@pytest.mark.parametrize("task", ["spinalcord", "lesion_sci_t2", "lesion_ms_axial_t2", "spine"])
def test_the_logits_are_the_same(task: str, tmp_path: Path) -> None:
    network = _network(task, tmp_path)
    channels = len(BY_TASK[task].channels)
    flat = BY_TASK[task].configuration == "2d"
    shape = (1, channels, 1 if flat else 8, 16, 24)
    image = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    lean, plain = (_exported(network, tmp_path, channels, lean=lean) for lean in (True, False))
    kinds = [node.get_type_name() for node in lean.get_ordered_ops()]
    assert "Concat" not in kinds
    assert len(lean.outputs) == len(lean.inputs) == 1
    found, expected = (_compiled(one, shape)(image)[0] for one in (lean, plain))
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_the_encoders_convolutions_run_before_the_decoder(tmp_path: Path) -> None:
    model = _exported(_network("spinalcord", tmp_path, 4), tmp_path, 1, lean=True)
    compiled = _compiled(model, (1, 1, 32, 32, 32))
    nodes = [node.get_rt_info() for node in compiled.get_runtime_model().get_ordered_ops()]
    names = ("execOrder", "layerType", "originalLayersNames")
    facts = [{name: node[name].astype(str) for name in names} for node in nodes]
    facts.sort(key=lambda one: int(one["execOrder"]))
    kinds = [one["layerType"] for one in facts]
    begin, last = kinds.index("Deconvolution"), len(kinds)
    sums = [n for n, one in enumerate(facts) if f"{PREFIX}/sum" in one["originalLayersNames"]]
    assert len(sums) == 3
    assert {kinds[n] for n in sums} == {"Convolution"}  # the sum is part of it: no copy
    before = [n for n in range(begin) if kinds[n] == "Convolution"]
    after = [n for n in range(begin, last) if kinds[n] == "Convolution"]
    assert len(before) == 4 + 3  # the encoder's, and those of the three skip connections
    assert len(after) == 3 + 1


def test_a_network_without_skip_connections_stays_as_it_is(tmp_path: Path) -> None:
    operations = pytest.importorskip("openvino").opset13
    image = operations.parameter([1, 1, 8, 8, 8], np.float32)
    weights = operations.constant(np.ones((2, 1, 3, 3, 3), np.float32))
    ones, twice = [1] * 3, operations.concat([image, image], 1)
    out = operations.convolution(image, weights, ones, ones, ones, ones)
    model = openvino.Model([operations.add(out, twice)], [image])
    before = [node.get_type_name() for node in model.get_ordered_ops()]
    assert split_joins(model) == 0
    assert [node.get_type_name() for node in model.get_ordered_ops()] == before
