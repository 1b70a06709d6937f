"""A network of the size of SCT's releases: nnU-Net's labels, in 1.2 GiB of memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from emulated_releases import BY_TASK, archives, dice, expected, large_built
from safetensors import safe_open

from sct_deepseg_general.image import nifti
from sct_deepseg_general.release.nnunet_results import import_results
from sct_deepseg_general.zoo.index import file_entry

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]

MOST_MEMORY = 1.2 * 2**30

SEGMENT = """
import json, sys
from pathlib import Path
import nibabel
from sct_deepseg_general.image import nifti
from sct_deepseg_general.inference.pipeline import Options, segment
from sct_deepseg_general.inference.predictor import load_predictor
from sct_deepseg_general.zoo.model import Model
image = nifti.load(Path("image.nii.gz"))
predictor = load_predictor(Model.load(Path("model")), "openvino", "cpu")
labels = segment(image, predictor, Options(exact=True, largest=False)).labels
nibabel.save(nibabel.Nifti1Image(labels.data, image.grid.affine), "labels.nii.gz")
lines = Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
Path("peak.json").write_text(json.dumps(peak))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_a_network_of_thirty_million_weights(tmp_path: Path) -> None:
    """The weights are random: most voxels lie near the border between the two classes."""
    release = BY_TASK["spinalcord"]
    results = large_built(release, tmp_path / "built")
    (archive,) = archives(release, results, tmp_path / "archives")
    model = import_results((archive,), tmp_path / "model", file_entry("large", "1.0"))
    with safe_open(model.path(model.folds[0]), "numpy") as weights:
        count = sum(np.prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    assert count == pytest.approx(30.8e6, rel=0.01)
    noise = np.random.default_rng(0).standard_normal((56, 150, 230))
    blocks = np.kron(np.random.default_rng(1).standard_normal((7, 15, 23)), np.ones((8, 10, 10)))
    image = (1000 + 100 * (noise + blocks)).astype(np.int16)
    nib.save(nib.Nifti1Image(image, np.eye(4)), tmp_path / "image.nii.gz")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", SEGMENT], check=True, cwd=tmp_path, env=environment)
    assert json.loads((tmp_path / "peak.json").read_text()) < MOST_MEMORY
    ours = np.asarray(nib.load(tmp_path / "labels.nii.gz").dataobj) > 0
    theirs = expected(release, model, results, [nifti.load(tmp_path / "image.nii.gz")]) > 0
    assert 0.05 < theirs.mean() < 0.95
    assert dice(ours, theirs) >= 0.9995
