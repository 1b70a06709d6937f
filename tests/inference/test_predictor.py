"""The engines agree on real images, and say in words why they cannot run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from samples import grid, image, label, model, near

from sct_deepseg_general.errors import BackendError, ModelError
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.inference import pipeline
from sct_deepseg_general.inference.predictor import OpenVinoEngine, Predictor, load_predictor

EXACT = pipeline.Options(exact=True)
IMAGES = ("T2w", "acq-MTon_MTS", "acq-crop_T2star")


@cache
def engine(name: str) -> Predictor:
    if name != "openvino":
        pytest.importorskip("nnunetv2", reason="the torch extra is not installed")
    return load_predictor(model(), name, "cpu")


@cache
def segmented(name: str, sample: str) -> pipeline.Result:
    return pipeline.segment(image(sample), engine(name), EXACT)


@pytest.mark.parametrize("sample", IMAGES)
@pytest.mark.parametrize("name", ["openvino", "torch"])
def test_engines_agree_with_nnunet_around_the_cord(name: str, sample: str) -> None:
    ours, theirs = segmented(name, sample), segmented("nnunet", sample)
    assert theirs.segmentation.data.any()
    around = near(label(sample).data | theirs.segmentation.data)
    same = ours.segmentation.data[around] == theirs.segmentation.data[around]
    assert same.mean() >= 0.999
    difference = np.abs(ours.probability.data - theirs.probability.data)[around]
    assert np.quantile(difference, 0.999) < 0.05


def test_the_same_input_gives_the_same_probability(predictor: Predictor) -> None:
    volume = Volume(
        np.random.default_rng(0).standard_normal((48, 48, 60)).astype(np.float32),
        grid((48, 48, 60), predictor.model.spacing),
    )
    first, second = predictor.probability(volume), predictor.probability(volume)
    np.testing.assert_array_equal(first.data, second.data)
    assert first.data.dtype == np.float32
    assert 0 <= first.data.min() < first.data.max() <= 1


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


def test_unwanted_parts_are_zero(predictor: Predictor) -> None:
    shape = (*predictor.model.patch[:2], 4 * predictor.model.patch[2])
    volume = Volume(np.zeros(shape, np.float32), grid(shape, predictor.model.spacing))
    wanted = np.zeros(shape, bool)
    wanted[..., :4] = True
    found = predictor.probability(volume, wanted)
    assert found.data[..., 0].any()
    assert not found.data[..., shape[2] // 2 :].any()


class NotANumber:
    """An engine whose network has gone wrong."""

    name = "wrong"
    device = "cpu"

    def __init__(self, value: float) -> None:
        self.value = value

    def difference(self, data: np.ndarray, wanted: object, progress: object) -> np.ndarray:
        return np.where(data > 0, self.value, 1).astype(np.float32)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(value: float, predictor: Predictor) -> None:
    broken = replace(predictor, engine=NotANumber(value))
    volume = Volume(np.ones((4, 4, 4), np.float32), grid((4, 4, 4), (1, 1, 1)))
    with pytest.raises(ModelError, match="no numbers"):
        broken.probability(volume)


def test_a_model_without_locator_says_so(predictor: Predictor) -> None:
    volume = Volume(np.ones((4, 4, 4), np.float32), grid((4, 4, 4), (1, 1, 1)))
    with pytest.raises(ModelError, match="no locator"):
        replace(predictor, locator=None).coarse_probability(volume)


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
from sct_deepseg_general.inference import predictor as network
network._DRIVER = (sys.argv[1],)
for name in sys.argv[2:]:
    sys.modules[name] = None
    network.find_spec = lambda one, found=network.find_spec: None if one == name else found(one)
from samples import model
print(network.load_predictor(model()).engine.device, "torch" in sys.modules)
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


def test_the_locator_goes_with_every_engine() -> None:
    """Found by the locator on the CPU, looked at closely by torch: the same cord."""
    ours = pipeline.segment(image("T2w"), engine("openvino"))
    theirs = pipeline.segment(image("T2w"), engine("torch"))
    assert theirs.location.box == ours.location.box
    assert (theirs.segmentation.data == ours.segmentation.data).mean() >= 0.999


@pytest.mark.gpu
@pytest.mark.parametrize("sample", IMAGES)
def test_a_gpu_gives_the_same_cord(sample: str) -> None:
    torch = pytest.importorskip("torch", reason="the torch extra is not installed")
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    found = load_predictor(model())
    assert found.engine.device == "cuda"
    theirs = pipeline.segment(image(sample), found)
    ours = pipeline.segment(image(sample), engine("openvino"))
    assert (theirs.segmentation.data == ours.segmentation.data).mean() >= 0.999


@pytest.mark.parametrize(
    ("missing", "name", "says"),
    [
        ("torch", "torch", "pip install"),
        ("torch", "nnunet", "pip install"),
        ("openvino", "openvino", "-engine torch"),
    ],
)
def test_a_missing_library_says_what_installs_it(missing: str, name: str, says: str) -> None:
    script = (
        f"import sys; sys.modules['{missing}'] = None\n"
        "from sct_deepseg_general.errors import BackendError\n"
        "from sct_deepseg_general.inference.predictor import load_predictor\n"
        "from samples import model\n"
        f"try: load_predictor(model(), '{name}', 'cpu')\n"
        "except BackendError as error: print(error)\n"
    )
    words, here = [sys.executable, "-c", script], Path(__file__).parents[1] / "support"
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=here)
    assert says in done.stdout
    assert missing in done.stdout.lower()


@pytest.mark.parametrize("content", [b"", b"<net", b"\0" * 999])
def test_a_broken_network_file_is_said(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "network.xml").write_bytes(content)
    (tmp_path / "network.bin").write_bytes(content)
    with pytest.raises(ModelError, match=r"cannot load .*network\.xml"):
        OpenVinoEngine(tmp_path / "network.xml", (16, 16, 16))


@pytest.mark.parametrize("threads", ["4,2", "x", "0", ""])
def test_odd_numbers_of_threads_do_no_harm(threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    load_predictor(model(), "openvino", "cpu")
