"""SCT's inference code, run from a copy of its source in `$SCT_SOURCE`.

What it imports for its other tasks (ivadomed, MONAI, TotalSpineSeg, its cord detector) need not
be installed: an empty module stands in for each that is not, and is never called.
"""

from __future__ import annotations

import email.message
import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import sys
import tempfile
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

VARIABLE = "SCT_SOURCE"
OTHER_TASKS = ("ivadomed", "monai", "totalspineseg", "sc_crop", "portalocker", "transforms3d")
OTHER_TASKS += ("wquantiles", "nilearn")
PADDING = 15.0  # mm, the least that SCT leaves around the cord


class Empty(types.ModuleType):
    """A module that has everything and does nothing."""

    __path__: list[str] = []  # noqa: RUF012  # the import system wants a list

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "save_bbox_nifti":
            return lambda *_: None
        return type(name, (), {})


class Stand(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `Empty` for the packages of other tasks that are not installed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] not in OTHER_TASKS:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return Empty(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        if module.__name__ == "sc_crop":
            vars(module).update(crop=_cut, uncrop=_put_back, check_seg_truncation=lambda *_: [])


def modules() -> tuple[Any, Any]:
    """SCT's modules that load a network and that run it."""
    sys.path.insert(0, os.environ[VARIABLE])
    sys.meta_path.append(Stand())  # last: what is installed is found first
    known = importlib.metadata.metadata
    importlib.metadata.metadata = lambda name: (
        _nothing() if name.partition(".")[0] in OTHER_TASKS else known(name)
    )
    _accept_the_forks_words()
    inference = importlib.import_module("spinalcordtoolbox.deepseg.inference")
    return importlib.import_module("spinalcordtoolbox.deepseg.nnunet"), inference


def weights() -> Path:
    """The embedded model in the layout SCT installs, unpacked in a temporary folder."""
    import zipfile

    from sct_deepseg_general.release.nnunet_results import pack_for_sct
    from sct_deepseg_general.zoo.zoo import resolve

    folder = Path(tempfile.mkdtemp(prefix="sct-weights-"))
    pack_for_sct(resolve(None, offline=True), folder / "model.zip")
    with zipfile.ZipFile(folder / "model.zip") as archive:
        archive.extractall(folder)
    return next(folder.rglob("plans.json")).parent.parent


def box(image: Path) -> dict[str, int]:
    """The box around the cord in the image's own voxels, both ends inclusive."""
    import numpy as np

    from sct_deepseg_general.image import nifti
    from sct_deepseg_general.inference.pipeline import segment
    from sct_deepseg_general.inference.predictor import load_predictor
    from sct_deepseg_general.inference.preprocess import margin_box
    from sct_deepseg_general.zoo.zoo import resolve

    volume = nifti.load(image)
    mask = segment(volume, load_predictor(resolve(None, offline=True))).segmentation.data
    found = margin_box(np.asarray(mask), volume.grid.spacing, PADDING)
    sides = zip("xyz", found.start, found.stop, strict=True)
    return {f"{a}{e}": v for a, low, high in sides for e, v in (("min", low), ("max", high - 1))}


def fresh(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix="sct-", dir=folder))


def CPU() -> Any:  # noqa: N802
    import torch

    return torch.device("cpu")


def _accept_the_forks_words() -> None:
    """SCT calls its fork of nnU-Net, with two arguments more; for one plain fold they say no."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    for name in ("initialize_from_trained_model_folder", "predict_single_npy_array"):
        setattr(nnUNetPredictor, name, _without_the_forks_words(getattr(nnUNetPredictor, name)))


def _without_the_forks_words(function: Callable[..., Any]) -> Callable[..., Any]:
    def plain(*args: Any, **words: Any) -> Any:
        fork = [words.pop(word, None) for word in ("trainer_class", "return_logits_per_fold")]
        if any(fork):
            raise NotImplementedError("this benchmark runs one fold of nnU-Net's own trainer")
        return function(*args, **words)

    return plain


def _nothing() -> Any:
    """What a package that is not installed says of itself: an address or two."""
    said = email.message.Message()
    said["Version"] = "0"
    for label in ("Homepage", "Models", "Repository"):
        said["Project-URL"] = f"{label}, https://localhost"
    return said


def _cut(image: Any, box: dict[str, Any]) -> Any:
    return image.slicer[tuple(slice(box[f"{a}min"], box[f"{a}max"] + 1) for a in "xyz")]


def _put_back(mask: Any, box: dict[str, Any]) -> Any:
    import nibabel as nib
    import numpy as np

    whole = box["_original_img"]
    data = np.zeros(whole.shape, np.uint8)
    data[tuple(slice(box[f"{a}min"], box[f"{a}max"] + 1) for a in "xyz")] = mask.dataobj
    return nib.Nifti1Image(data, whole.affine, whole.header)
