"""Networks trained and published elsewhere: nnU-Net's results folders and SCT's releases.

The only place where a pickle is opened or written. nnU-Net's checkpoints are pickles; they are
opened by torch's restricted reader, which builds tensors, plain values and what is on the
list below, and only when a person asked for the import of this very archive.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.inference.nnunet import build_network, fill, load_network
from sct_deepseg_general.release.export import ensemble, export_ir, save_weights
from sct_deepseg_general.schema import read_json
from sct_deepseg_general.zoo.archive import Limits, pack, seal, sync, sync_folder, unpack
from sct_deepseg_general.zoo.cache import clear
from sct_deepseg_general.zoo.index import Entry
from sct_deepseg_general.zoo.model import ORIENTATION, Model
from sct_deepseg_general.zoo.plans import CONFIGURATION, Plans, read_plans

__all__ = ["SAFEST_TORCH", "import_results", "pack_for_sct", "read_checkpoint"]

SAFEST_TORCH = (2, 10)
"""Earlier versions of torch can be made to run code by a file opened with `weights_only`."""

_LIMITS = Limits(members=20_000, size=16 << 30)
_WANTED = re.compile(r"(^|.*/)(plans\.json|dataset\.json|fold_\w+/checkpoint_(final|best)\.pth)")
_CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")
_SCT_ORIENTATION = "LPI"  # what SCT takes where dataset.json names none
_TRAINER = "nnUNetTrainer"


@dataclass(frozen=True)
class _Cord:
    """Where the cord is among the outputs of a foreign network."""

    head: int
    sigmoid: bool
    """Whether each output is a region of its own, as nnU-Net trains overlapping labels."""


def import_results(source: Path, folder: Path, entry: Entry) -> Model:
    """A model in a new folder from nnU-Net results: a folder, or a zip as SCT publishes them.

    The folder appears whole, when the model in it is complete, or not at all.

    The label named in `entry.labels` becomes the cord. Folds become one averaged network. A
    network whose axes were reordered by the plan keeps its weights; the model's orientation
    takes the reordering over.

    Raises:
        ModelError: these are no such results, the cord is not among the labels or cannot be
            told apart by two outputs, or the checkpoint holds what may not be built.
    """
    if folder.exists():
        raise ModelError(f"{folder} exists already: name a new folder.")
    scratch = folder.with_name(f".{folder.name.lstrip('.')}.import")
    clear(scratch)
    try:
        scratch.mkdir()
        results = source
        if not source.is_dir():
            results = scratch / "results"
            unpack(source, results, _LIMITS, wanted=lambda name: bool(_WANTED.fullmatch(name)))
        model = _imported(_results_in(results), scratch / "model", entry)
        sync_folder(model.folder)
        model.folder.replace(folder)
        sync(folder.parent)
    finally:
        clear(scratch)
    return Model.load(folder)


def read_checkpoint(path: Path) -> Mapping[str, torch.Tensor]:
    """The network's weights in a checkpoint of nnU-Net.

    Raises:
        ModelError: torch is too old to open a stranger's file, or the file is not a checkpoint,
            or it holds anything but tensors and plain values.
    """
    version = re.match(r"(\d+)\.(\d+)", torch.__version__)
    if version is None or (int(version[1]), int(version[2])) < SAFEST_TORCH:
        raise ModelError(
            f"torch {torch.__version__} can be made to run code by the file it opens: import "
            f"models with torch {'.'.join(map(str, SAFEST_TORCH))} or newer."
        )
    try:
        with torch.serialization.safe_globals(_plain_values()):
            weights = torch.load(path, map_location="cpu", weights_only=True)["network_weights"]
    except Exception as error:  # a damaged pickle raises nearly anything
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{path} is not a checkpoint that may be opened: {first:.300}") from error
    if not isinstance(weights, dict) or not all(map(torch.is_tensor, weights.values())):
        raise ModelError(f"{path} holds no weights of a network.")
    return {
        name.removeprefix("_orig_mod.").removeprefix("module."): w for name, w in weights.items()
    }


def pack_for_sct(model: Model, archive: Path) -> None:
    """The model as a zip that `sct_deepseg <task> -install -custom-url` takes: nnU-Net's layout.

    The same model gives the same bytes with the same torch.
    """
    plans = read_plans(model.path("plans.json"))
    top = f"{model.id}-{model.version}/{_TRAINER}__{plans.name}__{CONFIGURATION}"
    dataset = {**read_json(model.path("dataset.json")), "image_orientation": model.orientation}
    scratch = archive.with_name(f".{archive.name}.files")
    clear(scratch)
    scratch.mkdir()
    try:
        (scratch / "dataset.json").write_text(json.dumps(dataset, indent=2) + "\n")
        members = {
            f"{top}/plans.json": model.path("plans.json"),
            f"{top}/dataset.json": scratch / "dataset.json",
        }
        for number, fold in enumerate(model.folds):
            members[f"{top}/fold_{number}/{_CHECKPOINTS[0]}"] = scratch / f"fold_{number}.pth"
            (scratch / f"fold_{number}.pth").write_bytes(_checkpoint(model, fold, number, dataset))
        pack(members, archive)
    finally:
        clear(scratch)


def _results_in(folder: Path) -> Path:
    """The one folder below `folder` that holds a plan and folds."""
    found = [
        path.parent
        for path in sorted(folder.rglob("plans.json"))
        if any(path.parent.glob("fold_*"))
    ]
    if len(found) != 1:
        raise ModelError(
            f"{folder} must hold one set of nnU-Net results (plans.json, dataset.json and "
            f"fold_*/checkpoint_final.pth), found {len(found)}."
        )
    return found[0]


def _imported(results: Path, folder: Path, entry: Entry) -> Model:
    plans = read_plans(results / "plans.json")
    _check_preparation(plans, results)
    dataset = read_json(results / "dataset.json")
    name = entry.labels[1][0]
    cord = _cord(dataset, name, results)
    orientation = _orientation(dataset, plans, results)
    folder.mkdir()
    _write_json(folder / "plans.json", _upright_plans(read_json(results / "plans.json")))
    plain = {"labels": {"background": 0, name: 1}, "image_orientation": orientation}
    kept = {key: value for key, value in dataset.items() if key != "regions_class_order"}
    _write_json(folder / "dataset.json", {**kept, **plain})
    folds = _write_networks(results, folder, cord)
    _write_card(folder, entry, cord)
    return seal(folder, _record(entry, plans, orientation, folds))


def _check_preparation(plans: Plans, results: Path) -> None:
    if plans.normalisation != "ZScoreNormalization" or plans.masked:
        raise ModelError(
            f"The plan in {results} normalises by {plans.normalisation}"
            f"{' inside a mask' if plans.masked else ''}, which is not supported: only "
            "ZScoreNormalization over the whole image is."
        )


def _cord(dataset: Mapping[str, Any], name: str, results: Path) -> _Cord:
    labels = dataset.get("labels")
    channels = dataset.get("channel_names", dataset.get("modality"))
    if not isinstance(labels, dict) or not isinstance(channels, dict) or len(channels) != 1:
        raise ModelError(f"{results / 'dataset.json'} names no labels, or not exactly one channel.")
    objects = [label for label, value in labels.items() if value not in (0, [0])]
    if name not in objects:
        raise ModelError(
            f"The network in {results} has no label '{name}', but {', '.join(objects)}: name the "
            "cord's with -label."
        )
    if any(isinstance(value, list) for value in labels.values()):
        return _Cord(objects.index(name), sigmoid=True)
    if len(objects) == 1 and labels[name] == 1:
        return _Cord(1, sigmoid=False)
    raise ModelError(
        f"The network in {results} gives {len(objects)} labels that exclude each other "
        f"({', '.join(objects)}): the cord would be what the others leave of it."
    )


def _orientation(dataset: Mapping[str, Any], plans: Plans, results: Path) -> str:
    """SCT's letters of x, y, z such that the array z, y, x is what the network sees."""
    letters = dataset.get("image_orientation", _SCT_ORIENTATION)
    if not isinstance(letters, str) or not re.fullmatch(ORIENTATION, letters):
        raise ModelError(f"'{letters}' in {results / 'dataset.json'} is not an orientation.")
    if sorted(plans.transposed) != [0, 1, 2]:
        raise ModelError(f"The plan in {results} reorders axes that are not there.")
    network = [letters[::-1][axis] for axis in plans.transposed]
    return "".join(reversed(network))


def _upright_plans(plans: Mapping[str, Any]) -> dict[str, Any]:
    """The plan without reordering of axes, which the model's orientation has taken over."""
    return {**plans, "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2]}


def _write_networks(results: Path, folder: Path, cord: _Cord) -> tuple[str, ...]:
    networks = []
    for number, fold in enumerate(_folds(results)):
        foreign = build_network(results / "plans.json", results / "dataset.json")
        weights = fill(foreign, read_checkpoint(fold), str(fold)).state_dict()
        network = build_network(folder / "plans.json", folder / "dataset.json")
        networks.append(fill(network, _two_classes(weights, cord), str(fold)))
        save_weights(networks[-1], folder / f"fold_{number}.safetensors")
    export_ir(ensemble(networks), folder, "network")
    return tuple(f"fold_{number}.safetensors" for number in range(len(networks)))


def _folds(results: Path) -> tuple[Path, ...]:
    for name in _CHECKPOINTS:
        found = sorted(results.glob(f"fold_*/{name}"))
        if found:
            return tuple(found)
    raise ModelError(f"{results} holds no fold_*/{_CHECKPOINTS[0]}.")


def _two_classes(weights: Mapping[str, torch.Tensor], cord: _Cord) -> Mapping[str, torch.Tensor]:
    """Weights whose last layers give background and cord.

    The sigmoid of x is the softmax of (0, x): a region's output becomes two classes by an
    output of zeros beside it.
    """
    if not cord.sigmoid:
        return weights
    return {
        name: torch.stack([torch.zeros_like(w[cord.head]), w[cord.head]]) if _is_head(name) else w
        for name, w in weights.items()
    }


def _is_head(name: str) -> bool:
    return "seg_layers." in name


def _write_card(folder: Path, entry: Entry, cord: _Cord) -> None:
    note = (
        "\nThe network was trained on overlapping regions; the region of the cord is kept.\n"
        if cord.sigmoid
        else ""
    )
    card = (
        f"# {entry.title}\n\nImported from nnU-Net results published elsewhere.\n{note}\n"
        f"- From: {', '.join(entry.urls) or 'a file'}\n- Licence: {entry.licence}\n"
        f"- Citation: {entry.citation}\n- Not evaluated by this program.\n"
    )
    (folder / "card.md").write_bytes(card.encode())


def _record(
    entry: Entry, plans: Plans, orientation: str, folds: tuple[str, ...]
) -> Mapping[str, Any]:
    return {
        "format": 1,
        "id": entry.id,
        "version": entry.version,
        "title": entry.title,
        "description": f"Imported from {', '.join(entry.urls) or 'nnU-Net results'}.",
        "contrasts": list(entry.contrasts),
        "orientation": orientation,
        "spacing": list(plans.spacing[::-1]),
        "patch": list(plans.patch[::-1]),
        "normalisation": "zscore",
        "labels": dict(entry.labels),
        "threshold": 0.5,
        "margin": 20.0,
        "locator": None,
        "folds": list(folds),
        "intervals": None,
        "licence": entry.licence,
        "citation": entry.citation,
        "date": entry.date or "1970-01-01",
        "replaces": entry.replaces,
    }


def _checkpoint(model: Model, fold: str, number: int, dataset: Mapping[str, Any]) -> bytes:
    """A checkpoint as nnU-Net's predictor reads it."""
    plans, names = model.path("plans.json"), model.path("dataset.json")
    content = {
        "network_weights": load_network(plans, names, model.path(fold)).state_dict(),
        "trainer_name": _TRAINER,
        "inference_allowed_mirroring_axes": (0, 1, 2),
        "init_args": {
            "plans": dict(read_json(plans)),
            "configuration": CONFIGURATION,
            "fold": number,
            "dataset_json": dict(dataset),
        },
    }
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def _plain_values() -> list[Any]:
    """What makes the scalars of numpy that nnU-Net's logs hold, under its old and new name."""
    scalar = np.float64(0).__reduce__()[0]
    kinds = {type(np.dtype(name)) for name in ("f4", "f8", "i4", "i8", "u1", "?")}
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    return [np.dtype, *kinds, *((scalar, name) for name in names)]


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with write_whole(path) as temporary:
        temporary.write_bytes((json.dumps(content, indent=2) + "\n").encode())
