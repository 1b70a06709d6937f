"""A model ready to predict, with the engine that runs its network chosen once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np

from sct_deepseg_general.errors import BackendError, ModelError
from sct_deepseg_general.image.volume import Array, Probability, Volume
from sct_deepseg_general.inference.devices import chosen_device
from sct_deepseg_general.inference.engine import Engine, Progress
from sct_deepseg_general.inference.imported.engine import LabelEngine, label_engine
from sct_deepseg_general.zoo.model import Model

__all__ = ["ENGINES", "Predictor", "embedded_locator", "load_predictor"]

ENGINES = ("auto", "openvino", "torch", "nnunet")


@dataclass(frozen=True)
class Predictor:
    """A model with its engines: the network itself and, where it has one, its locator."""

    model: Model
    engine: Engine | LabelEngine
    locator: Engine | None
    located_by: Model | None = None
    """The model whose locator this is; None without a locator."""

    @property
    def labels(self) -> LabelEngine:
        """The engine of an imported model.

        Raises
        ------
        ModelError
            The model is one of this program's own.
        """
        if self.model.preprocessing is None:
            raise ModelError(f"{self.model.key} is not an imported model.")
        return cast("LabelEngine", self.engine)

    def probability(
        self, prepared: Volume, region: Array | None = None, progress: Progress | None = None
    ) -> Probability:
        """The probability of cord (x, y, z), float32 in [0, 1], on the grid of `prepared`, an
        image in the model's axes and voxel size.

        Tiles without a voxel of `region` (bool, same shape) are left out, with probability 0.
        """
        return _probability(cast("Engine", self.engine), prepared, region, progress)

    def coarse_probability(self, prepared: Volume) -> Probability:
        """The locator's probability of cord (x, y, z), in [0, 1], on the grid of `prepared`.

        Raises
        ------
        ModelError
            The model has no locator.
        """
        if self.locator is None:
            raise ModelError(f"The model {self.model.key} has no locator.")
        return _probability(self.locator, prepared, None, None)


def load_predictor(
    model: Model, engine: str = "auto", device: str = "auto", precision: str = "f32"
) -> Predictor:
    """Load a model on an engine, once for any number of images.

    Parameters
    ----------
    model : Model
        A model's folder, from `zoo.resolve`.
    engine : {"auto", "openvino", "torch", "nnunet"}
        "auto" is OpenVINO on a CPU and torch on a GPU.
    device : str
        "auto", "cpu", "cuda", "cuda:N" or "mps"; "auto" takes a GPU if torch can use one.
    precision : {"f32", "bf16", "f16"}
        The precision that OpenVINO computes an imported model in.

    Returns
    -------
    Predictor
        The network and, if the model has one, its locator.

    Raises
    ------
    BackendError
        The engine is not installed, or there is no such device.
    ModelError
        The weights cannot be loaded.

    Examples
    --------
    >>> from sct_deepseg_general.zoo.zoo import resolve
    >>> load_predictor(resolve(None), "openvino").engine.device
    'cpu'
    """
    if engine not in ENGINES:
        raise BackendError(f"There is no engine '{engine}': choose one of {', '.join(ENGINES)}.")
    device = chosen_device(device, engine)
    if engine == "auto":
        engine = "openvino" if device == "cpu" else "torch"
    if engine == "openvino" and device != "cpu":
        raise BackendError(f"OpenVINO runs on the CPU here, not on '{device}': use -engine torch.")
    if model.preprocessing is None:
        own = model if model.locator else None
        return Predictor(model, _ENGINES[engine](model, device), _locator(own), own)
    by = None if model.whole_image else embedded_locator()
    return Predictor(model, label_engine(model, engine, device, precision), _locator(by), by)


def embedded_locator() -> Model:
    """The package's own model, whose locator finds the cord for imported models.

    Raises
    ------
    ModelError
        It is missing or damaged, or has no locator.
    """
    from sct_deepseg_general.zoo.zoo import resolve

    model = resolve(None, offline=True)
    if model.locator is None:
        raise ModelError(
            f"The default model {model.key} has no locator, which imported models need: install "
            "the package again, or look at the whole image with -exact."
        )
    return model


def _openvino(model: Model, _: str) -> Engine:
    from sct_deepseg_general.inference.openvino import OpenVinoEngine

    return OpenVinoEngine(model.path("network.xml"), model.patch)


def _torch(model: Model, device: str) -> Engine:
    from sct_deepseg_general.inference.torch_engine import TorchEngine

    return TorchEngine(model, device)


def _nnunet(model: Model, device: str) -> Engine:
    from sct_deepseg_general.inference.torch_engine import NnunetEngine

    return NnunetEngine(model, device)


_ENGINES: dict[str, Callable[[Model, str], Engine]] = {
    "openvino": _openvino,
    "torch": _torch,
    "nnunet": _nnunet,
}


def _locator(model: Model | None) -> Engine | None:
    """The coarse network, always on the CPU: it takes a tenth of a second."""
    if model is None or model.locator is None:
        return None
    from sct_deepseg_general.inference.openvino import OpenVinoEngine

    return OpenVinoEngine(model.path("locator.xml"), model.locator.patch, fitted=True)


def _probability(
    engine: Engine, prepared: Volume, region: Array | None, progress: Progress | None
) -> Probability:
    data = np.ascontiguousarray(prepared.data.transpose(2, 1, 0), np.float32)
    mask = None if region is None else region.transpose(2, 1, 0)
    logits = engine.difference(data, mask, progress)
    if not (logits < np.inf).all():  # false for NaN too; -inf is where no tile was
        raise ModelError("The network gave values that are not finite: verify the model's files.")
    with np.errstate(over="ignore"):
        data = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return Probability(data.transpose(2, 1, 0), prepared.grid)
