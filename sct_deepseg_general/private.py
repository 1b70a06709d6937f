"""OpenVINO without its reports home: it sends one at each import and each conversion."""

from __future__ import annotations

import sys
from types import ModuleType

from sct_deepseg_general.errors import BackendError

__all__ = ["import_openvino"]


def import_openvino() -> ModuleType:
    """The openvino package, imported so that nothing is sent and no file left in the home folder.

    OpenVINO does without its reporting package where that cannot be imported. In a process
    that imported openvino by itself before, it is as it was imported there.

    Raises:
        BackendError: OpenVINO is missing or does not start.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None forbids it
    try:
        import openvino
    except (ImportError, OSError) as error:
        raise BackendError(
            f"OpenVINO cannot be used ({error}): install it with 'pip install openvino', or use "
            "-engine torch."
        ) from error
    module: ModuleType = openvino
    return module
