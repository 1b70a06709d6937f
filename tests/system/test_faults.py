"""Faults of the machine under the main command: whatever happens, images and old results stay as
they were, no result is half there, and the next call finds a clean folder.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from bad_images import noise
from samples import MODEL_VARIABLE, cord_crop, grid, model

from sct_deepseg_general.cli._click import PROGRAM
from sct_deepseg_general.errors import BackendError, ImageError, ModelError
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.inference.engine import Engine
from sct_deepseg_general.inference.openvino import OpenVinoEngine
from sct_deepseg_general.inference.predictor import Predictor, load_predictor
from sct_deepseg_general.inference.torch_engine import TorchEngine
from sct_deepseg_general.job.job import run
from sct_deepseg_general.job.outputs import outputs_for
from sct_deepseg_general.job.values import Job, Request

COMMAND = Path(sys.executable).with_name(PROGRAM)
MODEL = ["-m", os.environ[MODEL_VARIABLE]] if MODEL_VARIABLE in os.environ else []
RESULTS = ["t2_seg.json", "t2_seg.nii.gz", "t2_seg_csa.csv", "t2_softseg.nii.gz"]
SETTINGS = "t2_seg.toml"  # of the run, written after its results
ENDS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
LONGEST = 200


def started(image: Path, *words: object, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    line = [*before, str(COMMAND), "-i", str(image), "-soft", "-overwrite", *MODEL]
    return subprocess.Popen(
        [*line, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finished(image: Path, *words: object, before: tuple[str, ...] = ()) -> tuple[int, str]:
    process = started(image, *words, before=before)
    try:
        _, err = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return process.returncode, err


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def is_one_sentence(text: str) -> bool:
    return text.startswith("Error: ") and text.count("\n") == 1


def check_whole(folder: Path) -> None:
    """Each result is whole or not there, and the sidecar, the last, only with the others."""
    there = [name for name in RESULTS if (folder / name).exists()]
    for name in there:
        path = folder / name
        if name.endswith(".nii.gz"):
            assert nib.load(path).get_fdata().shape == cord_crop().data.shape
        elif name.endswith(".json"):
            assert json.loads(path.read_text())["Status"]
            assert there == RESULTS
        else:
            assert len(list(csv.reader(path.read_text().splitlines()))) > 2


def loaded(word: str) -> Callable[[int, Path], bool]:
    """A moment: the process has a library of this name in its memory."""

    def holds(process: int, _folder: Path) -> bool:
        try:
            return word in Path(f"/proc/{process}/maps").read_text()
        except OSError:
            return False

    return holds


def writing(_process: int, folder: Path) -> bool:
    return any(name.startswith(".part-") for name in names(folder))


def replaced(_process: int, folder: Path) -> bool:
    return (folder / RESULTS[1]).exists()


MOMENTS: dict[str, Callable[[int, Path], bool]] = {
    "starting": loaded("numpy"),
    "reading the model": loaded("openvino"),
    "inference": loaded("openvino_intel_cpu_plugin"),
    "writing": writing,
    "some results in place": replaced,
}


FEW = {("writing", signal.SIGKILL), ("inference", signal.SIGTERM), ("inference", signal.SIGINT)}
STAGES = [
    pytest.param(moment, end, marks=[] if (moment, end) in FEW else pytest.mark.slow)
    for moment in MOMENTS
    for end in ENDS
]


def wait_until(
    moment: Callable[[int, Path], bool], process: subprocess.Popen[str], at: Path
) -> None:
    while process.poll() is None and not moment(process.pid, at):
        time.sleep(0.0005)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="moments are seen in /proc")
@pytest.mark.parametrize(("moment", "end"), STAGES)
def test_ended_at_any_stage_nothing_is_half_there(moment: str, end: int, cord: Path) -> None:
    folder, before = cord.parent, digests(cord.parent)
    process = started(cord)
    wait_until(MOMENTS[moment], process, folder)
    process.send_signal(end)
    _, err = process.communicate(timeout=LONGEST)
    check_whole(folder)
    assert digests(folder)[cord.name] == before[cord.name]
    assert "Traceback" not in err or moment == "starting"
    if process.returncode == 0:
        assert names(folder) == sorted([cord.name, SETTINGS, *RESULTS])
        return
    left = [path for path in folder.iterdir() if path.name.startswith(".part-")]
    if end != signal.SIGKILL:  # at most those made in the very moment of the signal
        assert all(path.stat().st_size == 0 for path in left)
    nothing_is_left_at_the_next_run(cord)


def nothing_is_left_at_the_next_run(cord: Path) -> None:
    """The next run that writes here, made short by an image that is refused."""
    bad = cord.with_name("bad.nii")
    bad.write_bytes(b"no image")
    code, err = finished(bad)
    assert (code, is_one_sentence(err)) == (1, True)
    bad.unlink()
    assert not [name for name in names(cord.parent) if name.startswith(".part-")]


@pytest.mark.slow
def test_killed_at_random_moments_again_and_again(cord: Path) -> None:
    dice = random.Random(4)  # noqa: S311 - moments, no secrets
    started_at = time.monotonic()
    assert finished(cord) == (0, "")
    whole, expected = time.monotonic() - started_at, digests(cord.parent)
    for _ in range(30):
        process = started(cord)
        time.sleep(dice.uniform(0, 1.1 * whole))
        process.send_signal(dice.choice(ENDS))
        process.communicate(timeout=LONGEST)
        check_whole(cord.parent)
    assert finished(cord) == (0, "")
    after = digests(cord.parent)
    assert set(after) == set(expected)
    stamped = "t2_seg_csa.csv"
    assert {**after, stamped: ""} == {**expected, stamped: ""}


def test_a_fault_keeps_the_results_of_before(cord: Path) -> None:
    for name in RESULTS:
        (cord.parent / name).write_text(f"old {name}")
    process = started(cord)
    wait_until(MOMENTS["inference"], process, cord.parent)
    process.kill()
    process.communicate(timeout=LONGEST)
    assert all((cord.parent / name).read_text() == f"old {name}" for name in RESULTS)


def test_two_commands_with_one_output_leave_one_whole_result(cord: Path) -> None:
    both = [started(cord), started(cord)]
    errors = [process.communicate(timeout=LONGEST)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert names(cord.parent) == sorted([cord.name, SETTINGS, *RESULTS])
    check_whole(cord.parent)


def test_an_output_folder_that_vanishes_is_said(cord: Path) -> None:
    out = cord.parent / "out"
    out.mkdir()
    process = started(cord, "-o", out)
    wait_until(MOMENTS["reading the model"], process, out)
    out.rmdir()
    _, err = process.communicate(timeout=LONGEST)
    assert process.returncode == 1
    assert is_one_sentence(err)
    assert "Cannot write" in err
    assert names(cord.parent) == [cord.name]


class Meddling:
    """An engine during whose work somebody does something."""

    def __init__(self, engine: Engine, deed: Callable[[], object]) -> None:
        self.engine, self.deed = engine, deed
        self.name, self.device = engine.name, engine.device

    def difference(self, *words: Any) -> Any:
        self.deed()
        return self.engine.difference(*words)


@pytest.mark.parametrize("deed", ["replaced", "removed"])
def test_an_image_that_changes_while_it_is_worked_on_gives_no_result(
    deed: str, cord: Path, predictor: Predictor
) -> None:
    """The sidecar would hold the hash of another image than the one that was segmented."""
    other = Volume(noise(), grid((8, 9, 7), (1, 1, 1)))
    deeds = {"replaced": lambda: nifti.save(other, cord), "removed": lambda: cord.unlink(True)}
    meddled = replace(predictor, engine=Meddling(predictor.engine, deeds[deed]))
    with pytest.raises(ImageError, match="changed while"):
        run(Job(cord, outputs_for(cord)), meddled, Request())
    assert set(names(cord.parent)) <= {cord.name}


def test_a_clock_that_goes_backwards_changes_nothing(cord: Path, tmp_path: Path) -> None:
    """An image, and results, of the year 2100."""
    future = time.mktime((2100, 1, 1, 0, 0, 0, 0, 0, 0))
    assert finished(cord) == (0, "")
    for name in RESULTS:
        os.utime(cord.parent / name, (future, future))
    os.utime(cord, (future, future))
    assert finished(cord, "-qc", tmp_path / "qc") == (0, "")
    check_whole(cord.parent)
    assert names(cord.parent) == sorted(
        [cord.name, SETTINGS, *RESULTS, *(["qc"] if tmp_path == cord.parent else [])]
    )


@pytest.mark.parametrize("megabytes", [300, 700, 999])
def test_a_limit_of_memory_that_cannot_do_is_refused(megabytes: int, cord: Path) -> None:
    """OpenVINO crashed and OpenBLAS waited for ever under such a limit."""
    if shutil.which("prlimit") is None:
        pytest.skip("there is no prlimit")
    code, err = finished(cord, before=("prlimit", f"--as={megabytes << 20}"))
    assert code == 1
    assert is_one_sentence(err), err
    assert f"limited to {megabytes} MB" in err
    assert names(cord.parent) == [cord.name]


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", range(1000, 1400, 50))
def test_too_little_memory_is_one_sentence(megabytes: int, cord: Path) -> None:
    """Whether it is Python, numpy or OpenVINO that gets none."""
    if shutil.which("prlimit") is None:
        pytest.skip("there is no prlimit")
    code, err = finished(cord, before=("prlimit", f"--as={megabytes << 20}"))
    if code == 0:
        check_whole(cord.parent)
        return
    assert code == 1
    assert is_one_sentence(err) or is_from_openblas(err), err
    assert names(cord.parent) == [cord.name]


def is_from_openblas(text: str) -> bool:
    """numpy's library ends the process by itself, with one line and the exit code 1."""
    return text.startswith("OpenBLAS error: ") and text.count("\n") == 1


class FullGpu:
    """The real network on the CPU, behind a memory that holds `most` voxels of a tile."""

    def __init__(self, network: object, most: int) -> None:
        self.network, self.most = network, most
        self.encoder = network.encoder  # type: ignore[attr-defined]

    def __call__(self, batch: object) -> object:
        import torch

        if batch.numel() > self.most:  # type: ignore[attr-defined]
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return self.network(batch)  # type: ignore[operator]


def torch_predictor(most: int) -> Predictor:
    pytest.importorskip("nnunetv2", reason="the torch extra is not installed")
    predictor = load_predictor(model(), "torch", "cpu")
    engine = predictor.engine
    assert isinstance(engine, TorchEngine)
    engine._networks = [FullGpu(one, most) for one in engine._networks]
    return predictor


def close_up(shape: tuple[int, int, int]) -> Volume:
    data = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    return Volume(data, grid(shape, model().spacing))


def test_a_full_gpu_falls_to_smaller_tiles_and_says_so() -> None:
    whole = int(np.prod(model().patch))
    volume = close_up((24, 24, 24))
    small = torch_predictor(whole // 2)
    found = small.probability(volume)
    assert np.isfinite(found.data).all()
    assert "its memory holds tiles of" in small.engine.device
    assert torch_predictor(whole).engine.device == "cpu"


def test_a_gpu_too_small_for_any_tile_is_said() -> None:
    with pytest.raises(BackendError, match="-device cpu"):
        torch_predictor(0).probability(close_up((24, 24, 24)))


def graph(folder: Path, channels: int, value: float, kernel: int = 1) -> Path:
    """A network of one convolution as an OpenVINO IR."""
    ov = pytest.importorskip("openvino")
    ops = ov.opset13
    image = ops.parameter([1, 1, -1, -1, -1], np.float32)
    weights = np.full((channels, 1, kernel, kernel, kernel), value, np.float32)
    pads = [0, 0, 0]
    out = ops.convolution(image, ops.constant(weights), [1, 1, 1], pads, pads, [1, 1, 1])
    ov.save_model(ov.Model([out], [image]), folder / "network.xml", compress_to_fp16=False)
    return folder / "network.xml"


WRONG = {
    "one class": ({"channels": 1, "value": 1.0}, "not two classes"),
    "another size": ({"channels": 2, "value": 1.0, "kernel": 3}, "not two classes"),
    "NaN weights": ({"channels": 2, "value": np.nan}, "not finite"),
    "infinite weights": ({"channels": 2, "value": np.inf}, "not finite"),
}


@pytest.mark.parametrize(("made", "says"), WRONG.values(), ids=WRONG)
def test_a_network_that_is_none_of_ours_is_said(
    made: dict[str, float], says: str, tmp_path: Path, predictor: Predictor
) -> None:
    engine = OpenVinoEngine(graph(tmp_path, **made), (16, 16, 16))  # type: ignore[arg-type]
    wrong = Predictor(predictor.model, engine, None)
    with pytest.raises(ModelError, match=says):
        wrong.probability(close_up((16, 16, 16)))


def test_a_network_of_the_right_shape_is_taken(tmp_path: Path, predictor: Predictor) -> None:
    engine = OpenVinoEngine(graph(tmp_path, 2, 1.0), (16, 16, 16))
    found = Predictor(predictor.model, engine, None).probability(close_up((16, 16, 16)))
    np.testing.assert_allclose(found.data, 0.5)


def test_a_broken_openvino_is_said_and_torch_is_offered(cord: Path) -> None:
    """An installation whose library is gone: found, and not importable."""
    broken = cord.parent / "broken"
    (broken / "openvino").mkdir(parents=True)
    (broken / "openvino" / "__init__.py").write_text("raise ImportError('libopenvino.so: gone')\n")
    code, err = finished(cord, before=("env", f"PYTHONPATH={broken}"))
    assert code == 1
    assert is_one_sentence(err)
    assert "libopenvino.so: gone" in err
    assert "-engine torch" in err
