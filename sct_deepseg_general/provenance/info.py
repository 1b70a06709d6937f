"""What is installed here: the program, its libraries, models and devices."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sct_deepseg_general import __version__
from sct_deepseg_general.inference.devices import thread_count
from sct_deepseg_general.job.outputs import PROGRAM
from sct_deepseg_general.zoo.zoo import ModelStatus, standard_zoo

__all__ = ["LIBRARIES", "info_record"]

LIBRARIES = (
    "numpy", "scipy", "nibabel", "openvino", "matplotlib", "pillow", "click", "torch", "nnunetv2",
    "pandas", "pydicom", "submitit",
)  # fmt: skip
"""The libraries whose versions may matter to a result."""


def info_record() -> dict[str, Any]:
    """The versions, models, devices and folders of this installation.

    Returns
    -------
    dict
        A record of the schema "info-1". A library that is not installed is None.

    Examples
    --------
    >>> record = info_record()
    >>> record["Schema"], record["Devices"][0]["Name"], record["Models"][0]["Default"]
    ('info-1', 'cpu', True)
    """
    zoo = standard_zoo()
    default = zoo.find()
    return {
        "Schema": "info-1",
        "Program": PROGRAM,
        "Version": __version__,
        "Python": platform.python_version(),
        "Platform": platform.platform(),
        "Libraries": {name: _version(name) for name in LIBRARIES},
        "Devices": [_cpu(), *_gpus()],
        "Models": [_model(one, default) for one in zoo.statuses()],
        "Folders": {"Models": [str(folder) for folder in zoo.cache.caches]},
        "SCT": _sct(),
    }


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _cpu() -> dict[str, Any]:
    return {"Name": "cpu", "Description": platform.machine(), "Threads": thread_count()}


def _gpus() -> Iterator[dict[str, Any]]:
    """The GPUs that torch can use, where it is installed."""
    if find_spec("torch") is None:
        return
    from sct_deepseg_general.inference.devices import import_torch

    torch = import_torch()
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        name = torch.cuda.get_device_name(number)
        yield {"Name": f"cuda:{number}", "Description": name, "Threads": None}
    if torch.backends.mps.is_available():
        yield {"Name": "mps", "Description": "Apple GPU", "Threads": None}


def _model(one: ModelStatus, default: str) -> dict[str, Any]:
    return {
        "Name": one.key,
        "State": one.state,
        "Check": one.check,
        "Default": one.key == default,
        "Segments": one.segments,
        "Task": one.task,
        "Folder": None if one.folder is None else str(one.folder),
    }


def _sct() -> Mapping[str, str] | None:
    """The Spinal Cord Toolbox that the environment variable SCT_DIR names."""
    folder = os.environ.get("SCT_DIR", "")
    if not folder or not Path(folder).is_dir():
        return None
    try:
        found = (Path(folder) / "spinalcordtoolbox" / "version.txt").read_text(encoding="utf-8")
    except OSError:
        found = ""
    return {"Folder": folder, "Version": found.strip()}
