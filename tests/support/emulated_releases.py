"""Emulations of SCT's releases: their layouts, labels, plans and folds, with small networks.

The networks are built and saved by nnU-Net itself. They are trained for a moment to tell bands of
intensity apart, so that their labels have clear borders on any image.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_models import plans as plan_of

torch = pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("nnunetv2", reason="the torch extra is not installed")

from sct_deepseg_general.image.volume import Volume, from_sct_letters  # noqa: E402  # after the skips
from sct_deepseg_general.inference.nnunet import build_network  # noqa: E402
from sct_deepseg_general.release.checkpoint import written_checkpoint  # noqa: E402
from sct_deepseg_general.release.nnunet_results import import_results  # noqa: E402
from sct_deepseg_general.zoo.index import file_entry  # noqa: E402
from sct_deepseg_general.zoo.model import Model  # noqa: E402

UNETS = "dynamic_network_architectures.architectures."
FINAL, BEST = "checkpoint_final.pth", "checkpoint_best.pth"


@dataclass(frozen=True)
class Release:
    """One release of SCT: what its archives hold."""

    task: str
    labels: dict[str, Any]
    order: tuple[int, ...] | None = None
    configuration: str = "3d_fullres"
    network: str = "plain"
    """"plain", "residual", or "old" for a plan of nnU-Net 2.0 to 2.3."""
    trainer: str = "nnUNetTrainer"
    folds: dict[str, str] = field(default_factory=lambda: {"fold_0": FINAL})
    """The name of the checkpoint in each fold."""
    wrapper: str = ""
    """The folder around the results folder in the archive."""
    orientation: str | None = None
    """What dataset.json states."""
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Of the plan, z, y, x, in mm."""
    channels: tuple[str, ...] = ("MRI",)
    scheme: str = "ZScoreNormalization"
    masked: bool = False
    dataset: str = "Dataset101_emulated"
    plans_name: str = "nnUNetPlans"
    apart: bool = False
    """Whether each fold is an archive of its own."""
    crop: dict[str, float] | None = None
    vote: str = "mean"
    extra: tuple[str, ...] = ()
    """Further files in the results folder."""
    transposed: tuple[int, int, int] = (0, 1, 2)

    @property
    def results(self) -> str:
        """The name of the results folder."""
        return f"{self.trainer}__{self.plans_name}__{self.configuration}"


_REGIONS = {"background": 0, "sc": [1, 2], "lesion": 2}
CROP = {"pad_superior": 40, "pad_inferior": 100, "pad_left": 15, "pad_right": 15}
CROP |= {"pad_anterior": 15, "pad_posterior": 22}
RELEASES = (
    Release(
        "spinalcord",
        {"background": 0, "sc": 1},
        folds={"fold_0": BEST},
        wrapper="model_contrast_agnostic_20260628",
        orientation="RPI",
        crop=CROP,
    ),
    Release(
        "lesion_ms",
        {"background": 0, "lesion": 1},
        network="residual",
        trainer="nnUNetTrainerDiceCELoss_noSmooth_4000epochs",
        plans_name="nnUNetResEncUNetL0p5x0p5x0p5_Model2_Plans",
        folds={f"fold_{n}": FINAL for n in range(3)},
        apart=True,
        vote="majority",
        crop={**CROP, "pad_left": 20, "pad_right": 20, "pad_anterior": 20, "pad_posterior": 20},
        extra=("trainer_class.py",),
    ),
    Release(
        "lesion_sci_t2",
        _REGIONS,
        (1, 2),
        network="old",
        trainer="nnUNetTrainerDA5",
        orientation="RPI",
        wrapper="model_SCIsegV2_r20240729",
    ),
    Release(
        "lesion_ms_axial_t2",
        _REGIONS,
        (1, 2),
        configuration="2d",
        trainer="nnUNetTrainerDiceCELoss_noSmooth",
        orientation="RPI",
        folds={f"fold_{n}": FINAL for n in range(2)},
        wrapper="model_bavaria_quebec_axial_t2w_ms",
    ),
    Release(
        "rootlets",
        {"background": 0, **{f"lvl{n}": n for n in range(1, 10)}},
        spacing=(1.5, 0.7, 0.7),
        folds={"fold_all": FINAL},
        wrapper="model-spinal-rootlets-multicon-r20250318",
    ),
    Release(
        "gm_wm_mouse_t1",
        {"background": "0", "GM": "1", "WM": "2"},
        network="old",
        folds={"fold_4": BEST},
        wrapper="model",
        extra=("crossval_results_folds_0_1_2_3_4/plans.json",),
    ),
    Release("sc_epi", {"background": 0, "bold": 1}, folds={"fold_all": FINAL}),
    Release(
        "lesion_ms_mp2rage",
        {"background": 0, "label-lesion_seg": 1},
        folds={"fold_3": FINAL},
        extra=("dataset_fingerprint.json", "datasplits/datasplit.json"),
    ),
    Release("canal", {"background": 0, "canal_seg": [1]}, wrapper="model-canal-seg-r20260406"),
    Release(
        "graymatter",
        {"background": 0, "T2star": 1, "ignore": 2},
        configuration="2d",
        network="residual",
        plans_name="nnUNetResEncUNetLPlans",
        spacing=(5.0, 0.6, 0.6),
        folds={"fold_2": FINAL},
        wrapper="Dataset820_gm-seg",
    ),
    Release(
        "spine",
        {"background": 0, "vertebrae": [1, 2, 3], "disc": 2, "cord": [3]},
        (1, 2, 3),
        network="residual",
        trainer="nnUNetTrainerDAExtGPU",
        channels=("MRI", "noNorm"),
        folds={"fold_0": BEST, "fold_1": FINAL},
        dataset="Dataset102_step2",
    ),
    Release(
        "ail",
        {"background": 0, "sc": [1, 2], "lesion": 2},
        (1, 2),
        dataset="Dataset901_tSCILesionsRegionBasedLesionSeg",
        masked=True,
        transposed=(2, 0, 1),
    ),
)
BY_TASK = {release.task: release for release in RELEASES}


def built(release: Release, folder: Path) -> Path:
    """The release's files as they are before packing: a results folder nnU-Net can read."""
    results = folder / release.results
    results.mkdir(parents=True)
    (results / "plans.json").write_text(json.dumps(plans(release)))
    (results / "dataset.json").write_text(json.dumps(dataset_json(release)))
    for number, (fold, name) in enumerate(release.folds.items()):
        (results / fold).mkdir()
        network = trained_network(release, results, number)
        content = written_checkpoint(
            network.state_dict(),
            "nnUNetTrainer",
            number,
            plans(release),
            dataset_json(release),
            release.configuration,
        )
        (results / fold / name).write_bytes(content)
    return results


def archives(release: Release, results: Path, folder: Path) -> list[Path]:
    """The zip archives of a release, as SCT downloads them."""
    folder.mkdir(parents=True, exist_ok=True)
    groups = [[fold] for fold in release.folds] if release.apart else [list(release.folds)]
    made = []
    for number, folds in enumerate(groups):
        made.append(folder / f"{release.task}-{number}.zip")
        with zipfile.ZipFile(made[-1], "w") as bundle:
            _pack(bundle, release, results, folds)
    return made


def _pack(bundle: zipfile.ZipFile, release: Release, results: Path, folds: Sequence[str]) -> None:
    wrapper = f"{release.wrapper}/" if release.wrapper else ""
    top = f"{wrapper}{release.results}"
    for name in ("plans.json", "dataset.json"):
        bundle.write(results / name, f"{top}/{name}")
    for fold in folds:
        (checkpoint,) = (results / fold).glob("*.pth")
        content = torch.load(checkpoint, weights_only=True)
        content["trainer_name"] = release.trainer
        with bundle.open(f"{top}/{fold}/{checkpoint.name}", "w") as stream:
            torch.save(content, stream)
        bundle.writestr(f"{top}/{fold}/progress.png", b"a picture")
    for name in release.extra:
        content = (
            (results / "plans.json").read_bytes() if "plans" in name else b"import os; os.abort()"
        )
        bundle.writestr(f"{top}/{name}", content)
    if release.crop is not None:
        metadata = {**release.crop, "sc_crop_version": "0.12.1"}
        bundle.writestr(f"{wrapper}crop_metadata.json", json.dumps(metadata))
    bundle.writestr(f"__MACOSX/{top}/._plans.json", b"x")
    bundle.writestr(f"{wrapper}.DS_Store", b"x")


def plans(release: Release) -> dict[str, Any]:
    """The plan as the release's version of nnU-Net writes it."""
    plan = plan_of((6, 12))
    whole = plan["configurations"].pop("3d_fullres")
    flat = release.configuration == "2d"
    settings = {
        **whole,
        "spacing": list(release.spacing[1:] if flat else release.spacing),
        "patch_size": [48, 40] if flat else [24, 48, 40],
        "normalization_schemes": [
            "NoNormalization" if name == "noNorm" else release.scheme for name in release.channels
        ],
        "use_mask_for_norm": [release.masked] * len(release.channels),
        "architecture": architecture(release),
    }
    if release.network == "old":
        settings = _old(settings, release)
    configurations = {release.configuration: settings}
    if release.task == "rootlets":  # a plan whose configuration inherits from another
        configurations = {"base": settings, "3d_fullres": {"inherits_from": "base"}}
    backward = [release.transposed.index(axis) for axis in range(3)]
    return {
        **plan,
        "dataset_name": release.dataset,
        "plans_name": release.plans_name,
        "foreground_intensity_properties_per_channel": {
            str(n): plan["foreground_intensity_properties_per_channel"]["0"]
            for n in range(len(release.channels))
        },
        "original_median_spacing_after_transp": list(release.spacing),
        "transpose_forward": list(release.transposed),
        "transpose_backward": backward,
        "configurations": configurations,
    }


def architecture(release: Release) -> dict[str, Any]:
    dimensions = 2 if release.configuration == "2d" else 3
    blocks = "n_blocks_per_stage" if release.network == "residual" else "n_conv_per_stage"
    kind = "ResidualEncoderUNet" if release.network == "residual" else "PlainConvUNet"
    return {
        "network_class_name": f"{UNETS}unet.{kind}",
        "arch_kwargs": {
            "n_stages": 2,
            "features_per_stage": [6, 12],
            "conv_op": f"torch.nn.modules.conv.Conv{dimensions}d",
            "kernel_sizes": [[3] * dimensions] * 2,
            "strides": [[1] * dimensions, [2] * dimensions],
            blocks: [1, 1],
            "n_conv_per_stage_decoder": [1],
            "conv_bias": True,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}d",
            "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


LARGE_FEATURES = (32, 64, 128, 256, 320, 320)


def large_plans(release: Release) -> dict[str, Any]:
    """nnU-Net's own plan of a network of SCT's size: 30.8 million weights, 64 x 192 x 160 mm."""
    plan = plans(release)
    settings = plan["configurations"]["3d_fullres"]
    settings["patch_size"] = [160, 192, 64]  # z, y, x of SCT's RPI
    settings["spacing"] = [1.0, 1.0, 1.0]
    stages = len(LARGE_FEATURES)
    settings["architecture"]["arch_kwargs"] |= {
        "n_stages": stages,
        "features_per_stage": list(LARGE_FEATURES),
        "kernel_sizes": [[3, 3, 3]] * stages,
        "strides": [[1, 1, 1], *[[2, 2, 2]] * 4, [2, 2, 1]],
        "n_conv_per_stage": [2] * stages,
        "n_conv_per_stage_decoder": [2] * (stages - 1),
    }
    return plan


def large_built(release: Release, folder: Path) -> Path:
    """A results folder of a network of SCT's size, with random weights."""
    results = folder / release.results
    (fold,) = release.folds
    (results / fold).mkdir(parents=True)
    plan, dataset = large_plans(release), dataset_json(release)
    (results / "plans.json").write_text(json.dumps(plan))
    (results / "dataset.json").write_text(json.dumps(dataset))
    torch.manual_seed(1)
    network = build_network(results / "plans.json", results / "dataset.json")
    content = written_checkpoint(network.state_dict(), "nnUNetTrainer", 0, plan, dataset)
    (results / fold / release.folds[fold]).write_bytes(content)
    return results


def _old(settings: dict[str, Any], release: Release) -> dict[str, Any]:
    """The configuration as nnU-Net 2.0 to 2.3 wrote it."""
    plain = {name: value for name, value in settings.items() if name != "architecture"}
    return {
        **plain,
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": 6,
        "n_conv_per_stage_encoder": [1, 1],
        "n_conv_per_stage_decoder": [1],
        "num_pool_per_axis": [1, 1, 1],
        "pool_op_kernel_sizes": [[1, 1, 1], [2, 2, 2]],
        "conv_kernel_sizes": [[3, 3, 3], [3, 3, 3]],
        "unet_max_num_features": 320,
    }


def dataset_json(release: Release) -> dict[str, Any]:
    content: dict[str, Any] = {
        "channel_names": {str(n): name for n, name in enumerate(release.channels)},
        "labels": release.labels,
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    if release.order is not None:
        content["regions_class_order"] = list(release.order)
    if release.orientation is not None:
        content["image_orientation"] = release.orientation
    return content


def trained_network(release: Release, results: Path, seed: int, steps: int = 60) -> Any:
    """A network of the release, trained for a moment to tell bands of intensity apart."""
    from sct_deepseg_general.zoo.labels import label_scheme

    torch.manual_seed(seed + 1)
    numbers = {
        name: tuple(map(int, value)) if isinstance(value, list) else int(value)
        for name, value in release.labels.items()
    }
    scheme = label_scheme(numbers, release.order, "emulation")
    network = build_network(results / "plans.json", results / "dataset.json", release.configuration)
    flat = release.configuration == "2d"
    size = (16, 16) if flat else (12, 16, 16)
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    bands = len(scheme.labels) + 1
    for _ in range(steps if bands < 6 else 5 * steps):
        image = torch.randn(2, len(release.channels), *size)
        pool = torch.nn.functional.avg_pool2d if flat else torch.nn.functional.avg_pool3d
        smooth = pool(image, 3, 1, 1)
        smooth = (smooth - smooth.mean()) / smooth.std()
        cuts = torch.linspace(-1.0, 1.2, bands - 1) if bands > 2 else torch.tensor([0.3])
        band = torch.bucketize(smooth[:, 0].contiguous(), cuts)
        logits = network(smooth)
        if scheme.painted is None:
            loss = torch.nn.functional.cross_entropy(logits, band)
        else:
            target = torch.stack([band > n for n in range(len(scheme.labels))], 1).float()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


def nnunet_labels(results: Path, channels: Sequence[np.ndarray], spacing: Sequence[float]) -> Any:
    """The label map (z, y, x) of nnU-Net's own predictor, with all folds, as SCT runs it."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        tile_step_size=0.5,
        use_gaussian=True,
        use_mirroring=False,
        perform_everything_on_device=False,
        device=torch.device("cpu"),
        allow_tqdm=False,
    )
    folds = sorted(path.name.removeprefix("fold_") for path in results.glob("fold_*"))
    names = {path.name for path in results.glob("fold_*/*.pth")}
    for name in names:  # nnU-Net wants one name in all folds
        for path in results.glob(f"fold_*/{name}"):
            if not path.with_name(FINAL).exists():
                path.with_name(FINAL).write_bytes(path.read_bytes())
    predictor.initialize_from_trained_model_folder(str(results), folds, FINAL)
    image = np.stack([np.asarray(one, np.float32) for one in channels])
    return np.asarray(predictor.predict_single_npy_array(image, {"spacing": list(spacing)}))


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
