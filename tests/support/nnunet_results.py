"""Results folders as nnU-Net's own trainer writes them, with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_models import dataset_json, plans

torch = pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("nnunetv2", reason="the torch extra is not installed")

from sct_deepseg_general.inference.nnunet import build_network  # noqa: E402  # after the skips
from sct_deepseg_general.zoo.index import IndexEntry  # noqa: E402

PATCH = (16, 32, 32)


ENTRY = IndexEntry(
    id="foreign",
    version="4.0",
    kind="nnunet",
    title="Foreign",
    contrasts=("T2w",),
    orientation=None,
    spacing=None,
    labels={"background": 0, "sc": 1},
    size=None,
    urls=("https://example.org/foreign.zip",),
    sha256=None,
    digest=None,
    licence="MIT",
    citation="Somebody.",
    date="2026-06-28",
    replaces=None,
    embedded=False,
)


TRAINER = "nnUNetTrainer__nnUNetPlans__3d_fullres"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    torch.set_num_threads(1)


def small_plans(**changes: Any) -> dict[str, Any]:
    plan = plans((4, 8))
    plan["configurations"]["3d_fullres"]["patch_size"] = list(PATCH)
    return {**plan, **changes}


def trained(
    folder: Path,
    plan: dict[str, Any] | None = None,
    dataset: dict[str, Any] | None = None,
    folds: tuple[int, ...] = (0,),
) -> Path:
    """Results that nnU-Net's own trainer writes, from a network of random weights."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    results = folder / TRAINER
    results.mkdir(parents=True)
    plan, dataset = plan or small_plans(), dataset or dataset_json()
    (results / "plans.json").write_text(json.dumps(plan))
    (results / "dataset.json").write_text(json.dumps(dataset))
    for fold in folds:
        torch.manual_seed(fold + 1)
        known = {**plan, "continue_training": False}  # as nnU-Net's command sets it
        trainer = nnUNetTrainer(known, "3d_fullres", fold, dataset, torch.device("cpu"))
        trainer.network = balanced(build_network(results / "plans.json", results / "dataset.json"))
        trainer.optimizer = torch.optim.SGD(trainer.network.parameters(), 0.01)
        trainer.inference_allowed_mirroring_axes = (0, 1, 2)
        trainer.grad_scaler = None
        for key in ("mean_fg_dice", "ema_fg_dice", "train_losses", "val_losses"):
            trainer.logger.log(key, np.float64(0.5), 0)
        trainer._best_ema = np.float64(0.5)
        (results / f"fold_{fold}").mkdir()
        trainer.save_checkpoint(str(results / f"fold_{fold}" / "checkpoint_final.pth"))
    return results


def balanced(network: Any) -> Any:
    """The network with biases such that about half of a noise image is cord."""
    image = (noise() - noise().mean()) / noise().std()
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(image)[None, None])[0]
        network.decoder.seg_layers[-1].bias -= logits.flatten(1).median(dim=1).values
    return network


@pytest.fixture(autouse=True)
def nnunet_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer wants a place to write its log to."""
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.setenv(name, str(tmp_path / name))


def noise(shape: tuple[int, int, int] = PATCH) -> np.ndarray:
    """An image (z, y, x)."""
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)
