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
from sct_deepseg_general.inference.nnunet import SliceNetwork, first_names
from sct_deepseg_general.inference.openvino import import_openvino
from sct_deepseg_general.release.lean_ir import PREFIX, split_joins

__all__ = ["ensemble", "export_ir", "save_weights", "sharpened"]


def save_weights(network: torch.nn.Module, path: Path, *, half: bool = False) -> None:
    """The network's weights as safetensors, each once; equal weights give equal bytes.

    float32, or with `half` float16, as an IR has them: half as large, and torch and OpenVINO
    compute with the same numbers.
    """
    from safetensors.torch import save

    weights = network.state_dict()
    kind = torch.float16 if half else torch.float32
    once = sorted(set(first_names(network).values()))
    plain = {name: weights[name].detach().cpu().to(kind).contiguous() for name in once}
    with write_whole(path) as temporary:
        temporary.write_bytes(save(plain))


def ensemble(networks: Sequence[torch.nn.Module]) -> torch.nn.Module:
    """One network whose logits are the mean of these networks' logits, as nnU-Net's folds are."""
    if len(networks) == 1:
        return networks[0]
    return _Mean(networks).eval()


def sharpened(network: torch.nn.Module, times: float, shift: float = 0.0) -> torch.nn.Module:
    """The network with its last layer scaled, so that its logits are `times` as large, and `shift`
    added to those of the cord.

    Source: temperature scaling, Guo et al., ICML 2017 (`times` is one over their temperature); with
    the shift it is Platt scaling (Platt, 1999).
    """
    last = network.decoder.seg_layers[-1]
    with torch.no_grad():
        for weight in last.parameters():
            weight.mul_(times)
        last.bias[1:] += shift
    return network


def export_ir(
    network: torch.nn.Module,
    folder: Path,
    name: str,
    *,
    channels: int = 1,
    half: bool = True,
    lean: bool = False,
) -> tuple[Path, Path]:
    """Write the network as OpenVINO IR, `name`.xml and `name`.bin, in `folder`.

    The IR takes one float32 input (1, channels, z, y, x) with free z, y, x and gives float32
    logits (1, label channels, z, y, x); a 2d network takes one slice, z = 1. The same network
    gives the same bytes with the same version of OpenVINO.

    Parameters
    ----------
    network : torch.nn.Module
        The network, 2d or 3d.
    folder : Path
        Where the two files are written.
    name : str
        Their name without ending.
    channels : int
        Number of images that the network takes together.
    half : bool
        Whether weights are stored as float16, which changes probabilities by up to 0.004.
    lean : bool
        Whether the graph is rearranged to need less memory (see `lean_ir`).

    Returns
    -------
    tuple of Path
        The two files.
    """
    openvino = import_openvino()
    downs, dimensions = _downsampling(network)
    sizes = [2 * down for down in downs]
    shape = [-1, -1, -1]
    if dimensions == 2:
        network, sizes, shape = SliceNetwork(network), [1, *sizes], [1, -1, -1]
    example = torch.zeros(1, channels, *sizes)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing warns about what OpenVINO handles
        model = openvino.convert_model(
            network.eval(),
            example_input=example,
            input=[openvino.PartialShape([1, channels, *shape])],
        )
    if lean:
        split_joins(model)
    _number_layers(model)
    model.set_friendly_name(name)
    model.get_results()[0].set_friendly_name("logits")
    model.inputs[0].tensor.set_names({"image"})
    model.outputs[0].tensor.set_names({"logits"})
    with _scratch(folder / f".part-{name}") as scratch:
        openvino.save_model(model, str(scratch / f"{name}.xml"), compress_to_fp16=half)
        return _moved(scratch, folder, name)


def _number_layers(model: Any) -> None:
    """Name the layers by their place: the names that OpenVINO gives count up within a process."""
    for number, layer in enumerate(model.get_ordered_ops()):
        prefix, _, rest = layer.get_friendly_name().partition("/")
        role = f"{PREFIX}/{rest.partition('/')[0]}/" if prefix == PREFIX else ""
        layer.set_friendly_name(f"{role}{layer.get_type_name()}_{number}")


class _Mean(torch.nn.Module):  # type: ignore[misc]  # torch's own types are not read
    def __init__(self, networks: Sequence[torch.nn.Module]) -> None:
        super().__init__()
        self.networks = torch.nn.ModuleList(networks)

    def forward(self, image: torch.Tensor) -> Any:
        return torch.stack([network(image) for network in self.networks]).mean(dim=0)


def _downsampling(network: torch.nn.Module) -> tuple[list[int], int]:
    """How often each axis is halved in all, and the number of axes: 2 or 3."""
    downs: list[int] = []
    for layer in network.modules():
        if isinstance(layer, (torch.nn.ConvTranspose2d, torch.nn.ConvTranspose3d)):
            downs = downs or [1] * len(layer.stride)
            downs = [down * int(stride) for down, stride in zip(downs, layer.stride, strict=True)]
    return downs, len(downs)


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
