"""OpenVINO without its reports home (one at each import and each conversion), sooner loaded."""

from __future__ import annotations

import ctypes
import importlib
import sys
from types import ModuleType
from typing import Any

from sct_deepseg_general.errors import BackendError

_CONVERTER = "openvino.tools.ovc"

__all__ = ["drop_signal_stack", "import_openvino"]


def import_openvino() -> ModuleType:
    """The openvino package, imported so that nothing is sent and no file left in the home folder.

    OpenVINO does without its reporting package where that cannot be imported. In a process
    that imported openvino by itself before, it is as it was imported there. Its converter of
    models, which takes longer to load than the rest, waits until `convert_model` is asked for.

    Raises:
        BackendError: OpenVINO is missing or does not start.
    """
    _forbid("openvino_telemetry")
    waits = _CONVERTER not in sys.modules
    if waits:
        _forbid(_CONVERTER)
    try:
        import openvino
    except (ImportError, OSError) as error:
        raise BackendError(
            f"OpenVINO cannot be used ({error}): install it with 'pip install openvino', or use "
            "-engine torch."
        ) from error
    finally:
        if waits:
            del sys.modules[_CONVERTER]
    module: ModuleType = openvino
    if "convert_model" not in vars(module):
        vars(module).setdefault("__getattr__", _converter)
    return module


def _forbid(name: str) -> None:
    """Let the import of a module fail, unless it was imported already."""
    sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None is how Python forbids it


def _converter(name: str) -> Any:
    if name != "convert_model":
        raise AttributeError(f"module 'openvino' has no attribute '{name}'")
    return importlib.import_module(_CONVERTER).convert_model


def drop_signal_stack() -> None:
    """Let signals run on this thread's ordinary stack again.

    OpenVINO gives the thread an alternate signal stack and frees it with its last model, so that
    the next signal (a worker that ends) is delivered into memory that is gone, and the process
    dies. To be called before work that waits for other processes; does nothing but on Linux.
    """
    if sys.platform != "linux":
        return

    class _Stack(ctypes.Structure):
        _fields_ = (
            ("start", ctypes.c_void_p),
            ("flags", ctypes.c_int),
            ("size", ctypes.c_size_t),
        )

    disable = 2  # SS_DISABLE of <signal.h>
    ctypes.CDLL(None).sigaltstack(ctypes.byref(_Stack(None, disable, 0)), None)
