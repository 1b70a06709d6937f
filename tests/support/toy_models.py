"""Model folders made for a test: every file is there, the weights are a few bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sct_deepseg_general.zoo.archive import seal
from sct_deepseg_general.zoo.model import Model

RECORD: dict[str, Any] = {
    "format": 1,
    "id": "toy",
    "version": "0.1.0",
    "title": "Toy",
    "description": "A model for tests.",
    "contrasts": ["T1w", "T2w"],
    "orientation": "LPI",
    "spacing": [0.8, 0.8, 1.5],
    "patch": [64, 64, 32],
    "normalisation": "zscore",
    "labels": {"background": 0, "sc": 1},
    "threshold": 0.5,
    "margin": 12.0,
    "locator": {"spacing": [2.0, 2.0, 4.0], "patch": [48, 48, 32], "threshold": 0.4},
    "folds": ["fold_0.safetensors"],
    "intervals": None,
    "licence": "MIT",
    "citation": "Nobody, 2026.",
    "date": "2026-01-31",
    "replaces": None,
}


def plans(features: tuple[int, ...] = (4, 8)) -> dict[str, Any]:
    """The plan of a two-level U-Net, as nnU-Net writes it."""
    unet = "dynamic_network_architectures.architectures.unet.PlainConvUNet"
    stages = len(features)
    return {
        "dataset_name": "Dataset001_toy",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [1.5, 0.8, 0.8],
        "original_median_shape_after_transp": [32, 64, 64],
        "image_reader_writer": "NibabelIOWithReorient",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            "0": {
                "max": 1.0,
                "mean": 0.0,
                "median": 0.0,
                "min": -1.0,
                "percentile_00_5": -1.0,
                "percentile_99_5": 1.0,
                "std": 1.0,
            }
        },
        "configurations": {
            "3d_fullres": {
                "data_identifier": "nnUNetPlans_3d_fullres",
                "preprocessor_name": "DefaultPreprocessor",
                "batch_size": 2,
                "patch_size": [32, 64, 64],
                "median_image_size_in_voxels": [32.0, 64.0, 64.0],
                "spacing": [1.5, 0.8, 0.8],
                "normalization_schemes": ["ZScoreNormalization"],
                "use_mask_for_norm": [False],
                "resampling_fn_data": "resample_data_or_seg_to_shape",
                "resampling_fn_seg": "resample_data_or_seg_to_shape",
                "resampling_fn_data_kwargs": {
                    "is_seg": False,
                    "order": 3,
                    "order_z": 0,
                    "force_separate_z": None,
                },
                "resampling_fn_seg_kwargs": {
                    "is_seg": True,
                    "order": 1,
                    "order_z": 0,
                    "force_separate_z": None,
                },
                "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
                "resampling_fn_probabilities_kwargs": {
                    "is_seg": False,
                    "order": 1,
                    "order_z": 0,
                    "force_separate_z": None,
                },
                "architecture": {
                    "network_class_name": unet,
                    "arch_kwargs": {
                        "n_stages": stages,
                        "features_per_stage": list(features),
                        "conv_op": "torch.nn.modules.conv.Conv3d",
                        "kernel_sizes": [[3, 3, 3]] * stages,
                        "strides": [[1, 1, 1]] + [[2, 2, 2]] * (stages - 1),
                        "n_conv_per_stage": [2] * stages,
                        "n_conv_per_stage_decoder": [2] * (stages - 1),
                        "conv_bias": True,
                        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
                        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
                        "dropout_op": None,
                        "dropout_op_kwargs": None,
                        "nonlin": "torch.nn.LeakyReLU",
                        "nonlin_kwargs": {"inplace": True},
                    },
                    "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
                },
                "batch_dice": False,
            }
        },
    }


def dataset_json() -> dict[str, Any]:
    return {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, "sc": 1},
        "numTraining": 1,
        "file_ending": ".nii.gz",
        "image_orientation": "LPI",
    }


def write_parts(folder: Path, seed: bytes = b"") -> Path:
    """Every file of a toy model but `model.json` and `MANIFEST`."""
    folder.mkdir(parents=True)
    parts = {
        "plans.json": json.dumps(plans()).encode(),
        "dataset.json": json.dumps(dataset_json()).encode(),
        "card.md": b"# Toy\n\nFor tests.\n",
        "recipe.json": b"{}\n",
        "evaluation.csv": b"contrast,dice,csa_error_percent\nT2w,0.95,0.5\n",
        "fold_0.safetensors": seed + bytes(range(256)) * 64,
        **{
            f"{n}.{e}": f"{n} {e}".encode() * 99
            for n in ("network", "locator")
            for e in ("xml", "bin")
        },
        "locator.safetensors": b"locator" * 50,
    }
    for name, content in parts.items():
        (folder / name).write_bytes(content)
    return folder


def toy_model(folder: Path, seed: bytes = b"", **changes: Any) -> Model:
    """A sealed toy model in a new folder; `changes` replace fields of its record."""
    return seal(write_parts(folder, seed), {**RECORD, **changes})
