"""What is exported computes what was trained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_models import dataset_json, plans

torch = pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("nnunetv2", reason="the torch extra is not installed")

from sct_deepseg_general.errors import ModelError  # noqa: E402  # after the skips
from sct_deepseg_general.inference import nnunet  # noqa: E402
from sct_deepseg_general.inference.openvino import import_openvino  # noqa: E402
from sct_deepseg_general.release import export  # noqa: E402

openvino = import_openvino()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plan and a randomly initialised network's weights and IR."""
    folder = tmp_path_factory.mktemp("network")
    (folder / "plans.json").write_text(json.dumps(plans((4, 8, 16))))
    (folder / "dataset.json").write_text(json.dumps(dataset_json()))
    export.save_weights(_random(folder, 1), folder / "fold_0.safetensors")
    export.export_ir(_loaded(folder), folder, "network")
    return folder


def _random(folder: Path, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return nnunet.build_network(folder / "plans.json", folder / "dataset.json")


def _loaded(folder: Path, name: str = "fold_0") -> torch.nn.Module:
    return nnunet.load_network(
        folder / "plans.json", folder / "dataset.json", folder / f"{name}.safetensors"
    )


def _logits(network: torch.nn.Module, image: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return network(torch.from_numpy(image)).numpy()


def _image(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).standard_normal((1, 1, *shape)).astype(np.float32)


def test_loaded_weights_compute_what_the_network_did(folder: Path) -> None:
    image = _image(8, 12, 16)
    np.testing.assert_array_equal(
        _logits(_loaded(folder), image), _logits(_random(folder, 1).eval(), image)
    )


def test_half_precision_is_half_as_large_and_what_the_ir_computes_with(
    folder: Path, tmp_path: Path
) -> None:
    export.save_weights(_loaded(folder), tmp_path / "fold_0.safetensors", half=True)
    whole, half = (one / "fold_0.safetensors" for one in (folder, tmp_path))
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    network = nnunet.load_network(folder / "plans.json", folder / "dataset.json", half)
    assert {weight.dtype for weight in network.parameters()} == {torch.float32}
    image = _image(8, 8, 8)
    found, expected = _compiled(folder / "network.xml")(image)[0], _logits(network, image)
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def _compiled(network: Path) -> Any:
    """In float32, as the package runs it: some processors would compute in bfloat16."""
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    return openvino.Core().compile_model(network, "CPU", settings)


@pytest.mark.parametrize("shape", [(8, 8, 8), (8, 12, 16), (32, 64, 64)])
def test_ir_equals_torch_within_half_precision(folder: Path, shape: tuple[int, int, int]) -> None:
    image = _image(*shape)
    found, expected = _compiled(folder / "network.xml")(image)[0], _logits(_loaded(folder), image)
    assert found.shape == (1, 2, *shape)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 2e-3 * np.abs(expected).max()
    assert np.abs(found - expected).max() > 0  # the weights did travel as float16


def test_each_weight_is_stored_once(folder: Path) -> None:
    parameters = sum(p.numel() for p in _loaded(folder).parameters())
    assert (folder / "fold_0.safetensors").stat().st_size < 4 * parameters + 20_000
    assert (folder / "network.bin").stat().st_size < 2 * parameters + 20_000


def test_the_same_weights_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    export.save_weights(_loaded(folder), tmp_path / "fold_0.safetensors")
    export.export_ir(_loaded(folder), tmp_path, "network")
    for name in ("fold_0.safetensors", "network.xml", "network.bin"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    assert len(list(tmp_path.iterdir())) == 3


def test_an_ensemble_gives_the_mean_of_the_logits(folder: Path, tmp_path: Path) -> None:
    networks = [_random(folder, seed).eval() for seed in (1, 2)]
    image = _image(8, 8, 8)
    mean = np.mean([_logits(network, image) for network in networks], axis=0)
    together = export.ensemble(networks)
    np.testing.assert_allclose(_logits(together, image), mean, atol=1e-6)
    export.export_ir(together, tmp_path, "network")
    found = _compiled(tmp_path / "network.xml")(image)[0]
    assert np.abs(found - mean).max() < 5e-3 * np.abs(mean).max()


def test_a_sharpened_network_is_surer_of_the_same(folder: Path) -> None:
    image = _image(8, 12, 16)
    before = _logits(_loaded(folder), image)
    after = _logits(export.sharpened(_loaded(folder), 1.5), image)
    assert before.std() > 0.01
    np.testing.assert_allclose(after, 1.5 * before, rtol=1e-4, atol=1e-5)
    moved = _logits(export.sharpened(_loaded(folder), 1.5, -0.3), image)
    np.testing.assert_allclose(moved[:, 0], after[:, 0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(moved[:, 1], after[:, 1] - 0.3, rtol=1e-4, atol=1e-5)


def test_weights_that_do_not_fit_are_refused(folder: Path, tmp_path: Path) -> None:
    weights = dict(_random(folder, 1).state_dict())
    network = _random(folder, 1)
    first = next(iter(weights))
    for wrong, message in [
        ({**weights, first: weights[first][:1]}, "do not fit"),
        ({**weights, "surplus": weights[first]}, "surplus"),
        ({name: w for name, w in weights.items() if "seg_layers" not in name}, "seg_layers"),
        ({**weights, first: weights[first] * float("nan")}, "not numbers"),
    ]:
        with pytest.raises(ModelError, match=message):
            nnunet.fill(network, wrong, "here")
    (tmp_path / "cut.safetensors").write_bytes((folder / "fold_0.safetensors").read_bytes()[:-9])
    for name in ("cut", "absent"):
        with pytest.raises(ModelError, match="Cannot read the weights"):
            nnunet.load_network(
                folder / "plans.json", folder / "dataset.json", tmp_path / f"{name}.safetensors"
            )


def test_one_of_the_names_of_a_weight_is_enough(folder: Path) -> None:
    weights = _random(folder, 1).state_dict()
    kept = {name: w for name, w in weights.items() if "all_modules" not in name}
    assert len(kept) < len(weights)
    image = _image(8, 8, 8)
    filled = nnunet.fill(_random(folder, 2), kept, "here")
    np.testing.assert_array_equal(_logits(filled, image), _logits(_loaded(folder), image))


def test_a_plan_that_names_a_function_builds_nothing(folder: Path, tmp_path: Path) -> None:
    plan = plans()
    architecture = plan["configurations"]["3d_fullres"]["architecture"]
    architecture["network_class_name"] = "pathlib.Path.touch"
    (tmp_path / "plans.json").write_text(json.dumps(plan))
    with pytest.raises(ModelError, match="may be built"):
        nnunet.build_network(tmp_path / "plans.json", folder / "dataset.json")


def test_exporting_reports_to_nobody(folder: Path, tmp_path: Path) -> None:
    """OpenVINO's converter leaves a client number in the home folder before it reports."""
    code = (
        "import sys, pathlib; from sct_deepseg_general.inference import nnunet; "
        "from sct_deepseg_general.release import export; "
        "f = pathlib.Path(sys.argv[1]); n = nnunet.load_network(f / 'plans.json', "
        "f / 'dataset.json', f / 'fold_0.safetensors'); "
        "export.export_ir(n, pathlib.Path(sys.argv[2]), 'network')"
    )
    home = tmp_path / "home"
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    command = [sys.executable, "-c", code, folder, tmp_path]
    subprocess.run(command, check=True, env=environment | {"HOME": str(home)})
    assert (tmp_path / "network.bin").exists()
    assert list(home.iterdir()) == []
