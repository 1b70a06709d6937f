"""nnU-Net's networks and its stock predictor, from a model's plans and safetensors.

Imports torch at once: import this module only where torch is meant to be used. nnU-Net's
environment variables are not needed and not set: nothing here reads its folders.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sct_deepseg_general.errors import ModelError, required
from sct_deepseg_general.schema import raising, read_json
from sct_deepseg_general.zoo.model import Model
from sct_deepseg_general.zoo.plans import CONFIGURATION, read_plans

__all__ = [
    "SliceNetwork",
    "build_network",
    "fill",
    "first_names",
    "load_network",
    "stock_predictor",
    "volume_networks",
]


def build_network(
    plans: Path, dataset_json: Path, configuration: str = CONFIGURATION
) -> torch.nn.Module:
    """Build the untrained network of a plan, without deep supervision, with nnU-Net's code.

    Parameters
    ----------
    plans, dataset_json : Path
        nnU-Net's descriptions of the network and of its labels and channels.
    configuration : str
        "2d" or "3d_fullres".

    Returns
    -------
    torch.nn.Module
        Takes float32 (batch, image channels, axes of the plan), gives logits (batch, label
        channels, axes).

    Raises
    ------
    ModelError
        The plan is not one, or names what may not be built.
    """
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    read = read_plans(plans, configuration)
    with raising(ModelError):
        content, dataset = read_json(plans), dict(read_json(dataset_json))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nnU-Net warns about plans of its earlier versions
        manager = PlansManager(copy.deepcopy(dict(content)))  # it edits old plans in place
        settings = manager.get_configuration(configuration)
    return get_network_from_plans(
        settings.network_arch_class_name,
        settings.network_arch_init_kwargs,
        settings.network_arch_init_kwargs_req_import,
        input_channels=len(read.normalisations),
        output_channels=manager.get_label_manager(dataset).num_segmentation_heads,
        allow_init=False,
        deep_supervision=False,
    )


def load_network(
    plans: Path, dataset_json: Path, safetensors: Path, configuration: str = CONFIGURATION
) -> torch.nn.Module:
    """The trained network of one fold, in evaluation mode, on the CPU.

    Raises
    ------
    ModelError
        The plan is refused, or the weights are not those of its network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(safetensors)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"Cannot read the weights in {safetensors}: {error}.") from error
    return fill(build_network(plans, dataset_json, configuration), weights, str(safetensors))


def volume_networks(model: Model) -> list[torch.nn.Module]:
    """The network of each fold, taking volumes; a 2d network takes one slice as a volume."""
    plans, dataset = model.path("plans.json"), model.path("dataset.json")
    networks = [
        load_network(plans, dataset, model.path(fold), model.configuration) for fold in model.folds
    ]
    if model.configuration == "2d":
        return [SliceNetwork(network).eval() for network in networks]
    return networks


class SliceNetwork(torch.nn.Module):  # type: ignore[misc]  # torch's own types are not read
    """A 2d network that takes one slice as a volume: (batch, channels, 1, y, x)."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> Any:
        """Logits (batch, label channels, 1, y, x) of `image` (batch, channels, 1, y, x)."""
        return self.network(image.squeeze(2)).unsqueeze(2)


def fill(network: torch.nn.Module, weights: Mapping[str, Any], where: str) -> torch.nn.Module:
    """The network with these weights, all of them finite, in evaluation mode.

    nnU-Net registers one weight under up to four names; giving any one of them is enough.

    Raises
    ------
    ModelError
        A weight is missing, left over, of another shape, or not a number.
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
    same = first_names(network)
    given = {same[name] for name in weights if name in same}
    wrong = surplus or [name for name in missing if same[name] not in given]
    if wrong:
        raise ModelError(f"The weights in {where} are not those of the plan's network: {wrong[0]}.")
    return network.eval()


def first_names(network: torch.nn.Module) -> dict[str, str]:
    """For each name of a weight, the first name under which the same weight is registered."""
    first: dict[int, str] = {}
    weights = network.state_dict(keep_vars=True)
    return {name: first.setdefault(id(weight), name) for name, weight in weights.items()}


def stock_predictor(model: Model, device: str, *, mirroring: bool = False) -> Any:
    """nnU-Net's `nnUNetPredictor` with the model's weights: step 0.5, Gaussian.

    Raises
    ------
    BackendError
        Nnunetv2 is not installed.
        ModelError: the weights do not fit.
    """
    with required("The engine nnunet", "torch", ", or use -engine openvino"):
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
    plans, dataset = model.path("plans.json"), model.path("dataset.json")
    networks = [
        load_network(plans, dataset, model.path(fold), model.configuration) for fold in model.folds
    ]
    manager = PlansManager(dict(read_json(plans)))
    predictor = nnUNetPredictor(
        tile_step_size=0.5,
        use_gaussian=True,
        use_mirroring=mirroring,
        perform_everything_on_device=device != "cpu",
        device=torch.device(device),
        verbose=False,
        allow_tqdm=False,
    )
    predictor.manual_initialization(
        networks[0],
        manager,
        manager.get_configuration(model.configuration),
        [network.state_dict() for network in networks],
        dict(read_json(dataset)),
        "nnUNetTrainer",
        tuple(range(2 if model.configuration == "2d" else 3)) if mirroring else None,
    )
    return predictor
