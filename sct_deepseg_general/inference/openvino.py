"""OpenVINO as an engine, imported so that it sends no usage reports and loads faster.

OpenVINO reports its use at each import and at each conversion of a model; here neither is sent.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import BackendError, ModelError
from sct_deepseg_general.inference.devices import thread_count
from sct_deepseg_general.inference.engine import Float, Progress, cord_minus_background
from sct_deepseg_general.inference.instance_norm import exact_norms
from sct_deepseg_general.inference.sliding_window import blended, fitted_tile

__all__ = [
    "OpenVinoEngine",
    "compiled_network",
    "drop_pages",
    "drop_signal_stack",
    "import_openvino",
    "inferred",
    "loading",
]

SMALL_TILE = 64**3
"""Voxels of a tile up to which several are run at the same time."""
MOST_AT_ONCE = 8
"""Tiles run at the same time; each takes 30 MB with the embedded model."""

LEAST_ADDRESS_SPACE = 1000 << 20
"""Bytes of address space below which a small image cannot be segmented, nor be sure to end."""

_CONVERTER = "openvino.tools.ovc"


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
        self._at_once = min(thread_count(), MOST_AT_ONCE) if np.prod(patch) <= SMALL_TILE else 1
        least = fitted_tile((1, 1, 1), self._patch) if fitted else self._patch
        self._forward = _compiled(model_file, self._patch, least, self._at_once)

    def __del__(self) -> None:
        self.__dict__.pop("_forward", None)
        if drop_signal_stack is not None:  # None where Python itself is ending
            drop_signal_stack()  # OpenVINO frees its own with the last model, but leaves it set

    def difference(
        self, data: Float, region: NDArray[np.bool_] | None, progress: Progress | None
    ) -> Float:
        """Logit of cord minus logit of background, (z, y, x) like `data`."""

        def forward(tile: Float) -> Float:
            return cord_minus_background(self._forward(tile[None, None])[0], tile)

        tile = fitted_tile(data.shape, self._patch) if self._fitted else self._patch
        return blended(data, tile, forward, region, progress, self._each)

    def _each(self, run: Callable[[Any], Float], starts: Iterable[Any]) -> Iterator[Float]:
        """`map`, several at a time."""
        if self._at_once == 1:
            yield from map(run, starts)
            return
        from concurrent.futures import ThreadPoolExecutor

        pool = ThreadPoolExecutor(self._at_once)
        try:
            yield from pool.map(run, starts)
        finally:
            pool.shutdown(cancel_futures=True)


def import_openvino() -> ModuleType:
    """Import the openvino package so that it sends no report and leaves no file at home.

    OpenVINO works without its reporting package, whose import is prevented here. Its converter of
    models, which takes longer to load than the rest, is loaded at the first use of
    `convert_model`. If the process has imported openvino before, that import is returned.

    Raises
    ------
    BackendError
        OpenVINO is not installed or does not start, or this process may not have the memory.
    """
    _check_address_space()
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


def _check_address_space() -> None:
    """Refuse a limit of memory with which OpenVINO crashes or OpenBLAS waits for ever."""
    try:
        import resource
    except ImportError:  # not on Windows, which has no such limit
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_ADDRESS_SPACE:
        raise BackendError(
            f"The address space of this process is limited to {limit >> 20} MB, and at least "
            f"{LEAST_ADDRESS_SPACE >> 20} MB are needed: raise the limit (ulimit -v, or h_vmem of "
            "the scheduler)."
        )


def _forbid(name: str) -> None:
    """Let the import of a module fail, unless it was imported already."""
    sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None is how Python forbids it


def _converter(name: str) -> Any:
    if name != "convert_model":
        raise AttributeError(f"module 'openvino' has no attribute '{name}'")
    return importlib.import_module(_CONVERTER).convert_model


def drop_signal_stack() -> None:
    """Let signals run on the ordinary stack of this thread again (Linux only).

    OpenVINO gives the thread an alternate signal stack and frees it with its last model. The next
    signal, such as that of a worker that ends, would then be delivered into freed memory and end
    the process. Call this before work that waits for other processes.
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


def drop_pages(file: Path) -> int:
    """Take the pages of a file that is mapped into this process out of memory (Linux only).

    OpenVINO maps the file of the weights and keeps it mapped, although it has copied them into
    its own order when the network is compiled. A page that is read again comes from the file.

    Parameters
    ----------
    file : Path
        The file of the weights.

    Returns
    -------
    int
        The size of the parts that were mapped, in bytes.
    """
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return 0
    unneeded, size = 4, 0  # MADV_DONTNEED of <sys/mman.h>
    advise = ctypes.CDLL(None).madvise
    for line in maps.read_text(errors="replace").splitlines():
        place, rights, _, _, _, *name = line.split(maxsplit=5)
        if name == [str(file.resolve())] and "w" not in rights:
            start, end = (int(number, 16) for number in place.split("-"))
            advise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), unneeded)
            size += end - start
    return size


def _compiled(
    model_file: Path, patch: Sequence[int], least: Sequence[int], at_once: int
) -> Callable[[Float], Float]:
    """The network's output for a batch of one tile, from `least` to `patch` voxels a side.

    May be called from `at_once` threads at the same time.
    """
    ov: Any = import_openvino()
    with loading(model_file):
        core = ov.Core()
        network = core.read_model(model_file)
        network.reshape([1, 1, *patch])
        if tuple(least) != tuple(patch):
            sides = (ov.Dimension(a, b) for a, b in zip(least, patch, strict=True))
            network.reshape(ov.PartialShape([1, 1, *sides]))
        compiled = core.compile_model(network, "CPU", _cpu_settings(at_once))
    # OpenVINO sets up its use of numpy at the first tensor: from two threads at once, it hangs
    ov.Tensor(np.zeros(1, np.float32)).data  # noqa: B018
    free = deque(compiled.create_infer_request() for _ in range(at_once))

    def forward(batch: Float) -> Float:
        request = free.popleft()  # there is one for each thread
        try:
            return inferred(request, batch)
        finally:
            free.append(request)

    return forward


def compiled_network(
    model_file: Path, shape: Sequence[int], precision: str = "f32"
) -> Callable[[Float], Float]:
    """The network's output (1, label channels, z, y, x) for a batch (1, z, y, x), on all threads.

    Parameters
    ----------
    model_file : Path
        The OpenVINO IR.
    shape : sequence of int
        Channels, z, y, x of a tile.
    precision : str
        "f32", or "bf16" where the processor computes in it.

    Raises
    ------
    ModelError
        The IR cannot be loaded.
    """
    ov: Any = import_openvino()
    with loading(model_file):
        core = ov.Core()
        network = core.read_model(model_file)
        network.reshape([1, *shape])
        if precision == "f32":
            exact_norms(network, ov.opset13)
        settings = {**_cpu_settings(1), "INFERENCE_PRECISION_HINT": precision}
        request = core.compile_model(network, "CPU", settings).create_infer_request()
        drop_pages(model_file.with_suffix(".bin"))

    def forward(batch: Float) -> Float:
        return inferred(request, batch)

    return forward


@contextmanager
def loading(model_file: Path) -> Iterator[None]:
    """Load a network in this block.

    Raises
    ------
    ModelError
        OpenVINO cannot.
    """
    try:
        yield
    except RuntimeError as error:
        raise ModelError(f"OpenVINO cannot load {model_file} ({_reason(error)}).") from error


def inferred(request: Any, batch: Float) -> Float:
    """The first output of a network for a batch, by an OpenVINO request.

    Raises
    ------
    BackendError
        OpenVINO cannot, most often for lack of memory.
    """
    try:
        request.infer({0: batch})
        found = np.array(request.get_output_tensor(0).data)
        if not found.size:  # seen where memory was short: no error, and nothing in the output
            raise RuntimeError("its output is empty")
    except RuntimeError as error:
        raise BackendError(
            f"OpenVINO could not run the network ({_reason(error)}): this is most often a lack of "
            "memory; close other programs, raise the limit, or crop the image."
        ) from error
    return found


def _reason(error: RuntimeError) -> str:
    """The last line of what OpenVINO says, which names the cause."""
    return str(error).strip().splitlines()[-1]


def _cpu_settings(at_once: int) -> dict[str, Any]:
    return {
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,
        "NUM_STREAMS": at_once,
        "INFERENCE_NUM_THREADS": at_once if at_once > 1 else thread_count(),
    }
