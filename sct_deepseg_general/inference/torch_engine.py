"""Torch as an engine, on any of its devices: our tiles, or nnU-Net's own predictor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import BackendError
from sct_deepseg_general.inference.devices import import_torch
from sct_deepseg_general.inference.engine import Float, Progress, cord_minus_background
from sct_deepseg_general.inference.sliding_window import blended
from sct_deepseg_general.zoo.model import Model

__all__ = ["NnunetEngine", "TorchEngine"]


class TorchEngine:
    """The same network in torch, float32, on any of its devices.

    If a tile does not fit into the device's memory, tiles are halved, and `device` says so.
    """

    name = "torch"

    def __init__(self, model: Model, device: str) -> None:
        self.device = self._place = device
        self._tile = model.patch[::-1]
        self._networks = _torch_networks(model, device)

    def difference(
        self, data: Float, region: NDArray[np.bool_] | None, progress: Progress | None
    ) -> Float:
        """Logit of cord minus logit of background, (z, y, x) like `data`."""
        import torch

        while True:
            try:
                return blended(data, self._tile, self._forward, region, progress)
            except torch.cuda.OutOfMemoryError as error:
                self._tile = self._smaller_tile(error)
            torch.cuda.empty_cache()
            tile = " x ".join(map(str, self._tile[::-1]))
            self.device = f"{self._place}, its memory holds tiles of {tile} only"

    def _forward(self, tile: Float) -> Float:
        import torch

        with torch.inference_mode():
            batch = torch.from_numpy(tile)[None, None].to(self._place)
            logits = torch.stack([net(batch)[0] for net in self._networks]).mean(0)
            return cord_minus_background(logits.cpu().numpy(), tile)

    def _smaller_tile(self, error: Exception) -> tuple[int, int, int]:
        """The tile with its longest side halved, as long as the network takes it."""
        steps = np.prod(self._networks[0].encoder.strides, axis=0)
        sides = [
            n // 2 if n % (2 * step) == 0 else 0 for n, step in zip(self._tile, steps, strict=True)
        ]
        axis = int(np.argmax(sides))
        if sides[axis] == 0:
            raise BackendError(
                f"The memory of '{self._place}' does not hold one tile of this model: close what "
                "else uses it, or use -device cpu."
            ) from error
        z, y, x = (
            half if a == axis else n
            for a, (n, half) in enumerate(zip(self._tile, sides, strict=True))
        )
        return z, y, x


class NnunetEngine:
    """nnU-Net's stock sliding-window predictor (step 0.5, Gaussian, no mirroring)."""

    name = "nnunet"

    def __init__(self, model: Model, device: str) -> None:
        self.device = device
        import_torch()
        from sct_deepseg_general.inference.nnunet import stock_predictor

        self._predictor = stock_predictor(model, device)

    def difference(
        self, data: Float, region: NDArray[np.bool_] | None, progress: Progress | None
    ) -> Float:
        """Logit of cord minus logit of background, (z, y, x) like `data`."""
        import torch

        batch = torch.from_numpy(np.ascontiguousarray(data))[None]
        logits = self._predictor.predict_logits_from_preprocessed_data(batch).float().cpu().numpy()
        return cord_minus_background(logits, data)


def _torch_networks(model: Model, device: str) -> list[Any]:
    import_torch()
    from sct_deepseg_general.inference.nnunet import load_network

    plans, dataset = model.path("plans.json"), model.path("dataset.json")
    folds = (load_network(plans, dataset, model.path(fold)) for fold in model.folds)
    try:
        return [network.to(device) for network in folds]
    except RuntimeError as error:  # torch's own error for a full GPU is one of these
        reason = str(error).strip().splitlines()[0]
        raise BackendError(f"'{device}' does not take the network ({reason}).") from error
