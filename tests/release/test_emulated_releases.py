"""Every release of SCT, emulated: imported from its archives, it gives nnU-Net's own labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import samples
from emulated_releases import RELEASES, Release, archives, built, nnunet_labels

from sct_deepseg_general.image.volume import Volume, from_sct_letters
from sct_deepseg_general.inference.pipeline import Options, segment
from sct_deepseg_general.inference.predictor import load_predictor
from sct_deepseg_general.release.nnunet_results import import_results
from sct_deepseg_general.zoo.index import file_entry
from sct_deepseg_general.zoo.model import Model

DICE = 0.9995

pytestmark = pytest.mark.filterwarnings("ignore")  # nnU-Net's own


@pytest.fixture(autouse=True, scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> None:
    import torch

    torch.set_num_threads(1)


def sample() -> Volume:
    """A part of a real image, with voxels of other sizes than the networks'."""
    return samples.image("T2w")


def imported(release: Release, folder: Path) -> tuple[Path, Model]:
    results = built(release, folder / "built")
    files = archives(release, results, folder / "archives")
    only = {"sc_epi": "sc", "graymatter": "gm"}.get(release.task)
    entry = replace(
        file_entry(release.task.replace("_", "-"), "1.0"), vote=release.vote, only_label=only
    )
    return results, import_results(files, folder / "model", entry)


def expected(release: Release, model: Model, results: Path, channels: list[Volume]) -> np.ndarray:
    """SCT's way: reorient, nnU-Net's predictor, and the majority of the folds where SCT votes."""
    letters = release.orientation or ("AIL" if "RegionBased" in release.dataset else "LPI")
    turned = [one.reoriented(from_sct_letters(letters)) for one in channels]
    arrays = [np.asarray(one.data, np.float32).transpose(2, 1, 0) for one in turned]
    spacing = turned[0].grid.spacing[::-1]
    if release.vote == "majority":
        maps = []
        for fold in release.folds:
            alone = results.parent / "alone" / fold
            if not alone.exists():
                alone.mkdir(parents=True)
                for name in ("plans.json", "dataset.json"):
                    (alone / name).write_bytes((results / name).read_bytes())
                (alone / "fold_0").mkdir()
                (path,) = (results / fold).glob("*.pth")
                (alone / "fold_0" / path.name).write_bytes(path.read_bytes())
            maps.append(nnunet_labels(alone, arrays, spacing))
        labels = (np.mean(maps, axis=0) > 0.5).astype(np.uint8)
    else:
        labels = nnunet_labels(results, arrays, spacing).astype(np.uint8)
    volume = replace(turned[0], data=labels.transpose(2, 1, 0), header=None)
    return np.asarray(volume.reoriented(channels[0].grid.axcodes).data)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


@pytest.mark.parametrize("release", RELEASES, ids=lambda one: one.task)
def test_a_release_gives_nnunets_labels(tmp_path: Path, release: Release) -> None:
    results, model = imported(release, tmp_path)
    image = sample()
    channels = [image] * len(release.channels)
    predictor = load_predictor(model, "openvino", "cpu")
    options = Options(exact=True, largest=False)
    found = segment(image, predictor, options, others=channels[1:])
    assert found.labels is not None
    theirs = expected(release, model, results, channels)
    for label in model.scheme.labels:
        a, b = np.isin(found.labels.data, label.values), np.isin(theirs, label.values)
        assert b.any(), f"{label.name} is nowhere: the emulation shows nothing"
        assert dice(a, b) >= DICE, label.name
