"""A process that fetches a model, and may be killed at a chosen stage."""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.zoo.cache import ModelCache
from sct_deepseg_general.zoo.download import RetryPolicy
from sct_deepseg_general.zoo.index import read_index
from sct_deepseg_general.zoo.install import FetchOptions
from sct_deepseg_general.zoo.zoo import Zoo

RETRIES = RetryPolicy(connect=60, read=60, attempts=4, pause=0.05)
STAGES = {
    "before the lock": ("install", "locked", 0, "before"),
    "before the download": ("install", "download", 0, "before"),
    "first bytes": ("download", "_start", 0, "after"),
    "after the download": ("install", "download", 0, "after"),
    "before unpacking": ("archive", "unpack", 0, "before"),
    "first file unpacked": ("archive", "_inflate", 0, "after"),
    "fifth file unpacked": ("archive", "_inflate", 4, "after"),
    "all unpacked": ("archive", "unpack", 0, "after"),
    "files checked": ("install", "unpack_model", 0, "after"),
    "before the move": ("install", "_moved", 0, "before"),
    "synced": ("install", "sync_folder", 0, "after"),
    "damaged one moved away": ("install", "clear", 1, "after"),
    "moved": ("install", "sync", 0, "before"),
    "after the move": ("install", "_moved", 0, "after"),
}


def zoo(folder: Path) -> Zoo:
    """The zoo of a test's folder: an index, an empty package, one cache."""
    return Zoo(
        read_index(folder / "index.json"), ModelCache(folder / "package", (folder / "models",))
    )


def work(folder: Path, stage: str | None, results: Any) -> None:
    """Fetch the toy model, or die by SIGKILL at a stage; tells what became of it."""
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    if stage:
        _kill_at(*STAGES[stage])
    try:
        model = zoo(folder).obtain("toy", FetchOptions(retries=RETRIES))
    except ModelError as error:
        results.put(str(error))
    else:
        results.put(model.digest)


def _kill_at(module: str, name: str, skipped: int, when: str) -> None:
    owner = importlib.import_module(f"sct_deepseg_general.zoo.{module}")
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def deadly(*args: Any, **settings: Any) -> Any:
        nonlocal calls
        calls += 1
        if when == "before" and calls > skipped:
            os.kill(os.getpid(), signal.SIGKILL)
        value = original(*args, **settings)
        if calls > skipped:
            os.kill(os.getpid(), signal.SIGKILL)
        return value

    setattr(owner, name, deadly)
