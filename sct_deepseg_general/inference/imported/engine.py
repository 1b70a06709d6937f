"""Engines for imported networks: any number of images in, any number of labels out.

Each gives the logits of one fold after the other, in half precision as nnU-Net keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.inference.devices import import_torch
from sct_deepseg_general.inference.engine import Float, Progress
from sct_deepseg_general.inference.sliding_window import blended_channels
from sct_deepseg_general.zoo.labels import LabelScheme
from sct_deepseg_general.zoo.model import Model

__all__ = ["Half", "LabelEngine", "label_engine"]

Half = NDArray[np.float16]


class LabelEngine(Protocol):
    """Runs the networks of an imported model over a prepared image."""

    name: str
    device: str

    def logits(self, data: Float, progress: Progress | None = None) -> Iterator[Half]:
        """The logits (label channels, z, y, x) of each fold for `data` (channels, z, y, x)."""


def label_engine(model: Model, engine: str, device: str, precision: str = "f32") -> LabelEngine:
    """The engine "openvino", "torch" or "nnunet" for an imported model.

    Raises
    ------
    BackendError
        The engine is not installed.
    ModelError
        The weights cannot be loaded.
    """
    if engine == "openvino":
        return _OpenVinoLabels(model, precision)
    return _TorchLabels(model, device) if engine == "torch" else _NnunetLabels(model, device)


class _OpenVinoLabels:
    """OpenVINO on the CPU. Of several folds, one at a time is in memory."""

    name = "openvino"
    device = "cpu"

    def __init__(self, model: Model, precision: str) -> None:
        from sct_deepseg_general.inference.openvino import compiled_network

        self._scheme = model.scheme
        self._tile = model.patch[::-1]
        self._channels = len(model.channels)
        networks = model.int8 if precision == "int8" else model.networks
        if not networks:
            raise ModelError(
                f"{model.key} has no int8 networks: run 'models quantise -m {model.key} -i IMAGE', "
                "with one image or more of the kind that it is for."
            )
        self._files = [model.path(f"{name}.xml") for name in networks]
        self._compile = compiled_network
        self._precision = "f32" if precision == "int8" else precision
        self._only: Callable[[Float], Float] | None = None

    def logits(self, data: Float, progress: Progress | None = None) -> Iterator[Half]:
        for number, file in enumerate(self._files):
            forward = self._only or self._compile(
                file, (self._channels, *self._tile), self._precision
            )
            if len(self._files) == 1:
                self._only = forward
            step = _part(progress, number, len(self._files))
            yield blended_channels(data, self._tile, self._run(forward), step)

    def _run(self, forward: Callable[[Float], Float]) -> Callable[[Float], Float]:
        def run(tile: Float) -> Float:
            logits: Float = forward(tile[None])[0]
            _check(logits, tile, self._scheme)
            return logits

        return run


class _TorchLabels:
    """Torch, float32, on any of its devices."""

    name = "torch"

    def __init__(self, model: Model, device: str) -> None:
        import_torch()
        from sct_deepseg_general.inference.nnunet import volume_networks

        self.device = device
        self._scheme = model.scheme
        self._tile = model.patch[::-1]
        self._networks = [network.to(device) for network in volume_networks(model)]

    def logits(self, data: Float, progress: Progress | None = None) -> Iterator[Half]:
        for number, network in enumerate(self._networks):
            step = _part(progress, number, len(self._networks))
            yield blended_channels(data, self._tile, self._run(network), step)

    def _run(self, network: Any) -> Callable[[Float], Float]:
        import torch

        def run(tile: Float) -> Float:
            with torch.inference_mode():
                logits = network(torch.from_numpy(tile)[None].to(self.device))[0]
            found: Float = logits.float().cpu().numpy()
            _check(found, tile, self._scheme)
            return found

        return run


class _NnunetLabels:
    """nnU-Net's own sliding-window predictor (step 0.5, Gaussian, no mirroring)."""

    name = "nnunet"

    def __init__(self, model: Model, device: str) -> None:
        import_torch()
        from sct_deepseg_general.inference.nnunet import stock_predictor

        self.device = device
        self._scheme = model.scheme
        self._predictor = stock_predictor(model, device)
        self._folds = self._predictor.list_of_parameters

    def logits(self, data: Float, progress: Progress | None = None) -> Iterator[Half]:
        import torch

        for number, fold in enumerate(self._folds):
            self._predictor.list_of_parameters = [fold]
            batch = torch.from_numpy(np.ascontiguousarray(data))
            found = self._predictor.predict_logits_from_preprocessed_data(batch)
            if progress is not None:
                progress(number + 1, len(self._folds))
            half = found.half().cpu().numpy()
            _check(half, data, self._scheme)
            yield half


def _check(logits: NDArray[Any], tile: Float, scheme: LabelScheme) -> None:
    """Check the logits (label channels, z, y, x) of a tile (channels, z, y, x).

    Raises
    ------
    ModelError
        The network gives other shapes, or values that are not numbers.
    """
    if logits.shape != (scheme.channels, *tile.shape[1:]):
        raise ModelError(
            f"The network makes {logits.shape} of a tile of {tile.shape}, not {scheme.channels} "
            "channels of the same size: verify the model's files."
        )
    if not np.isfinite(logits).all():
        raise ModelError("The network gave values that are no numbers: verify the model's files.")


def _part(progress: Progress | None, number: int, count: int) -> Progress | None:
    """The progress of one of several folds, as part of that of all."""
    if progress is None:
        return None
    return lambda done, tiles: progress(number * tiles + done, count * tiles)
