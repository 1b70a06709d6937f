"""`models`: list, fetch, verify, remove, import, release and compare models."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sct_deepseg_general.cli._click import PATH, PROGRAM, SctGroup, flag, option, takes
from sct_deepseg_general.cli.options.models import DiffFlags, ImportFlags, ReleaseFlags
from sct_deepseg_general.cli.screens.models import (
    place_of,
    print_drifts,
    print_entry,
    print_imported,
    print_licence,
    print_model,
    print_pairs,
    print_place,
    print_statuses,
)
from sct_deepseg_general.errors import required

if TYPE_CHECKING:
    from sct_deepseg_general.zoo.index import IndexEntry
    from sct_deepseg_general.zoo.model import Model
    from sct_deepseg_general.zoo.zoo import Zoo

__all__ = ["command"]

_EPILOG = f"""\
Examples:
  {PROGRAM} models list
  {PROGRAM} models fetch -task spinalcord -trust
  {PROGRAM} models fetch -from sc-general-0.2.0.zip
  {PROGRAM} models diff -m sc-general@0.1.0 sc-general@0.2.0 -bids dataset/ -o drift/

Models are installed in the user's cache folder, or in the folder that the environment variable
SCT_DEEPSEG_GENERAL_MODELS names. It may name several, separated as in PATH: models are read from
all and installed in the first that can be written to. SCT_DEEPSEG_GENERAL_OFFLINE=1 forbids all
use of the network.
"""


@click.group(cls=SctGroup, epilog=_EPILOG)
def command() -> None:
    """List, fetch, verify, remove, import, release and compare models."""


_JSON = flag("-json", "--json", to="as_json", help="Print JSON.")
_MODEL = "Model: id (its newest version) or id@version."
_NAME = option("-m", to="name", help=_MODEL)
_ONE = option("-m", to="name", required=True, help=_MODEL)
_OR_EMBEDDED = option("-m", to="name", help=f"{_MODEL}  [default: the embedded]")
_OR_ALL = option("-m", to="name", help=f"{_MODEL}  [default: all]")
_OFFLINE = flag("-offline", help="Never use the network.")


@command.command("list", help="List the models embedded, installed and available.")
@_JSON
def list_models(as_json: bool) -> None:
    from sct_deepseg_general.levels.record import embedded_status

    lines = (*_zoo().statuses(), embedded_status())
    print_statuses(lines, as_json=as_json)


@command.command(help="Show the record and the card of a model.")
@_OR_EMBEDDED
@_JSON
def info(name: str | None, as_json: bool) -> None:
    if _is_levels(name):
        _print_levels(as_json=as_json)
        return
    zoo = _zoo()
    key = zoo.find(name)
    entry = zoo.index.find(key)
    if entry is not None and zoo.cache.load(key) is None:
        print_entry(entry, as_json=as_json)
        return
    print_model(zoo.here(name), as_json=as_json)


@command.command(help="Install a model, from the network or from a file.")
@_NAME
@option("-task", help="SCT's name of the task, instead of -m.")
@option(
    "-from",
    to="files",
    type=PATH,
    multiple=True,
    help="Archive (or archives, one for each fold) that you downloaded by other means.",
)
@flag("-trust", help="Accept an archive without published checksum; it is then recorded.")
@_OFFLINE
@_JSON
def fetch(
    name: str | None,
    task: str | None,
    files: tuple[Path, ...],
    trust: bool,
    offline: bool,
    as_json: bool,
) -> None:
    from sct_deepseg_general.cli.options.segment import fetch_options
    from sct_deepseg_general.zoo.zoo import task_key

    if task is not None:
        name = task_key(task)
    if name is None and not files:
        raise click.UsageError("Name a model with -m or -task, or a file with -from.")
    with fetch_options(trust=trust, offline=offline) as options:
        zoo = _zoo()
        if not as_json and name is not None:
            print_licence(zoo, name)
        model = zoo.install(files, name, options) if files else zoo.obtain(name, options)
    if model.preprocessing is None:
        print_place(model, as_json=as_json)
    else:
        print_imported(model, as_json=as_json)


@command.command(help="Check the installed models against their checksums.")
@_OR_ALL
@_JSON
def verify(name: str | None, as_json: bool) -> int:
    from sct_deepseg_general.levels.record import embedded_status

    discs = (embedded_status(),) if name is None or _is_levels(name) else ()
    lines = discs if _is_levels(name) else (*_zoo().verify(name), *discs)
    print_statuses(lines, as_json=as_json)
    return 0 if all(line.check == "verified" for line in lines) else 1


@command.command(help="Remove an installed model.")
@_ONE
@_JSON
def remove(name: str, as_json: bool) -> None:
    folder = _zoo().remove(name)
    print(json.dumps({"removed": str(folder)}) if as_json else f"Removed {folder}")


@command.command("path", help="Print the folder of an installed model.")
@_OR_EMBEDDED
@_JSON
def path_of(name: str | None, as_json: bool) -> None:
    from sct_deepseg_general.levels.record import embedded_model

    model = embedded_model() if _is_levels(name) else _zoo().here(name)
    print(json.dumps(place_of(model)) if as_json else model.folder)


@command.command("import", help="Convert nnU-Net results (such as SCT's) to a model.")
@option(
    "-i",
    to="sources",
    type=PATH,
    multiple=True,
    required=True,
    help="Results folder or its zip archive, or one for each fold.",
)
@option("-id", to="key", required=True, help="Name of the model: id@version.")
@option("-o", to="output", type=PATH, required=True, help="New folder for the model.")
@option("-label", to="cord", help="Label that is the spinal cord.  [default: sc or the like]")
@option("-orientation", help="Orientation in SCT's letters.  [default: the release's]")
@option("-title", default="Imported model", help="Title in listings.")
@option("-contrast", to="contrasts", multiple=True, help="Contrasts that it is for.")
@option("-licence", default="unknown", help="Its licence.")
@option("-citation", default="unknown", help="How to cite it.")
@_JSON
@takes(ImportFlags)
def import_model(given: ImportFlags) -> int:
    from sct_deepseg_general.cli.options.segment import converted

    entry = _entry(given)
    with required("Converting nnU-Net results", "torch"):
        from sct_deepseg_general.release.nnunet_results import ImportOptions
    chosen = ImportOptions(given.cord, given.orientation)
    model = converted(given.sources, given.output, entry, chosen)
    print_imported(model, as_json=given.as_json)
    return 0


@command.command(help="Add entries to your own index of models.")
@option("-i", to="file", type=PATH, required=True, help="Index, or entry as 'release' writes it.")
@_JSON
def add(file: Path, as_json: bool) -> None:
    from sct_deepseg_general.zoo.zoo import add_entries

    names = add_entries(file)
    print(json.dumps({"added": names}) if as_json else f"Added {', '.join(names)}")


@command.command(help="Add faster int8 networks to an imported model.")
@_ONE
@option(
    "-i",
    to="images",
    type=PATH,
    multiple=True,
    required=True,
    help="Sample images of the kind that the model is for.",
)
@_JSON
def quantise(name: str, images: tuple[Path, ...], as_json: bool) -> None:
    from sct_deepseg_general.image import nifti
    from sct_deepseg_general.zoo.zoo import resolve

    with required("Quantising a network", "int8"):
        from sct_deepseg_general.release.quantise import quantise as quantised
    model = resolve(name, offline=True)
    made = quantised(model, [nifti.load(image) for image in images])
    shown = {**place_of(made.model), "dice": f"{made.dice:.4f}"}
    print_pairs(shown, as_json=as_json)


@command.command(help="Pack a trained model as a release.")
@option("-from", to="trained", type=PATH, required=True, help="Model folder with evaluation.csv.")
@option("-id", to="key", required=True, help="Name of the release: id@version.")
@option("-o", to="output", type=PATH, required=True, help="New folder for the release.")
@option("-replaces", to="previous", help="Model that it replaces.  [default: the newest of the id]")
@option(
    "-url", to="urls", multiple=True, help="Address of the bundle; several are tried in this order."
)
@option("-accept", help="Reason to release a model that is worse than the previous one.")
@flag("-embed", help="Also embed it in the package, in place of the model of the same id.")
@_JSON
@takes(ReleaseFlags)
def release(given: ReleaseFlags) -> int:
    with required("Making a release", "torch"):
        from sct_deepseg_general.release import release as releasing
    made = releasing.release(
        given.trained,
        given.key,
        given.output,
        previous=_previous(given),
        urls=given.urls,
        accept=given.accept,
    )
    paths = {name: str(getattr(made, name)) for name in ("bundle", "sct", "entry", "checksums")}
    shown = {"id": made.model.key, "digest": made.model.digest, **paths}
    if given.embed:
        from sct_deepseg_general.zoo import pin as pinning

        embedded = pinning.embed(made.model, _zoo().cache.package)
        shown["embedded"] = str(embedded.folder)
    print_pairs(shown, as_json=given.as_json)
    return 0


@command.command("pin", help="Write the embedded models' checksums into the index.")
@_JSON
def pin_models(as_json: bool) -> None:
    from sct_deepseg_general.zoo.pin import pin

    package = _zoo().cache.package
    changed = pin(package)
    if as_json:
        print(json.dumps({"package": str(package), "pinned": changed}))
    else:
        print(f"{package}: {', '.join(changed) or 'nothing'} changed.")


@command.command(help="Compare two models on the same images: Dice and areas.")
@option(
    "-m",
    to="names",
    multiple=True,
    required=True,
    help="Two models; the second is compared with the first.",
)
@option("-bids", type=PATH, multiple=True, required=True, help="BIDS datasets.")
@option("-o", to="output", type=PATH, help="New folder for the table and the plot.")
@option("-contrast", multiple=True, help="Contrasts to take.  [default: all]")
@option("-engine", default="auto", help="auto, openvino, torch or nnunet.")
@option("-device", default="auto", help="auto, cpu, cuda, cuda:N or mps.")
@_OFFLINE
@_JSON
@takes(DiffFlags)
def diff(given: DiffFlags) -> int:
    names, output = given.names, given.output
    if len(names) != 2:
        raise click.UsageError("Name two models with -m.")
    from sct_deepseg_general.evaluation import drift
    from sct_deepseg_general.job.outputs import check_folder
    from sct_deepseg_general.study.models import segmenter
    from sct_deepseg_general.zoo.zoo import resolve

    if output is not None:
        check_folder(output)
    models = [resolve(name, offline=given.offline) for name in names]
    a, b = (segmenter(model, given.engine, given.device) for model in models)
    images = list(_images(given.bids, given.contrast))
    with click.progressbar(images, label="Comparing", file=sys.stderr) as bar:
        found = list(drift.pairs(bar, a, b))
    drifts = drift.drift(found)
    print_drifts(drifts, (models[0].key, models[1].key), as_json=given.as_json)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        drift.write_pairs(found, output / "drift.csv")
        drift.bland_altman(found, (models[0].key, models[1].key), output / "bland_altman.png")
    return 0


def _zoo() -> Zoo:
    from sct_deepseg_general.zoo.zoo import standard_zoo

    zoo = standard_zoo()
    zoo.cache.sweep()
    return zoo


def _is_levels(name: str | None) -> bool:
    """Whether the name is that of the embedded network that finds vertebral levels."""
    from sct_deepseg_general.levels.record import EMBEDDED, embedded_status

    return name == EMBEDDED or (
        name is not None and name.startswith(f"{EMBEDDED}@") and name == embedded_status().key
    )


def _print_levels(*, as_json: bool) -> None:
    from sct_deepseg_general.levels.record import RECORD, embedded_model

    model = embedded_model()
    card = (model.folder / "card.md").read_text(encoding="utf-8")
    if as_json:
        record = json.loads((model.folder / RECORD).read_text(encoding="utf-8"))
        print(json.dumps({**record, **place_of(model), "card": card}))
        return
    print(f"{model.key}  {model.folder}  SHA-256 {model.digest}\n{card}")


def _entry(given: ImportFlags) -> IndexEntry:
    from sct_deepseg_general.zoo.index import file_entry
    from sct_deepseg_general.zoo.model import split_key

    name, version = split_key(given.key)
    if version is None:
        raise click.UsageError(f"-id needs a version: {name}@1.0 or the like.")
    return replace(
        file_entry(name, version),
        title=given.title,
        contrasts=given.contrasts,
        licence=given.licence,
        citation=given.citation,
    )


def _previous(given: ReleaseFlags) -> Model | None:
    """The model that a release replaces: the named one, or the newest older one of its id."""
    from sct_deepseg_general.zoo.zoo import resolve

    if given.previous is not None:
        return resolve(given.previous, offline=True)
    return _zoo().previous(given.key)


def _images(bids: Iterable[Path], contrasts: tuple[str, ...]) -> Iterator[tuple[str, str, Path]]:
    from sct_deepseg_general.bids.cases import DatasetSelection
    from sct_deepseg_general.bids.dataset import index

    for root in bids:
        for case in index(root, DatasetSelection(contrasts=contrasts)).cases:
            yield case.name, case.contrast, case.image
