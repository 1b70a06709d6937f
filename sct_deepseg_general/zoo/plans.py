"""nnU-Net's plan of a network, read and checked before nnU-Net acts on it.

nnU-Net imports and calls whatever dotted names a plan holds; a plan from a stranger could so
call any installed function. Only the names listed here pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.schema import read_json

__all__ = ["ALLOWED_NETWORKS", "ALLOWED_PARTS", "CONFIGURATION", "Plans", "read_plans"]

CONFIGURATION = "3d_fullres"

_UNETS = "dynamic_network_architectures.architectures."
ALLOWED_NETWORKS = frozenset(
    {
        _UNETS + "unet.PlainConvUNet",
        _UNETS + "unet.ResidualEncoderUNet",
        _UNETS + "residual_unet.ResidualEncoderUNet",
    }
)
ALLOWED_PARTS = frozenset(
    {
        "torch.nn.Conv3d",
        "torch.nn.InstanceNorm3d",
        "torch.nn.BatchNorm3d",
        "torch.nn.LeakyReLU",
        "torch.nn.ReLU",
        "torch.nn.modules.activation.LeakyReLU",
        "torch.nn.modules.activation.ReLU",
        "torch.nn.modules.batchnorm.BatchNorm3d",
        "torch.nn.modules.conv.Conv3d",
        "torch.nn.modules.dropout.Dropout3d",
        "torch.nn.modules.instancenorm.InstanceNorm3d",
    }
)
_PARTS = ("conv_op", "norm_op", "dropout_op", "nonlin")
_OLD_UNETS = ("PlainConvUNet", "ResidualEncoderUNet")
_MOST_FEATURES = 4096


@dataclass(frozen=True)
class Plans:
    """The part of a plan that inference needs; axes are the network's own, usually z, y, x."""

    name: str
    """nnU-Net's name of the plan ("nnUNetPlans")."""
    spacing: tuple[float, float, float]
    """Millimetres a voxel along each axis of the network."""
    patch: tuple[int, int, int]
    """Voxels along each axis of the network."""
    transposed: tuple[int, int, int]
    """Axis of the array (z, y, x) that each axis of the network is."""
    normalisation: str
    """nnU-Net's name of the scheme of the only channel ("ZScoreNormalization")."""
    masked: bool
    """Whether normalisation looks at the non-zero voxels only."""


def read_plans(path: Path) -> Plans:
    """The full-resolution 3D configuration of a `plans.json`.

    Raises:
        ModelError: it is not a plan, has no 3D full-resolution configuration of one channel,
            or names a network or a layer that is not on the list.
    """
    plans = read_json(path)
    try:
        configuration = plans["configurations"][CONFIGURATION]
        _check_architecture(configuration, path)
        return Plans(
            name=str(plans["plans_name"]),
            spacing=_triple(configuration["spacing"], float),
            patch=_triple(configuration["patch_size"], int),
            transposed=_triple(plans["transpose_forward"], int),
            normalisation=_only(configuration["normalization_schemes"]),
            masked=bool(_only(configuration["use_mask_for_norm"])),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"{path} is not an nnU-Net plan with a {CONFIGURATION} configuration of one "
            f"channel ({type(error).__name__}: {error})."
        ) from error


def _check_architecture(configuration: Mapping[str, Any], path: Path) -> None:
    if "architecture" not in configuration:
        _demand(configuration["UNet_class_name"], _OLD_UNETS, path)
        return
    architecture = configuration["architecture"]
    settings = architecture["arch_kwargs"]
    _demand(architecture["network_class_name"], ALLOWED_NETWORKS, path)
    for name in architecture["_kw_requires_import"]:
        _demand(name, _PARTS, path)
        if settings[name] is not None:
            _demand(settings[name], ALLOWED_PARTS, path)
    if not 0 < max(settings["features_per_stage"]) <= _MOST_FEATURES:
        raise ModelError(f"{path} asks for more than {_MOST_FEATURES} features in one layer.")


def _demand(name: Any, allowed: frozenset[str] | tuple[str, ...], path: Path) -> None:
    if name not in allowed:
        raise ModelError(
            f"{path} names {name!r:.80}, which is not among the networks and layers that may "
            "be built: a plan could otherwise call any function. The model was not loaded."
        )


def _triple(values: Any, kind: type) -> Any:
    if len(values) != 3:
        raise ValueError(f"three values expected, found {len(values)}")
    return tuple(kind(value) for value in values)


def _only(values: Any) -> Any:
    if len(values) != 1:
        raise ValueError(f"one channel expected, found {len(values)}")
    return values[0]
