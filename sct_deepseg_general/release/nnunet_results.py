"""Models made of networks trained and published elsewhere: nnU-Net's results, SCT's releases."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sct_deepseg_general import schema
from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.inference.nnunet import build_network, fill, load_network
from sct_deepseg_general.release.checkpoint import read_checkpoint, written_checkpoint
from sct_deepseg_general.release.export import export_ir, save_weights
from sct_deepseg_general.release.results_folder import Results, found_results, unpacked
from sct_deepseg_general.schema import raising, read_json
from sct_deepseg_general.zoo.archive import pack, seal, sync, sync_folder
from sct_deepseg_general.zoo.cache import clear
from sct_deepseg_general.zoo.index import IndexEntry
from sct_deepseg_general.zoo.labels import LabelScheme, label_scheme
from sct_deepseg_general.zoo.model import Model
from sct_deepseg_general.zoo.plans import Plans, read_plans, resolved_configuration
from sct_deepseg_general.zoo.record import ORIENTATION, LabelValues, Preprocessing

__all__ = ["ImportOptions", "import_results", "pack_for_sct"]

_SCT_ORIENTATION = "LPI"
"""SCT's orientation for a network whose dataset.json states none."""
_SCT_EXCEPTION = ("RegionBasedLesionSeg", "AIL")
"""A word in the dataset's name for which SCT uses another orientation instead."""
_TRAINER = "nnUNetTrainer"
_MARGIN = 20.0
"""Distance in mm kept around the cord, where a release states none."""


@dataclass(frozen=True)
class ImportOptions:
    """What a person may say about a network that its files do not."""

    cord: str | None = None
    """The label that is the spinal cord."""
    orientation: str | None = None
    """SCT's letters of the orientation that the network expects."""
    progress: Callable[[int, int], None] = lambda _done, _total: None
    """Called with the folds that are converted, and the folds in all."""


def import_results(
    sources: Sequence[Path], folder: Path, entry: IndexEntry, options: ImportOptions | None = None
) -> Model:
    """Convert nnU-Net results, as SCT publishes them, to a model folder.

    The network keeps all its labels. A network whose axes were reordered by the plan keeps its
    weights; the model's orientation describes the reordering. No code of the results is run.

    Parameters
    ----------
    sources : sequence of Path
        Results folders, or zip archives of them: one, or one for each fold.
    folder : Path
        The new model folder. It appears complete or not at all.
    entry : IndexEntry
        The model's name, licence and so on, as in the index.
    options : ImportOptions, optional
        What the files do not say.

    Returns
    -------
    Model
        The model in `folder`.

    Raises
    ------
    ModelError
        These are no such results, the plan and the weights do not belong together, or the
        checkpoint or the plan holds what may not be built.
    """
    options = options or ImportOptions()
    if folder.exists():
        raise ModelError(f"{folder} exists already: name a new folder.")
    scratch = folder.with_name(f".{folder.name.lstrip('.')}.import")
    clear(scratch)
    try:
        scratch.mkdir(parents=True)
        results = found_results(sources, unpacked(sources, scratch))
        model = _imported(results, scratch / "model", entry, options)
        sync_folder(model.folder)
        model.folder.replace(folder)
        sync(folder.parent)
    finally:
        clear(scratch)
    return Model.load(folder)


def pack_for_sct(model: Model, archive: Path) -> None:
    """Write the model as a zip in nnU-Net's layout: `sct_deepseg <task> -install -custom-url`.

    The same model gives the same bytes with the same version of torch.
    """
    plans = read_plans(model.path("plans.json"), model.configuration)
    top = f"{model.id}-{model.version}/{_TRAINER}__{plans.name}__{plans.configuration}"
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
            path = scratch / f"fold_{number}.pth"
            members[f"{top}/fold_{number}/checkpoint_final.pth"] = path
            path.write_bytes(_checkpoint(model, fold, number, dataset))
        pack(members, archive)
    finally:
        clear(scratch)


def _imported(results: Results, folder: Path, entry: IndexEntry, options: ImportOptions) -> Model:
    first = read_checkpoint(results.folds[0])
    plans = read_plans(results.plans, first.configuration)
    dataset = _dataset(results, plans, entry)
    scheme = _scheme(dataset, results)
    if options.cord is not None:
        scheme.label(options.cord)
    orientation = _orientation(dataset, plans, results, options)
    folder.mkdir()
    _write_json(folder / "plans.json", _upright_plans(read_json(results.plans), plans))
    _write_json(folder / "dataset.json", {**dataset, "image_orientation": orientation})
    folds = _write_networks(results, folder, plans, options)
    record = _record(entry, plans, dataset, orientation, folds, results, options)
    _write_card(folder, entry, plans, scheme, results, first.trainer)
    return seal(folder, record)


def _dataset(results: Results, plans: Plans, entry: IndexEntry) -> dict[str, Any]:
    """The dataset.json with whole numbers as values, and the name of the index for its label."""
    dataset = dict(results.dataset_json)
    labels = dataset.get("labels")
    channels = dataset.get("channel_names", dataset.get("modality"))
    if not isinstance(labels, dict) or not isinstance(channels, dict):
        raise ModelError(f"{results.dataset} names no labels or no channels.")
    if len(channels) != len(plans.normalisations):
        raise ModelError(
            f"{results.dataset} names {len(channels)} channels, and the plan "
            f"{len(plans.normalisations)}."
        )
    numbers = {str(name): _number(value, results) for name, value in labels.items()}
    if entry.only_label is not None and len(numbers) == 2:
        numbers = {
            name if name == "background" else entry.only_label: value
            for name, value in numbers.items()
        }
    return {**dataset, "labels": numbers, "channel_names": channels}


def _number(value: Any, results: Results) -> int | list[int]:
    """A label's value, or values; nnU-Net takes texts such as "1" for numbers."""
    try:
        if isinstance(value, list):
            return [int(one) for one in value]
        return int(value)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"{results.dataset} gives a label the value {value!r:.60}, not a number."
        ) from error


def _scheme(dataset: Mapping[str, Any], results: Results) -> LabelScheme:
    order = dataset.get("regions_class_order")
    values = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in dataset["labels"].items()
    }
    return label_scheme(
        values, None if order is None else tuple(map(int, order)), str(results.dataset)
    )


def _orientation(
    dataset: Mapping[str, Any], plans: Plans, results: Results, options: ImportOptions
) -> str:
    """SCT's letters of x, y, z such that the array z, y, x is what the network sees."""
    word, exception = _SCT_EXCEPTION
    usual = exception if word in plans.dataset else _SCT_ORIENTATION
    letters = options.orientation or dataset.get("image_orientation", usual)
    if not isinstance(letters, str) or not re.fullmatch(ORIENTATION, letters):
        where = "-orientation" if options.orientation else results.dataset
        raise ModelError(f"'{letters}' ({where}) is not an orientation in SCT's letters.")
    if sorted(plans.transposed) != [0, 1, 2]:
        raise ModelError(f"{results.plans} reorders axes that do not exist.")
    network = [letters[::-1][axis] for axis in plans.transposed]
    return "".join(reversed(network))


def _upright_plans(content: Mapping[str, Any], plans: Plans) -> dict[str, Any]:
    """The plan of this one configuration, without reordering, which the orientation describes."""
    settings = resolved_configuration(content, plans.configuration)
    return {
        **content,
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {plans.configuration: settings},
    }


def _write_networks(
    results: Results, folder: Path, plans: Plans, options: ImportOptions
) -> tuple[str, ...]:
    """The safetensors and the IR of each fold; gives the names of the folds."""
    names = []
    for number, path in enumerate(results.folds):
        options.progress(number, len(results.folds))
        checkpoint = read_checkpoint(path)
        if checkpoint.configuration != plans.configuration:
            raise ModelError(
                f"{path} is of the configuration {checkpoint.configuration}, and the first fold "
                f"is of {plans.configuration}: they are not one model."
            )
        network = build_network(folder / "plans.json", folder / "dataset.json", plans.configuration)
        fill(network, checkpoint.weights, str(path))
        name = path.parent.name
        save_weights(network, folder / f"{name}.safetensors")
        channels = len(plans.normalisations)
        export_ir(network, folder, _network_name(name), channels=channels, half=False, lean=True)
        names.append(name)
    options.progress(len(results.folds), len(results.folds))
    return tuple(names)


def _network_name(fold: str) -> str:
    return f"network-{fold}"


def _write_card(
    folder: Path,
    entry: IndexEntry,
    plans: Plans,
    scheme: LabelScheme,
    results: Results,
    trainer: str,
) -> None:
    kind = "overlapping regions" if scheme.painted else "classes that exclude each other"
    folds = ", ".join(f"{path.parent.name} ({path.name})" for path in results.folds)
    hashes = "".join(f"- `{name}`: {hashed}\n" for name, hashed in results.sources.items())
    card = (
        f"# {entry.title}\n\nImported from nnU-Net results published elsewhere. Not evaluated by "
        f"this program.\n\n"
        f"- From: {', '.join(entry.urls) or 'a file'}\n- Licence: {entry.licence}\n"
        f"- Citation: {entry.citation}\n"
        f"- Configuration: {plans.configuration}, trained by {trainer:.100}\n"
        f"- Folds: {folds}\n- Labels: {', '.join(scheme.names)} ({kind})\n\n"
        f"SHA-256 of the files it was converted from:\n\n{hashes}"
    )
    (folder / "card.md").write_bytes(card.encode())


def _record(
    entry: IndexEntry,
    plans: Plans,
    dataset: Mapping[str, Any],
    orientation: str,
    folds: tuple[str, ...],
    results: Results,
    options: ImportOptions,
) -> Mapping[str, Any]:
    preprocessing = Preprocessing(
        configuration=plans.configuration,
        normalisations=plans.normalisations,
        image=plans.image,
        logits=plans.logits,
    )
    regions = any(isinstance(v, list) and len(v) > 1 for v in dataset["labels"].values())
    labels: LabelValues = dataset["labels"]
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
        "labels": labels,
        "region_order": list(dataset["regions_class_order"]) if regions else None,
        "cord": options.cord,
        "threshold": 0.5,
        "margin": _MARGIN,
        "locator": None,
        "folds": [f"{fold}.safetensors" for fold in folds],
        "networks": [_network_name(fold) for fold in folds],
        "channels": [str(name) for name in dataset["channel_names"].values()],
        "vote": entry.vote,
        "preprocessing": schema.as_json(preprocessing),
        "crop": None if results.crop is None else schema.as_json(results.crop),
        "whole_image": entry.whole_image,
        "largest": None if entry.largest is None else list(entry.largest),
        "sources": dict(results.sources),
        "intervals": None,
        "licence": entry.licence,
        "citation": entry.citation,
        "date": entry.date or "1970-01-01",
        "replaces": entry.replaces,
    }


def _checkpoint(model: Model, fold: str, number: int, dataset: Mapping[str, Any]) -> bytes:
    """The checkpoint of one fold of a model."""
    plans, names = model.path("plans.json"), model.path("dataset.json")
    network = load_network(plans, names, model.path(fold), model.configuration)
    with raising(ModelError):
        content = read_json(plans)
    weights = network.state_dict()
    return written_checkpoint(weights, _TRAINER, number, content, dataset, model.configuration)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with write_whole(path) as temporary:
        temporary.write_bytes((json.dumps(content, indent=2) + "\n").encode())
