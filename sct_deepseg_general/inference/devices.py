"""Which processor runs a network, and on how many threads."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sct_deepseg_general.errors import BackendError, required

__all__ = ["DEVICES", "chosen_device", "import_torch", "thread_count"]

DEVICES = ("auto", "cpu", "cuda", "mps")

_DRIVER = (
    "/dev/nvidiactl",  # Linux
    "/dev/dxg",  # Linux within Windows
)
"""Files that exist where NVIDIA's driver is installed."""


def chosen_device(device: str, engine: str) -> str:
    """The device for an engine: "cpu", "cuda", "cuda:N" or "mps"; "auto" takes a GPU if it can.

    Raises
    ------
    BackendError
        There is no such device, or torch, which is needed to reach it, is not installed.
    """
    if device in ("auto", "cpu") and (device == "cpu" or engine == "openvino"):
        return "cpu"
    if device == "auto":
        return _best_device() if engine in ("torch", "nnunet") or _gpu_can_be_used() else "cpu"
    return _checked_device(device)


def _best_device() -> str:
    return "cuda" if import_torch().cuda.is_available() else "cpu"


def _gpu_can_be_used() -> bool:
    """Whether it is worth importing torch (2 s) to look for a CUDA device."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return False
    driver = any(Path(place).exists() for place in _DRIVER)
    return driver and all(find_spec(name) is not None for name in ("torch", "nnunetv2"))


def _checked_device(device: str) -> str:
    if re.fullmatch(r"cuda(:\d+)?|mps", device) is None:
        raise BackendError(f"There is no device '{device}': choose auto, cpu, cuda, cuda:N or mps.")
    torch = import_torch()
    kind, _, number = device.partition(":")
    if kind == "cuda" and not torch.cuda.is_available():
        raise BackendError("No CUDA device was found: use -device cpu, or check the driver.")
    if kind == "cuda" and number and int(number) >= torch.cuda.device_count():
        raise BackendError(f"There is no {device}: {torch.cuda.device_count()} were found.")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise BackendError("No Apple GPU was found: use -device cpu.")
    return device


def thread_count() -> int:
    """The number of threads: OMP_NUM_THREADS, or else the cores that this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def import_torch() -> Any:
    """The module torch.

    Raises
    ------
    BackendError
        It is not installed.
    """
    with required("This engine or device", "torch", ", or use -engine openvino -device cpu"):
        import torch
    return torch
