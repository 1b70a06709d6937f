"""nnU-Net's plan of a network, read and checked before nnU-Net acts on it.

nnU-Net imports and calls the dotted names in a plan, so that a plan from elsewhere could call any
installed function. Only the networks and layers listed here are accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.schema import raising, read_json
from sct_deepseg_general.zoo.record import Normalisation, Resampling

__all__ = [
    "ALLOWED_NETWORKS",
    "ALLOWED_PARTS",
    "CONFIGURATION",
    "Plans",
    "read_plans",
    "resolved_configuration",
]

CONFIGURATION = "3d_fullres"

_UNETS = "dynamic_network_architectures.architectures."
ALLOWED_NETWORKS = frozenset(
    {
        _UNETS + "unet.PlainConvUNet",
        _UNETS + "unet.ResidualEncoderUNet",
        _UNETS + "residual_unet.ResidualEncoderUNet",
    }
)
_LAYERS = {
    "torch.nn.modules.conv.Conv",
    "torch.nn.modules.instancenorm.InstanceNorm",
    "torch.nn.modules.batchnorm.BatchNorm",
    "torch.nn.modules.dropout.Dropout",
    "torch.nn.Conv",
    "torch.nn.InstanceNorm",
    "torch.nn.BatchNorm",
}
ALLOWED_PARTS = frozenset(
    {
        "torch.nn.LeakyReLU",
        "torch.nn.ReLU",
        "torch.nn.modules.activation.LeakyReLU",
        "torch.nn.modules.activation.ReLU",
        *(f"{layer}{dimensions}d" for layer in _LAYERS for dimensions in (2, 3)),
    }
)
_PARTS = ("conv_op", "norm_op", "dropout_op", "nonlin")
_OLD_UNETS = ("PlainConvUNet", "ResidualEncoderUNet")
_MOST_FEATURES = 4096
_DIMENSIONS = {"2d": 2, "3d_fullres": 3}
_SCHEMES: dict[str, Normalisation] = {"ZScoreNormalization": "zscore", "NoNormalization": "none"}
_SPLINE, _LINEAR = "resample_data_or_seg_to_shape", "resample_torch_fornnunet"


@dataclass(frozen=True)
class Plans:
    """The part of a plan that inference needs; axes are the network's own, usually z, y, x."""

    name: str
    """nnU-Net's name of the plan ("nnUNetPlans")."""
    dataset: str
    """nnU-Net's name of the dataset ("Dataset101_cord")."""
    configuration: Literal["2d", "3d_fullres"]
    spacing: tuple[float, float, float]
    """Voxel size in mm along each axis; of a 2d network, the first is the data's median."""
    patch: tuple[int, int, int]
    """Voxels of a tile along each axis; of a 2d network, the first is 1."""
    transposed: tuple[int, int, int]
    """The axis of the array (z, y, x) that each axis of the network is."""
    normalisations: tuple[Normalisation, ...]
    """How each channel is normalised."""
    image: Resampling
    """How images are interpolated."""
    logits: Resampling
    """How the network's output is interpolated."""


def read_plans(path: Path, configuration: str = CONFIGURATION) -> Plans:
    """Read one configuration of a `plans.json`.

    Parameters
    ----------
    path : Path
        The plan that nnU-Net wrote.
    configuration : str
        "2d" or "3d_fullres".

    Returns
    -------
    Plans
        What inference needs.

    Raises
    ------
    ModelError
        The file is not a plan, has no such configuration, names a network or a layer that is
        not on the list, or prepares images in a way that is not supported.
    """
    if configuration not in _DIMENSIONS:
        raise ModelError(
            f"The network of {path} is of nnU-Net's configuration '{configuration}', which is not "
            f"supported: {' and '.join(_DIMENSIONS)} are."
        )
    with raising(ModelError):
        plans = read_json(path)
    try:
        settings = resolved_configuration(plans, configuration)
        _check_architecture(settings, path)
        return _parsed(plans, settings, cast("Literal['2d', '3d_fullres']", configuration), path)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"{path} is not an nnU-Net plan with a {configuration} configuration "
            f"({type(error).__name__}: {error})."
        ) from error


def resolved_configuration(plans: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A configuration of a plan, with the fields that it inherits from others."""
    settings, seen = dict(plans["configurations"][name]), {name}
    while (parent := settings.pop("inherits_from", None)) is not None:
        if parent in seen:
            raise ValueError(f"the configuration {parent} inherits from itself")
        seen.add(parent)
        settings = {**plans["configurations"][parent], **settings}
        settings["inherits_from"] = plans["configurations"][parent].get("inherits_from")
    return settings


def _parsed(
    plans: Mapping[str, Any],
    settings: Mapping[str, Any],
    configuration: Literal["2d", "3d_fullres"],
    path: Path,
) -> Plans:
    spacing, patch = list(settings["spacing"]), list(settings["patch_size"])
    if configuration == "2d":
        spacing = [plans["original_median_spacing_after_transp"][0], *_many(spacing, 2)]
        patch = [1, *_many(patch, 2)]
    schemes, masks = settings["normalization_schemes"], settings["use_mask_for_norm"]
    return Plans(
        name=str(plans["plans_name"]),
        dataset=str(plans["dataset_name"]),
        configuration=configuration,
        spacing=_triple(spacing, float),
        patch=_triple(patch, int),
        transposed=_triple(plans["transpose_forward"], int),
        normalisations=tuple(
            _normalisation(scheme, bool(mask), path)
            for scheme, mask in zip(schemes, _many(masks, len(schemes)), strict=True)
        ),
        image=_resampling(settings, "data", path),
        logits=_resampling(settings, "probabilities", path),
    )


def _normalisation(scheme: str, masked: bool, path: Path) -> Normalisation:
    if scheme not in _SCHEMES:
        raise ModelError(
            f"{path} normalises intensities by {scheme!r:.80}, which is not supported: "
            f"{' and '.join(_SCHEMES)} are. CTNormalization is for CT images."
        )
    return "masked-zscore" if masked and scheme == "ZScoreNormalization" else _SCHEMES[scheme]


def _resampling(settings: Mapping[str, Any], what: str, path: Path) -> Resampling:
    function = settings.get(f"resampling_fn_{what}", _SPLINE)
    options = settings.get(f"resampling_fn_{what}_kwargs", {})
    if function not in (_SPLINE, _LINEAR):
        raise ModelError(
            f"{path} interpolates by {function!r:.80}, which is not supported: {_SPLINE} and "
            f"{_LINEAR} are."
        )
    separate = options.get("force_separate_z")
    if function == _LINEAR:
        return Resampling(order=1, order_z=0, separate_z=separate)
    order = options.get("order", 3 if what == "data" else 1)
    return Resampling(order=int(order), order_z=int(options.get("order_z", 0)), separate_z=separate)


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
            "be built, as a plan could otherwise call any function. The model was not loaded."
        )


def _triple(values: Any, kind: type) -> Any:
    return tuple(kind(value) for value in _many(values, 3))


def _many(values: Any, count: int) -> list[Any]:
    if len(values) != count:
        raise ValueError(f"{count} values expected, found {len(values)}")
    return list(values)
