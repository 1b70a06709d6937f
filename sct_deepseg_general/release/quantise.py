"""An imported network in whole numbers of 8 bits: smaller and several times as fast on a CPU.

NNCF (Neural Network Compression Framework, Intel) chooses the ranges of the numbers from tiles of
sample images. The result is kept only if its labels on these images are nearly those of float32.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sct_deepseg_general.errors import ImageError, ModelError, required
from sct_deepseg_general.image.volume import Volume, from_sct_letters
from sct_deepseg_general.inference.engine import Float
from sct_deepseg_general.inference.imported.region import prepared_channels
from sct_deepseg_general.inference.openvino import import_openvino
from sct_deepseg_general.inference.pipeline import InferenceResult, Options, segment
from sct_deepseg_general.inference.predictor import load_predictor
from sct_deepseg_general.inference.sliding_window import tiles_of
from sct_deepseg_general.release.lean_ir import PREFIX
from sct_deepseg_general.schema import read_json
from sct_deepseg_general.zoo.archive import seal, sync, sync_folder
from sct_deepseg_general.zoo.cache import clear
from sct_deepseg_general.zoo.model import RECORD, Model

__all__ = ["LEAST_DICE", "Quantised", "quantise"]

LEAST_DICE = 0.99
"""Least Dice, on the sample images, of any label with the label in float32."""
_MOST_TILES = 12


@dataclass(frozen=True)
class Quantised:
    """The model with its int8 networks, and the least Dice of its labels with float32's."""

    model: Model
    dice: float


def quantise(
    model: Model,
    images: Sequence[Volume],
    least: float = LEAST_DICE,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Quantised:
    """Add int8 networks to an imported model, in its folder.

    Parameters
    ----------
    model : Model
        The imported model. Its folder is replaced by one that holds the int8 networks too.
    images : sequence of Volume
        Sample images of the kind that the model is for. Of all their tiles, 12 are used.
    least : float
        The least Dice of any label with the label in float32, on any image.
    progress : callable, optional
        Called with (networks done, networks in all).

    Returns
    -------
    Quantised
        The model, loaded from its folder.

    Raises
    ------
    BackendError
        NNCF is not installed.
    ImageError
        There is no image, or the network takes several images together.
    ModelError
        The model is not an imported one, or its labels in int8 are too different.
    """
    if model.preprocessing is None:
        raise ModelError(f"{model.key} is not an imported model: only those are quantised.")
    if not images or len(model.channels) > 1:
        raise ImageError("Quantising needs sample images, for a network of one image.")
    exact = load_predictor(model, "openvino", "cpu")
    found = [segment(image, exact, Options(largest=False)) for image in images]
    references = [_labels(one) for one in found]
    tiles = _sample([tile for one in found for tile in _tiles(one, model)])
    del exact, found
    scratch = model.folder.with_name(f".{model.folder.name}.int8")
    clear(scratch)
    try:
        made = _written(model, tiles, scratch, progress)
        predictor = load_predictor(made, "openvino", "cpu", "int8")
        dice = min(
            _least_dice(_labels(segment(image, predictor, Options(largest=False))), labels, model)
            for image, labels in zip(images, references, strict=True)
        )
        if dice < least:
            raise ModelError(
                f"The labels of {model.key} in int8 have a Dice of {dice:.4f} with those in "
                f"float32, less than {least}: the model stays as it was."
            )
        sync_folder(scratch)
        clear(model.folder)
        scratch.replace(model.folder)
        sync(model.folder.parent)
    finally:
        clear(scratch)
    return Quantised(Model.load(model.folder), dice)


def _labels(result: InferenceResult) -> Any:
    return None if result.labels is None else result.labels.data


def _tiles(result: InferenceResult, model: Model) -> Iterator[Float]:
    """The tiles (1, channels, z, y, x) that the network saw of an image."""
    oriented = result.image.reoriented(from_sct_letters(model.orientation))
    data = prepared_channels([oriented], result.location.box, model).data
    yield from (tile[None] for tile in tiles_of(data, model.patch[::-1]))


def _sample(tiles: list[Float]) -> list[Float]:
    """At most 12 tiles, evenly spread."""
    chosen = np.linspace(0, len(tiles) - 1, min(len(tiles), _MOST_TILES)).round().astype(int)
    return [tiles[i] for i in chosen]


def _written(
    model: Model,
    tiles: Sequence[Float],
    folder: Path,
    progress: Callable[[int, int], None],
) -> Model:
    """The model in a new folder, with an int8 IR of each of its networks."""
    folder.mkdir()
    for name in model.files:
        shutil.copyfile(model.folder / name, folder / name)
    names = [f"{name}-int8" for name in model.networks]
    for number, (name, new) in enumerate(zip(model.networks, names, strict=True)):
        progress(number, len(names))
        _quantise_file(model.path(f"{name}.xml"), folder / f"{new}.xml", tiles)
    progress(len(names), len(names))
    record = {k: v for k, v in read_json(model.folder / RECORD).items() if k != "files"}
    return seal(folder, {**record, "int8": names})


def _quantise_file(source: Path, target: Path, tiles: Sequence[Float]) -> None:
    openvino = import_openvino()
    with required("Quantising a network", "int8"):
        import nncf
    network = openvino.Core().read_model(source)
    network.reshape(list(tiles[0].shape))
    own = nncf.IgnoredScope(patterns=[f"{PREFIX}/.*"], validate=False)
    made = nncf.quantize(
        network, nncf.Dataset(list(tiles)), subset_size=len(tiles), ignored_scope=own
    )
    openvino.save_model(made, str(target), compress_to_fp16=False)


def _least_dice(found: Any, reference: Any, model: Model) -> float:
    """The least Dice of any label; of one that is nowhere in either, 1."""
    values = []
    for label in model.scheme.labels:
        a, b = np.isin(found, label.values), np.isin(reference, label.values)
        total = int(a.sum() + b.sum())
        values.append(2 * int((a & b).sum()) / total if total else 1.0)
    return min(values)
