"""Killed at any step, a release, an import or a training ends as if nobody had; see each."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("nnunetv2", reason="the torch extra is not installed")

from nnunet_results import home, nnunet_folders  # noqa: F401  # after the skips
from nnunet_results import trained as results
from releases import trained
from tubes import RECIPE as TUBES
from tubes import write_tubes

from sct_deepseg_general.datasets.recipe import write
from sct_deepseg_general.zoo.model import Model

COMMAND = Path(__file__).parents[1] / "support" / "killed_command.py"
WORKER = Path(__file__).parents[1] / "support" / "killed_worker.py"


def check(kind: str, source: Path, folder: Path, every: int) -> None:
    """Kill at every `every`-th step, up to the attempt that is not killed."""
    folder.parent.mkdir()
    done = subprocess.run(
        [sys.executable, WORKER, kind, source, folder, str(every)],
        capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    *killed, last = lines
    assert len(killed) >= 4
    assert last["code"] == 0
    digest = last["made"]
    assert len(digest) == 64
    for line in killed:
        assert line["code"] == -signal.SIGKILL, line
        assert line["left"] in ("", digest), line
        assert (line["again"], line["made"]) == (0, digest), line
        if not line["left"]:  # the next call has cleared what was left
            assert line["beside"] == [], line


@pytest.mark.parametrize("every", [16, pytest.param(1, marks=pytest.mark.slow)])
def test_a_release_is_whole_or_not_there(tmp_path: Path, every: int) -> None:
    check("release", trained(tmp_path / "new"), tmp_path / "out" / "release", every)


@pytest.mark.filterwarnings("ignore")  # nnU-Net's own
@pytest.mark.slow
@pytest.mark.parametrize("every", [16, 1])
def test_an_import_is_whole_or_not_there(tmp_path: Path, every: int) -> None:
    folder = results(tmp_path / "results")
    with zipfile.ZipFile(tmp_path / "results.zip", "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            archive.write(path, path.relative_to(folder.parent))
    check("import", tmp_path / "results.zip", tmp_path / "out" / "model", every)


@pytest.mark.slow
def test_a_training_killed_again_and_again_ends_with_the_same_model(tmp_path: Path) -> None:
    """A signal at the 40th change on disk, then at the 80th, until it is through."""
    write_tubes(tmp_path / "data" / "tubes")
    write(TUBES, tmp_path / "recipe.json")

    def train(output: Path, end: int, step: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, COMMAND, str(end), str(step), output, "train", "-device", "cpu"]
        words = ["-recipe", tmp_path / "recipe.json", "-data", tmp_path / "data", "-o", output]
        return subprocess.run([*command, *words], capture_output=True, text=True, check=False)

    assert train(tmp_path / "whole", signal.SIGTERM, 0).returncode == 0
    ends = itertools.cycle([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    for killed, end in enumerate(ends):
        done = train(tmp_path / "killed", end, 40 * (killed + 1))
        if done.returncode == 0:
            break
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode in ((-end,) if end == signal.SIGKILL else (1, -end, 128 + end))
    assert 4 <= killed < 10
    whole, again = (
        Model.load(tmp_path / name / "general" / "model", full=True) for name in ("whole", "killed")
    )
    assert whole.digest == again.digest
    assert not list((tmp_path / "killed").rglob("*.part-*"))
