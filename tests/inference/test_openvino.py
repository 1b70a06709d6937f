"""OpenVINO sends no report, ties no thread to a core, and refuses broken files."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from samples import image

from sct_deepseg_general.errors import BackendError, ModelError
from sct_deepseg_general.inference import pipeline
from sct_deepseg_general.inference.openvino import OpenVinoEngine, import_openvino, inferred
from sct_deepseg_general.inference.predictor import Predictor

OURS = (
    "from sct_deepseg_general.inference.openvino import import_openvino; import_openvino().Core()"
)


def _left_at_home(code: str, home: Path) -> list[str]:
    """What a fresh process leaves in the home folder; OpenVINO keeps a client number there."""
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment | {"HOME": str(home)})
    return sorted(str(path.relative_to(home)) for path in home.rglob("*"))


def test_importing_openvino_leaves_nothing_behind(tmp_path: Path) -> None:
    assert _left_at_home(OURS, tmp_path / "home") == []


def test_openvino_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BackendError, match="pip install openvino"):
        import_openvino()


def test_the_converter_is_loaded_when_it_is_asked_for() -> None:
    code = (
        "import sys\n"
        "from sct_deepseg_general.inference.openvino import import_openvino\n"
        "module = import_openvino()\n"
        "import_openvino()\n"
        "assert 'openvino.tools.ovc' not in sys.modules\n"
        "assert callable(module.convert_model)\n"
        "assert import_openvino() is module\n"
        "assert 'openvino.tools.ovc' in sys.modules\n"
        "assert not hasattr(module, 'no_such_thing')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_openvino_imported_by_someone_else_stays_as_it_is() -> None:
    code = (
        "import sys, openvino\n"
        "before = openvino.convert_model\n"
        "from sct_deepseg_general.inference.openvino import import_openvino\n"
        "assert import_openvino().convert_model is before\n"
        "assert sys.modules['openvino.tools.ovc'] is not None\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="threads are seen on Linux only")
def test_no_thread_is_tied_to_a_core(predictor: Predictor) -> None:
    """Two processes side by side would share core 0, for all that the other cores are idle."""
    seen: set[frozenset[int]] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            for thread in Path("/proc/self/task").iterdir():
                with suppress(ProcessLookupError):  # it ended meanwhile
                    seen.add(frozenset(os.sched_getaffinity(int(thread.name))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    pipeline.segment(image("T2w"), predictor)
    done.set()
    watcher.join()
    assert seen == {frozenset(os.sched_getaffinity(0))}


@pytest.mark.parametrize("content", [b"", b"<net", b"\0" * 999])
def test_a_broken_network_file_is_said(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "network.xml").write_bytes(content)
    (tmp_path / "network.bin").write_bytes(content)
    with pytest.raises(ModelError, match=r"cannot load .*network\.xml"):
        OpenVinoEngine(tmp_path / "network.xml", (16, 16, 16))


class FullMemory:
    """A request of OpenVINO where there is no memory for a layer, or none for the output."""

    def __init__(self, told: str) -> None:
        self.told = told

    def infer(self, _inputs: object) -> None:
        if self.told:
            raise RuntimeError(self.told)

    def get_output_tensor(self, _number: int) -> FullMemory:
        return self

    data = np.zeros((1, 2, 0))


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (
            "Exception from infer_request.cpp:224:\n[CPU] Convolution 'conv' can't alloc\n\n",
            "alloc",
        ),
        ("", "its output is empty"),
    ],
)
def test_a_network_that_cannot_run_is_one_sentence(told: str, says: str) -> None:
    with pytest.raises(BackendError, match=rf"^OpenVINO could not run .*{says}\): .*memory;"):
        inferred(FullMemory(told), np.zeros((1, 1, 8, 8, 8), np.float32))
