"""A model ready to predict: the only door to OpenVINO, torch and nnU-Net's predictor.

`load_predictor` chooses the engine once; what it returns is passed down. Arrays inside are
(z, y, x), a volume's (x, y, z) transposed, as nnU-Net keeps them.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import BackendError, ModelError
from sct_deepseg_general.image.volume import Array, Probability, Volume
from sct_deepseg_general.inference.openvino import drop_signal_stack, import_openvino
from sct_deepseg_general.inference.sliding_window import blended
from sct_deepseg_general.zoo.model import Model

__all__ = ["DEVICES", "ENGINES", "Engine", "Predictor", "fitted_tile", "load_predictor"]

ENGINES = ("auto", "openvino", "torch", "nnunet")
DEVICES = ("auto", "cpu", "cuda", "mps")

Float = NDArray[np.float32]
Progress = Callable[[int, int], None]

SMALL_TILE = 64**3
"""Voxels of a tile up to which several are run side by side."""
MOST_BESIDE = 8
"""Each takes 30 MB with the embedded model."""

LEAST_TILE = 32
"""Voxels a side, of the locator's tiles where the image is smaller than its patch."""
TILE_STEP = 16
"""Sides of such tiles are multiples of it, as a U-Net of up to five stages wants."""

_DRIVER = (
    "/dev/nvidiactl",  # Linux
    "/dev/dxg",  # Linux within Windows
)
"""Where NVIDIA's driver shows, if it is there."""


class Engine(Protocol):
    """Runs one network over a prepared array."""

    name: str
    device: str

    def difference(
        self, data: Float, wanted: NDArray[np.bool_] | None, progress: Progress | None
    ) -> Float:
        """Logit of cord minus logit of background, (z, y, x) like `data`."""


@dataclass(frozen=True)
class Predictor:
    """A model with its engines: the network itself and, where it has one, its locator."""

    model: Model
    engine: Engine
    locator: Engine | None

    def probability(
        self, prepared: Volume, wanted: Array | None = None, progress: Progress | None = None
    ) -> Probability:
        """The probability of cord on the grid of `prepared` (model axes and spacing).

        Tiles without a voxel of `wanted` (bool, same shape) are left out; there it is 0.
        """
        return _probability(self.engine, prepared, wanted, progress)

    def coarse_probability(self, prepared: Volume) -> Probability:
        """The locator's probability of cord on the grid of `prepared`.

        Raises:
            ModelError: the model has no locator.
        """
        if self.locator is None:
            raise ModelError(f"The model {self.model.key} has no locator.")
        return _probability(self.locator, prepared, None, None)


def load_predictor(model: Model, engine: str = "auto", device: str = "auto") -> Predictor:
    """The model, loaded once on an engine ("auto": OpenVINO on a CPU, torch on a GPU).

    Raises:
        BackendError: the engine is not installed or the device is not there.
        ModelError: the weights cannot be loaded.
    """
    if engine not in ENGINES:
        raise BackendError(f"There is no engine '{engine}': choose one of {', '.join(ENGINES)}.")
    device = _chosen_device(device, engine)
    if engine == "auto":
        engine = "openvino" if device == "cpu" else "torch"
    if engine == "openvino" and device != "cpu":
        raise BackendError(f"OpenVINO runs on the CPU here, not on '{device}': use -engine torch.")
    return Predictor(model, _ENGINES[engine](model, device), _locator(model))


class OpenVinoEngine:
    """An OpenVINO IR on the CPU, float32.

    Small tiles are run side by side, each on one thread, so that the number of threads changes no
    bit of the result; large ones one after the other, each on all threads, because of memory.
    With `fitted`, tiles are no larger than the image asks for (see `fitted_tile`).
    """

    name = "openvino"
    device = "cpu"

    def __init__(self, model_file: Path, patch: Sequence[int], *, fitted: bool = False) -> None:
        self._patch = tuple(patch)[::-1]
        self._fitted = fitted
        self._beside = min(_threads(), MOST_BESIDE) if np.prod(patch) <= SMALL_TILE else 1
        least = fitted_tile((1, 1, 1), self._patch) if fitted else self._patch
        self._forward = _compiled(model_file, self._patch, least, self._beside)

    def __del__(self) -> None:
        self.__dict__.pop("_forward", None)
        if drop_signal_stack is not None:  # None where Python itself is ending
            drop_signal_stack()  # OpenVINO frees its own with the last model, but leaves it set

    def difference(
        self, data: Float, wanted: NDArray[np.bool_] | None, progress: Progress | None
    ) -> Float:
        def forward(tile: Float) -> Float:
            return _cord_minus_background(self._forward(tile[None, None])[0], tile)

        tile = fitted_tile(data.shape, self._patch) if self._fitted else self._patch
        return blended(data, tile, forward, wanted, progress, self._each)

    def _each(self, said: Callable[[Any], Float], starts: Iterable[Any]) -> Iterator[Float]:
        """`map`, several at a time."""
        if self._beside == 1:
            yield from map(said, starts)
            return
        from concurrent.futures import ThreadPoolExecutor

        pool = ThreadPoolExecutor(self._beside)
        try:
            yield from pool.map(said, starts)
        finally:
            pool.shutdown(cancel_futures=True)


class TorchEngine:
    """The same network in torch, float32, on any of its devices.

    Where the device's memory does not hold a tile, tiles are halved; `device` then says so.
    """

    name = "torch"

    def __init__(self, model: Model, device: str) -> None:
        self.device = self._place = device
        self._tile = model.patch[::-1]
        self._networks = _torch_networks(model, device)

    def difference(
        self, data: Float, wanted: NDArray[np.bool_] | None, progress: Progress | None
    ) -> Float:
        import torch

        while True:
            try:
                return blended(data, self._tile, self._forward, wanted, progress)
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
            return _cord_minus_background(logits.cpu().numpy(), tile)

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
        _import_torch()
        from sct_deepseg_general.inference.nnunet import stock_predictor

        self._predictor = stock_predictor(model, device)

    def difference(
        self, data: Float, wanted: NDArray[np.bool_] | None, progress: Progress | None
    ) -> Float:
        import torch

        batch = torch.from_numpy(np.ascontiguousarray(data))[None]
        logits = self._predictor.predict_logits_from_preprocessed_data(batch).float().cpu().numpy()
        return _cord_minus_background(logits, data)


_ENGINES: dict[str, Callable[[Model, str], Engine]] = {
    "openvino": lambda model, _device: OpenVinoEngine(model.path("network.xml"), model.patch),
    "torch": TorchEngine,
    "nnunet": NnunetEngine,
}


def _probability(
    engine: Engine, prepared: Volume, wanted: Array | None, progress: Progress | None
) -> Probability:
    data = np.ascontiguousarray(prepared.data.transpose(2, 1, 0), np.float32)
    mask = None if wanted is None else wanted.transpose(2, 1, 0)
    logits = engine.difference(data, mask, progress)
    if not (logits < np.inf).all():  # false for NaN too; -inf is where no tile was
        raise ModelError("The network gave values that are no numbers: verify the model's files.")
    with np.errstate(over="ignore"):
        data = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return Probability(data.transpose(2, 1, 0), prepared.grid)


def _cord_minus_background(logits: Array, seen: Float) -> Float:
    """The second channel of (channels, z, y, x) minus the first.

    Raises:
        ModelError: these are not the logits of two classes at the voxels seen.
    """
    if logits.shape[0] < 2 or logits.shape[1:] != seen.shape:
        raise ModelError(
            f"The network makes {logits.shape} of a tile of {seen.shape}, not two classes of the "
            "same size: verify the model's files."
        )
    with np.errstate(invalid="ignore"):  # infinity minus infinity is refused further on
        return np.asarray(logits[1] - logits[0], np.float32)


def _locator(model: Model) -> Engine | None:
    """The coarse network, on the CPU always: it takes a tenth of a second."""
    if model.locator is None:
        return None
    return OpenVinoEngine(model.path("locator.xml"), model.locator.patch, fitted=True)


def fitted_tile(shape: Sequence[int], patch: Sequence[int]) -> tuple[int, ...]:
    """The smallest tile, at most the patch, that holds an array of `shape`.

    Its sides are multiples of `TILE_STEP` and at least `LEAST_TILE`, so that a small image is
    not mostly padding; a side of the patch that is no such multiple stays as it is.
    """
    return tuple(_fitted_side(n, most) for n, most in zip(shape, patch, strict=True))


def _fitted_side(n: int, most: int) -> int:
    if most % TILE_STEP:
        return most
    return min(most, max(LEAST_TILE, -(-n // TILE_STEP) * TILE_STEP))


def _torch_networks(model: Model, device: str) -> list[Any]:
    _import_torch()
    from sct_deepseg_general.inference.nnunet import load_network

    plans, dataset = model.path("plans.json"), model.path("dataset.json")
    folds = (load_network(plans, dataset, model.path(fold)) for fold in model.folds)
    try:
        return [network.to(device) for network in folds]
    except RuntimeError as error:  # torch's own error for a full GPU is one of these
        reason = str(error).strip().splitlines()[0]
        raise BackendError(f"'{device}' does not take the network ({reason}).") from error


def _compiled(
    model_file: Path, patch: Sequence[int], least: Sequence[int], beside: int
) -> Callable[[Float], Float]:
    """What the network says of a batch of one tile, from `least` to `patch` voxels a side.

    May be called from as many threads as are `beside`.
    """
    ov: Any = import_openvino()
    try:
        core = ov.Core()
        network = core.read_model(model_file)
        network.reshape([1, 1, *patch])
        if tuple(least) != tuple(patch):
            sides = (ov.Dimension(a, b) for a, b in zip(least, patch, strict=True))
            network.reshape(ov.PartialShape([1, 1, *sides]))
        compiled = core.compile_model(network, "CPU", _cpu_settings(beside))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ModelError(f"OpenVINO cannot load {model_file} ({reason}).") from error
    # OpenVINO sets up its use of numpy at the first tensor: from two threads at once, it hangs
    ov.Tensor(np.zeros(1, np.float32)).data  # noqa: B018
    free = deque(compiled.create_infer_request() for _ in range(beside))

    def forward(batch: Float) -> Float:
        request = free.popleft()  # there is one for each thread
        try:
            request.infer({0: batch})
            return np.array(request.get_output_tensor(0).data)
        finally:
            free.append(request)

    return forward


def _cpu_settings(beside: int) -> dict[str, Any]:
    return {
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,
        "NUM_STREAMS": beside,
        "INFERENCE_NUM_THREADS": beside if beside > 1 else _threads(),
    }


def _threads() -> int:
    """As many as OMP_NUM_THREADS says, or as this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _chosen_device(device: str, engine: str) -> str:
    if device in ("auto", "cpu") and (device == "cpu" or engine == "openvino"):
        return "cpu"
    if device == "auto":
        return _best_device() if engine in ("torch", "nnunet") or _gpu_can_be_used() else "cpu"
    return _checked_device(device)


def _best_device() -> str:
    return "cuda" if _import_torch().cuda.is_available() else "cpu"


def _gpu_can_be_used() -> bool:
    """Whether it is worth importing torch (2 s) to look for a CUDA device."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return False
    driver = any(Path(place).exists() for place in _DRIVER)
    return driver and all(find_spec(name) is not None for name in ("torch", "nnunetv2"))


def _checked_device(device: str) -> str:
    if re.fullmatch(r"cuda(:\d+)?|mps", device) is None:
        raise BackendError(f"There is no device '{device}': choose auto, cpu, cuda, cuda:N or mps.")
    torch = _import_torch()
    kind, _, number = device.partition(":")
    if kind == "cuda" and not torch.cuda.is_available():
        raise BackendError("No CUDA device was found: use -device cpu, or check the driver.")
    if kind == "cuda" and number and int(number) >= torch.cuda.device_count():
        raise BackendError(f"There is no {device}: {torch.cuda.device_count()} were found.")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise BackendError("No Apple GPU was found: use -device cpu.")
    return device


def _import_torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise BackendError(
            "This needs torch: install it with 'pip install sct-deepseg-general[torch]', "
            "or use -engine openvino -device cpu."
        ) from error
    return torch
