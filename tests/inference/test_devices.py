"""Devices: which one "auto" takes, and that one which is not there is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from samples import model

from sct_deepseg_general.errors import BackendError
from sct_deepseg_general.inference.devices import thread_count
from sct_deepseg_general.inference.predictor import load_predictor


@pytest.mark.parametrize(
    ("engine_name", "device", "says"),
    [
        ("tensorflow", "auto", "no engine 'tensorflow'"),
        ("auto", "tpu", "no device 'tpu'"),
        ("auto", "cuda:x", "no device 'cuda:x'"),
        ("auto", "cuda:-1", "no device 'cuda:-1'"),
        ("torch", "", "no device ''"),
    ],
)
def test_what_there_is_not_is_named(engine_name: str, device: str, says: str) -> None:
    with pytest.raises(BackendError, match=says):
        load_predictor(model(), engine_name, device)


def test_a_missing_gpu_is_said() -> None:
    torch = pytest.importorskip("torch", reason="the torch extra is not installed")
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(BackendError, match="No CUDA device"):
        load_predictor(model(), "torch", "cuda")


LOOKED = """
import sys
from pathlib import Path
from sct_deepseg_general.inference import devices, predictor
devices._DRIVER = (sys.argv[1],)
for name in sys.argv[2:]:
    sys.modules[name] = None
    devices.find_spec = lambda one, found=devices.find_spec: None if one == name else found(one)
from samples import model
print(predictor.load_predictor(model()).engine.device, "torch" in sys.modules)
"""


def looked(driver: Path, *missing: str, **environment: str) -> list[str]:
    """The device that "auto" picks in a fresh process, and whether torch was asked."""
    words = [sys.executable, "-c", LOOKED, str(driver), *missing]
    here, variables = Path(__file__).parents[1] / "support", {**os.environ, **environment}
    done = subprocess.run(
        words, capture_output=True, text=True, check=True, cwd=here, env=variables
    )
    return done.stdout.split()


def test_torch_is_not_asked_where_no_gpu_can_be(tmp_path: Path) -> None:
    driver = tmp_path / "nvidiactl"
    assert looked(driver) == ["cpu", "False"]
    driver.touch()
    assert looked(driver, CUDA_VISIBLE_DEVICES="") == ["cpu", "False"]
    assert looked(driver, "nnunetv2", CUDA_VISIBLE_DEVICES="0") == ["cpu", "False"]


def test_torch_is_asked_where_a_driver_is(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the torch extra is not installed")
    pytest.importorskip("nnunetv2", reason="the torch extra is not installed")
    (tmp_path / "nvidiactl").touch()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    assert looked(tmp_path / "nvidiactl", CUDA_VISIBLE_DEVICES="0") == [device, "True"]


@pytest.mark.parametrize(
    ("variable", "threads"), [("4,2", 4), ("3", 3), ("x", None), ("0", None), ("", None)]
)
def test_threads_are_those_of_the_variable_or_of_the_process(
    variable: str, threads: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert thread_count() == (threads or cores)


@pytest.mark.parametrize("threads", ["4,2", "x", "0", ""])
def test_odd_numbers_of_threads_do_no_harm(threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    load_predictor(model(), "openvino", "cpu")
