"""A trained disc network as a folder of the model zoo.

Imports torch at once: import this module only where torch is meant to be used.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from sct_deepseg_general.files import sha256, write_json, write_whole
from sct_deepseg_general.inference.openvino import import_openvino
from sct_deepseg_general.level_training import centrelines
from sct_deepseg_general.level_training.fit import Drawn, Step
from sct_deepseg_general.level_training.network import DiscNet
from sct_deepseg_general.level_training.recipe import LevelRecipe
from sct_deepseg_general.levels.record import RECORD
from sct_deepseg_general.levels.responses import OUTPUTS
from sct_deepseg_general.levels.strip import COLUMNS
from sct_deepseg_general.zoo.model import MANIFEST

__all__ = ["assemble"]

_FILES = ("network.xml", "network.bin", "network.safetensors")


def assemble(
    network: DiscNet,
    recipe: LevelRecipe,
    drawn: Sequence[Drawn],
    steps: Sequence[Step],
    folder: Path,
    card: Path | None = None,
) -> Path:
    """Write weights (safetensors and OpenVINO IR, float16), record, recipe, images, centrelines and
    curve.

    The same network gives the same bytes with the same OpenVINO.

    Parameters
    ----------
    network
        A trained network.
    recipe
        What it was trained with; its limits go into the record.
    drawn
        The images it was trained on; their names are written to images.txt and their cords
        to centrelines.tsv, from which the recipe that is written takes them.
    steps
        The losses, written to curve.csv.
    folder
        The folder to write to, made if it is missing.
    card
        The card that goes with the network; none if the file is missing.

    Returns
    -------
    Path
        The folder; `levels.record.load_model` loads it.

    Raises
    ------
    OutputError
        The folder cannot be written to.

    Examples
    --------
    >>> network = DiscNet().eval()
    >>> assemble(network, recipe, drawn, steps, Path("discs"))  # doctest: +SKIP
    PosixPath('discs')
    """
    folder.mkdir(parents=True, exist_ok=True)
    _save_weights(network, folder / "network.safetensors")
    _export_ir(network, folder)
    write_json(folder / "recipe.json", replace(recipe, centrelines=centrelines.FILE).as_dict())
    centrelines.write_curves(folder / centrelines.FILE, {one.image: one.curve for one in drawn})
    curve = [f"{one.iteration},{one.loss:.4f},{one.level:.4f}" for one in steps]
    _write(folder / "curve.csv", "\n".join(["iteration,loss,level", *curve]) + "\n")
    _write(folder / "images.txt", "".join(f"{one.image}\n" for one in drawn))
    record = {
        "format": 1,
        "id": recipe.id,
        "version": recipe.version,
        "title": recipe.title,
        "contrasts": list(recipe.contrasts),
        "licence": recipe.licence,
        "outputs": list(OUTPUTS),
        "limits": dict(recipe.limits),
        "certainty": dict(recipe.certainty),
        "sha256": {name: sha256(folder / name) for name in _FILES},
    }
    write_json(folder / RECORD, record)
    written = [RECORD, "recipe.json", "curve.csv", "images.txt", centrelines.FILE, *_FILES]
    if card is not None and card.is_file():
        _write(folder / "card.md", card.read_text(encoding="utf-8"))
        written.append("card.md")
    _write(folder / MANIFEST, manifest(folder, written))
    return folder


def manifest(folder: Path, names: Iterable[str]) -> str:
    """The SHA-256 of each file, by name, in the format of `sha256sum`."""
    return "".join(f"{sha256(folder / name)}  {name}\n" for name in sorted(names))


def _save_weights(network: DiscNet, path: Path) -> None:
    from safetensors.torch import save

    weights = {
        name: value.detach().half().contiguous()
        for name, value in sorted(network.state_dict().items())
        if not name.endswith("num_batches_tracked")
    }
    with write_whole(path) as temporary:
        temporary.write_bytes(save(weights))


def _export_ir(network: DiscNet, folder: Path) -> None:
    """network.xml and network.bin: input (1, 3, rows, columns of a strip), any number of rows."""
    openvino = import_openvino()
    columns = COLUMNS[1] - COLUMNS[0] + 1
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing warns of what OpenVINO handles
        model = openvino.convert_model(
            network.eval(),
            example_input=torch.zeros(1, 3, 64, columns),
            input=[openvino.PartialShape([1, 3, -1, columns])],
        )
    model.set_friendly_name("discs")
    for number, layer in enumerate(model.get_ordered_ops()):  # else names count up in a process
        layer.set_friendly_name(f"{layer.get_type_name()}_{number}")
    model.get_results()[0].set_friendly_name("rows")
    model.inputs[0].tensor.set_names({"strip"})
    model.outputs[0].tensor.set_names({"rows"})
    scratch = folder / ".part-network"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        openvino.save_model(model, str(scratch / "network.xml"), compress_to_fp16=True)
        for name in ("network.xml", "network.bin"):
            with write_whole(folder / name) as temporary:
                temporary.write_bytes((scratch / name).read_bytes())
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write(path: Path, text: str) -> None:
    with write_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
