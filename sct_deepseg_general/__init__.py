"""Segment the spinal cord on MR images of any contrast, and measure its area.

Examples
--------
>>> from sct_deepseg_general import segment
>>> segment("t2.nii.gz")
<Result of t2.nii.gz: ok, mean area 69.3 mm² (64.7 to 73.9), 55 slices>
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sct_deepseg_general.errors import DeepsegError

if TYPE_CHECKING:
    from sct_deepseg_general.api.measuring import measure
    from sct_deepseg_general.api.models import load
    from sct_deepseg_general.api.result import CordResult
    from sct_deepseg_general.api.segmenting import segment

__all__ = ["CordResult", "DeepsegError", "__version__", "load", "measure", "segment"]
__version__ = "0.5.0.dev0"

_MODULES = {
    "CordResult": "result",
    "load": "models",
    "measure": "measuring",
    "segment": "segmenting",
}


def __getattr__(name: str) -> Any:
    """The public functions, imported when they are used first: what they need takes a second."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.api.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
