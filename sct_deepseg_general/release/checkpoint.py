"""nnU-Net's checkpoints, which are pickles: the only place where one is opened or written.

They are opened by torch's restricted reader, which builds tensors, plain values and the types
listed below, and only when a person asked for the import of this very file.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.zoo.plans import CONFIGURATION

__all__ = ["SAFEST_TORCH", "Checkpoint", "read_checkpoint", "written_checkpoint"]

SAFEST_TORCH = (2, 10)
"""Earlier versions of torch can be made to run code by a file opened with `weights_only`."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a checkpoint says of its network."""

    weights: Mapping[str, torch.Tensor]
    trainer: str
    """The name of the trainer's class, which is not looked up."""
    configuration: str
    """nnU-Net's name of the configuration, such as "3d_fullres"."""


def _is_cut(path: Path) -> bool:
    """Whether a file begins as torch's archives do and does not end as they do."""
    with path.open("rb") as stream:
        begins = stream.read(2) == b"PK"
    return begins and not zipfile.is_zipfile(path)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read the network's weights, and what they belong to, from a checkpoint of nnU-Net.

    Raises
    ------
    ModelError
        torch is too old to open a file from elsewhere, or the file is not a checkpoint, or it
        holds anything but tensors and plain values.
    """
    version = re.match(r"(\d+)\.(\d+)", torch.__version__)
    if version is None or (int(version[1]), int(version[2])) < SAFEST_TORCH:
        raise ModelError(
            f"torch {torch.__version__} can be made to run code by the file it opens: import "
            f"models with torch {'.'.join(map(str, SAFEST_TORCH))} or newer."
        )
    if _is_cut(path):
        raise ModelError(f"{path} is cut or damaged: copy it, or download it, again.")
    try:
        with torch.serialization.safe_globals(_plain_values()):
            content = torch.load(path, map_location="cpu", weights_only=True)
        weights = content["network_weights"]
    except Exception as error:  # a damaged pickle raises nearly anything
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{path} is not a checkpoint that may be opened: {first:.300}") from error
    if not isinstance(weights, dict) or not all(map(torch.is_tensor, weights.values())):
        raise ModelError(f"{path} holds no weights of a network.")
    settings = content.get("init_args", {})
    return Checkpoint(
        {name.removeprefix("_orig_mod.").removeprefix("module."): w for name, w in weights.items()},
        str(content.get("trainer_name", "unknown")),
        str(settings.get("configuration", CONFIGURATION)),
    )


def written_checkpoint(
    weights: Mapping[str, torch.Tensor],
    trainer: str,
    fold: int,
    plans: Mapping[str, Any],
    dataset: Mapping[str, Any],
    configuration: str = CONFIGURATION,
) -> bytes:
    """A checkpoint as nnU-Net's predictor reads it."""
    content = {
        "network_weights": dict(weights),
        "trainer_name": trainer,
        "inference_allowed_mirroring_axes": (0, 1) if configuration == "2d" else (0, 1, 2),
        "init_args": {
            "plans": dict(plans),
            "configuration": configuration,
            "fold": fold,
            "dataset_json": dict(dataset),
        },
    }
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def _plain_values() -> list[Any]:
    """What makes the scalars of numpy that nnU-Net's logs hold, under its old and new name."""
    scalar = np.float64(0).__reduce__()[0]
    kinds = {type(np.dtype(name)) for name in ("f4", "f8", "i4", "i8", "u1", "?")}
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    return [np.dtype, *kinds, *((scalar, name) for name in names)]
