"""Train, release, serve, fetch, segment: the same labels at the end as at the beginning."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from faulty_server import cut_after, faulty_server
from measurements import row

pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("nnunetv2", reason="the train extra is not installed")

from tubes import RECIPE, write_tubes  # after the skips

from sct_deepseg_general.datasets import build as dataset
from sct_deepseg_general.evaluation.tables import write_csv
from sct_deepseg_general.image import nifti
from sct_deepseg_general.release import assemble
from sct_deepseg_general.release.release import release
from sct_deepseg_general.training import fit
from sct_deepseg_general.zoo.model import Model

pytestmark = pytest.mark.training


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """A network of a few seconds' training, assembled and evaluated."""
    write_tubes(tmp_path / "data" / "tubes")
    built = dataset.build(RECIPE, [tmp_path / "data"], tmp_path / "out")
    trained = fit.fit(
        built.recipe, tmp_path / "out" / dataset.RAW, tmp_path / "out" / "general", "general", "cpu"
    )
    identity = assemble.identity_of(built.recipe, "general")
    folder = tmp_path / "out" / "general" / "model"
    made = assemble.assemble(trained, built.recipe, identity, tmp_path / "card.md", folder)
    write_csv([row(dice=0.8, csa=75.0, reference_csa=75.0)], folder / "evaluation.csv")
    return made


@pytest.mark.filterwarnings("ignore")  # nnU-Net's and torch's own while training
def test_train_release_serve_fetch_segment(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty_server() as server:
        made = release(model.folder, "tubes@1.0", tmp_path / "release", urls=[server.url])
        server.content = made.bundle.read_bytes()
        server.faults = [cut_after(1000)]
        index = {"format": 1, "default": "tubes@1.0"}
        index["models"] = [json.loads(made.entry.read_text())]
        (tmp_path / "index.json").write_text(json.dumps(index))
        monkeypatch.setenv("SCT_DEEPSEG_GENERAL_INDEX", str(tmp_path / "index.json"))
        monkeypatch.setenv("SCT_DEEPSEG_GENERAL_MODELS", str(tmp_path / "models"))
        _run("models", "fetch", "-m", "tubes")
    image = tmp_path / "data" / "tubes" / "sub-01" / "anat" / "sub-01_T2w.nii.gz"
    common = ["-i", str(image), "-csa", "0", "-thr", "0.3", "-v", "0", "-offline"]
    _run(*common, "-m", "tubes", "-o", str(tmp_path / "fetched.nii.gz"))
    _run(*common, "-m", str(model.folder), "-o", str(tmp_path / "trained.nii.gz"))
    fetched, trained = (nifti.load(tmp_path / f"{n}.nii.gz").data for n in ("fetched", "trained"))
    np.testing.assert_array_equal(fetched, trained)
    for name in ("network.xml", "network.bin", "fold_0.safetensors"):
        there = tmp_path / "models" / "tubes@1.0" / name
        assert there.read_bytes() == model.path(name).read_bytes()


def _run(*words: str) -> None:
    code = "from sct_deepseg_general.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False,
        env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
