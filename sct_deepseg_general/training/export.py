"""A trained network in the forms that travel: safetensors for torch, an IR for OpenVINO.

Imports torch at once: import this module only where torch is meant to be used.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.plans import CONFIGURATION, read_plans
from sct_deepseg_general.private import import_openvino
from sct_deepseg_general.record import read_json

__all__ = ["build_network", "ensemble", "export_ir", "fill", "load_network", "save_weights"]


def build_network(plans: Path, dataset_json: Path) -> torch.nn.Module:
    """The untrained network of a plan, without deep supervision, made by nnU-Net.

    Takes float32 (batch, 1, *axes of the plan), gives logits (batch, classes, *axes).

    Raises:
        ModelError: the plan is not one, or names what may not be built.
    """
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    read_plans(plans)
    manager = PlansManager(dict(read_json(plans)))
    configuration = manager.get_configuration(CONFIGURATION)
    classes = manager.get_label_manager(dict(read_json(dataset_json))).num_segmentation_heads
    return get_network_from_plans(
        configuration.network_arch_class_name,
        configuration.network_arch_init_kwargs,
        configuration.network_arch_init_kwargs_req_import,
        input_channels=1,
        output_channels=classes,
        allow_init=False,
        deep_supervision=False,
    )


def load_network(plans: Path, dataset_json: Path, safetensors: Path) -> torch.nn.Module:
    """The trained network of one fold, in evaluation mode, on the CPU.

    Raises:
        ModelError: the plan is refused, or the weights are not those of its network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(safetensors)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"Cannot read the weights in {safetensors}: {error}.") from error
    return fill(build_network(plans, dataset_json), weights, str(safetensors))


def fill(network: torch.nn.Module, weights: Mapping[str, Any], where: str) -> torch.nn.Module:
    """The network with these weights, all of them finite, in evaluation mode.

    nnU-Net registers one weight under up to four names; giving any one of them is enough.

    Raises:
        ModelError: a weight is missing, left over, of another shape, or not a number.
    """
    unsound = [name for name, weight in weights.items() if not bool(torch.isfinite(weight).all())]
    if unsound:
        raise ModelError(f"The weights in {where} hold values that are not numbers ({unsound[0]}).")
    try:
        missing, surplus = network.load_state_dict(dict(weights), strict=False)
    except RuntimeError as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise ModelError(
            f"The weights in {where} do not fit the plan's network: {first}"
        ) from error
    same = _first_names(network)
    given = {same[name] for name in weights if name in same}
    wrong = surplus or [name for name in missing if same[name] not in given]
    if wrong:
        raise ModelError(f"The weights in {where} are not those of the plan's network: {wrong[0]}.")
    return network.eval()


def save_weights(network: torch.nn.Module, path: Path) -> None:
    """The network's weights as float32 safetensors, each once; equal weights give equal bytes."""
    from safetensors.torch import save

    weights = network.state_dict()
    once = sorted(set(_first_names(network).values()))
    plain = {name: weights[name].detach().cpu().float().contiguous() for name in once}
    with write_whole(path) as temporary:
        temporary.write_bytes(save(plain))


def ensemble(networks: Sequence[torch.nn.Module]) -> torch.nn.Module:
    """One network whose logits are the mean of these networks' logits, as nnU-Net's folds are."""
    if len(networks) == 1:
        return networks[0]
    return _Mean(networks).eval()


def export_ir(network: torch.nn.Module, folder: Path, name: str) -> tuple[Path, Path]:
    """The network as `name`.xml and `name`.bin in `folder`: OpenVINO IR, weights as float16.

    The IR takes one float32 input (1, 1, z, y, x) with free z, y, x and gives float32 logits
    (1, classes, z, y, x). The same network gives the same bytes with the same OpenVINO.
    """
    openvino = import_openvino()
    example = torch.zeros(1, 1, *_smallest(network))
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing warns of what OpenVINO handles
        model = openvino.convert_model(
            network.eval(), example_input=example, input=[openvino.PartialShape([1, 1, -1, -1, -1])]
        )
    model.set_friendly_name(name)
    model.get_results()[0].set_friendly_name("logits")
    model.inputs[0].tensor.set_names({"image"})
    model.outputs[0].tensor.set_names({"logits"})
    with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as scratch:
        openvino.save_model(model, str(Path(scratch) / f"{name}.xml"), compress_to_fp16=True)
        return _moved(Path(scratch), folder, name)


class _Mean(torch.nn.Module):  # type: ignore[misc]  # torch's own types are not read
    def __init__(self, networks: Sequence[torch.nn.Module]) -> None:
        super().__init__()
        self.networks = torch.nn.ModuleList(networks)

    def forward(self, image: torch.Tensor) -> Any:
        return torch.stack([network(image) for network in self.networks]).mean(dim=0)


def _first_names(network: torch.nn.Module) -> dict[str, str]:
    """For each name of a weight, the first name under which the same weight is registered."""
    first: dict[int, str] = {}
    weights = network.state_dict(keep_vars=True)
    return {name: first.setdefault(id(weight), name) for name, weight in weights.items()}


def _smallest(network: torch.nn.Module) -> tuple[int, int, int]:
    """A tile the network can take: a power of 2 that all its strides divide, with 2 voxels left."""
    downs = [1, 1, 1]
    for layer in network.modules():
        if isinstance(layer, torch.nn.ConvTranspose3d):
            downs = [down * int(stride) for down, stride in zip(downs, layer.stride, strict=True)]
    return (2 * downs[0], 2 * downs[1], 2 * downs[2])


def _moved(scratch: Path, folder: Path, name: str) -> tuple[Path, Path]:
    paths = (folder / f"{name}.xml", folder / f"{name}.bin")
    for path in paths:
        with write_whole(path) as temporary:
            temporary.write_bytes((scratch / path.name).read_bytes())
    return paths
