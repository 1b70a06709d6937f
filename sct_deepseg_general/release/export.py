"""A trained network in the forms that travel: safetensors for torch, an IR for OpenVINO.

Imports torch at once: import this module only where torch is meant to be used.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from sct_deepseg_general.files import write_whole
from sct_deepseg_general.inference.nnunet import first_names
from sct_deepseg_general.inference.openvino import import_openvino

__all__ = ["ensemble", "export_ir", "save_weights", "sharpened"]


def save_weights(network: torch.nn.Module, path: Path) -> None:
    """The network's weights as float32 safetensors, each once; equal weights give equal bytes."""
    from safetensors.torch import save

    weights = network.state_dict()
    once = sorted(set(first_names(network).values()))
    plain = {name: weights[name].detach().cpu().float().contiguous() for name in once}
    with write_whole(path) as temporary:
        temporary.write_bytes(save(plain))


def ensemble(networks: Sequence[torch.nn.Module]) -> torch.nn.Module:
    """One network whose logits are the mean of these networks' logits, as nnU-Net's folds are."""
    if len(networks) == 1:
        return networks[0]
    return _Mean(networks).eval()


def sharpened(network: torch.nn.Module, times: float) -> torch.nn.Module:
    """The network with its last layer scaled, so that its logits are `times` as large.

    Source: temperature scaling, Guo et al., ICML 2017; `times` is one over their temperature.
    """
    last = network.decoder.seg_layers[-1]
    with torch.no_grad():
        for weight in last.parameters():
            weight.mul_(times)
    return network


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
    with _scratch(folder / f".part-{name}") as scratch:
        openvino.save_model(model, str(scratch / f"{name}.xml"), compress_to_fp16=True)
        return _moved(scratch, folder, name)


class _Mean(torch.nn.Module):  # type: ignore[misc]  # torch's own types are not read
    def __init__(self, networks: Sequence[torch.nn.Module]) -> None:
        super().__init__()
        self.networks = torch.nn.ModuleList(networks)

    def forward(self, image: torch.Tensor) -> Any:
        return torch.stack([network(image) for network in self.networks]).mean(dim=0)


def _smallest(network: torch.nn.Module) -> tuple[int, int, int]:
    """A tile the network can take: a power of 2 that all its strides divide, with 2 voxels left."""
    downs = [1, 1, 1]
    for layer in network.modules():
        if isinstance(layer, torch.nn.ConvTranspose3d):
            downs = [down * int(stride) for down, stride in zip(downs, layer.stride, strict=True)]
    return (2 * downs[0], 2 * downs[1], 2 * downs[2])


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """An empty folder for the block; what a killed process left in it goes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _moved(scratch: Path, folder: Path, name: str) -> tuple[Path, Path]:
    paths = (folder / f"{name}.xml", folder / f"{name}.bin")
    for path in paths:
        with write_whole(path) as temporary:
            temporary.write_bytes((scratch / path.name).read_bytes())
    return paths
