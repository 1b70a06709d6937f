"""`models`: list, fetch, verify, remove, import, release and compare models."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sct_deepseg_general.cli._click import PATH, PROGRAM, SctGroup, flag, option

if TYPE_CHECKING:
    from sct_deepseg_general.evaluation.drift import Drift
    from sct_deepseg_general.zoo.index import Entry
    from sct_deepseg_general.zoo.install import Manner
    from sct_deepseg_general.zoo.model import Model
    from sct_deepseg_general.zoo.zoo import Line, Zoo

__all__ = ["command"]

_EPILOG = f"""\
Examples:
  {PROGRAM} models list
  {PROGRAM} models fetch -m sct-contrast-agnostic@4.0 -trust
  {PROGRAM} models fetch -from sc-general-0.2.0.zip
  {PROGRAM} models diff -m sc-general@0.1.0 sc-general@0.2.0 -bids dataset/ -o drift/

Models lie in a folder of the user's cache, or where SCT_DEEPSEG_GENERAL_MODELS says (several
folders as in PATH; the first that can be written to is fetched into).
SCT_DEEPSEG_GENERAL_OFFLINE=1 forbids the network.
"""


@click.group(cls=SctGroup, epilog=_EPILOG)
def command() -> None:
    """List, fetch, verify, remove, import, release and compare models."""


_JSON = flag("-json", to="as_json", help="Print JSON.")
_NAME = option("-m", to="name", help="Model: id (its newest version) or id@version.")
_ONE = option("-m", to="name", required=True, help="Model: id (its newest version) or id@version.")
_OFFLINE = flag("-offline", help="Never use the network.")


@command.command("list", help="Models in the package, on this machine, and to be had.")
@_JSON
def list_models(as_json: bool) -> None:
    lines = _zoo().lines()
    _print_lines(lines, as_json=as_json)


@command.command(help="What a model is for: its record and its card.")
@_NAME
@_JSON
def info(name: str | None, as_json: bool) -> None:
    zoo = _zoo()
    key = zoo.find(name)
    entry = zoo.index.find(key)
    if entry is not None and zoo.shelf.load(key) is None:
        _print_entry(entry, as_json=as_json)
        return
    _print_model(zoo.here(name), as_json=as_json)


@command.command(help="Install a model, from the network or from a file.")
@_NAME
@option("-from", to="archive", type=PATH, help="Archive that was brought by other means.")
@flag("-trust", help="Take an archive whose hash nobody published; the hash is recorded.")
@_OFFLINE
@_JSON
def fetch(
    name: str | None, archive: Path | None, trust: bool, offline: bool, as_json: bool
) -> None:
    if name is None and archive is None:
        raise click.UsageError("Name a model with -m, or a file with -from.")
    with _manner(trust=trust, offline=offline) as manner:
        zoo = _zoo()
        model = zoo.install(archive, name, manner) if archive else zoo.obtain(name, manner)
    _print_place(model, as_json=as_json)


@command.command(help="Hash every byte of the models on this machine again.")
@_NAME
@_JSON
def verify(name: str | None, as_json: bool) -> int:
    lines = _zoo().verify(name)
    _print_lines(lines, as_json=as_json)
    return 0 if all(line.check == "verified" for line in lines) else 1


@command.command(help="Take an installed model off the disk.")
@_ONE
@_JSON
def remove(name: str, as_json: bool) -> None:
    folder = _zoo().remove(name)
    print(json.dumps({"removed": str(folder)}) if as_json else f"Removed {folder}")


@command.command("path", help="The folder of a model on this machine.")
@_NAME
@_JSON
def path_of(name: str | None, as_json: bool) -> None:
    model = _zoo().here(name)
    print(json.dumps(_place(model)) if as_json else model.folder)


@command.command("import", help="Make a model of nnU-Net results, such as SCT's releases.")
@option("-i", to="source", type=PATH, required=True, help="Results folder, or a zip of it.")
@option("-id", to="key", required=True, help="Name of the model: id@version.")
@option("-o", to="output", type=PATH, required=True, help="New folder for the model.")
@option("-label", default="sc", help="Name of the cord's label in its dataset.json.")
@option("-title", default="Imported model", help="Title in listings.")
@option("-contrast", multiple=True, help="Contrasts it is for.")
@option("-licence", default="unknown", help="Its licence.")
@option("-citation", default="unknown", help="How to cite it.")
@_JSON
def import_model(source: Path, key: str, output: Path, as_json: bool, **told: Any) -> None:
    _print_place(_converted(source, output, _entry(key, told)), as_json=as_json)


@command.command(help="Pack a trained model as a release: bundle, SCT's layout, index entry.")
@option("-from", to="trained", type=PATH, required=True, help="Model folder with evaluation.csv.")
@option("-id", to="key", required=True, help="Name of the release: id@version.")
@option("-o", to="output", type=PATH, required=True, help="New folder for the release.")
@option("-replaces", to="previous", help="Model it is compared with.  [default: newest of the id]")
@option("-url", to="urls", multiple=True, help="Where the bundle will lie (mirrors in order).")
@option("-accept", help="Why a release that is worse than the previous one is right.")
@flag("-embed", help="Also put it into the package in place of the one of its id, and pin it.")
@_JSON
def release(trained: Path, key: str, output: Path, embed: bool, as_json: bool, **rest: Any) -> None:
    module = _training("release.release")
    previous = _previous(key, rest["previous"])
    urls, accept = rest["urls"], rest["accept"]
    made = module.release(trained, key, output, previous=previous, urls=urls, accept=accept)
    paths = {name: str(getattr(made, name)) for name in ("bundle", "sct", "entry", "checksums")}
    shown = {"id": made.model.key, "digest": made.model.digest, **paths}
    if embed:
        from sct_deepseg_general.zoo import pin as pinning

        embedded = pinning.embed(made.model, _zoo().shelf.package)
        shown["embedded"] = str(embedded.folder)
    _print_pairs(shown, as_json=as_json)


@command.command("pin", help="Write the embedded models' hashes into the package's index.")
@_JSON
def pin_models(as_json: bool) -> None:
    from sct_deepseg_general.zoo.pin import pin

    package = _zoo().shelf.package
    changed = pin(package)
    if as_json:
        print(json.dumps({"package": str(package), "pinned": changed}))
    else:
        print(f"{package}: {', '.join(changed) or 'nothing'} changed.")


@command.command(help="Drift between two versions on the same images: Dice, CSA, scale factor.")
@option("-m", to="names", multiple=True, required=True, help="Two models: the first is the base.")
@option("-bids", type=PATH, multiple=True, required=True, help="BIDS datasets.")
@option("-o", to="output", type=PATH, help="New folder for the table and the plot.")
@option("-contrast", multiple=True, help="Contrasts to take.  [default: all]")
@option("-engine", default="auto", help="auto, openvino, torch or nnunet.")
@option("-device", default="auto", help="auto, cpu, cuda, cuda:N or mps.")
@_OFFLINE
@_JSON
def diff(
    names: tuple[str, ...], bids: tuple[Path, ...], output: Path | None, as_json: bool, **rest: Any
) -> None:
    if len(names) != 2:
        raise click.UsageError("Name two models with -m.")
    from sct_deepseg_general.evaluation import drift
    from sct_deepseg_general.study.models import segmenter
    from sct_deepseg_general.zoo.zoo import resolve

    models = [resolve(name, offline=rest["offline"]) for name in names]
    a, b = (segmenter(model, rest["engine"], rest["device"]) for model in models)
    images = list(_images(bids, rest["contrast"]))
    with click.progressbar(images, label="Comparing", file=sys.stderr) as bar:
        found = list(drift.pairs(bar, a, b))
    drifts = drift.drift(found)
    _print_drifts(drifts, (models[0].key, models[1].key), as_json=as_json)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        drift.write_pairs(found, output / "drift.csv")
        drift.bland_altman(found, (models[0].key, models[1].key), output / "bland_altman.png")


def _zoo() -> Zoo:
    from sct_deepseg_general.zoo.zoo import standard_zoo

    zoo = standard_zoo()
    zoo.shelf.sweep()
    return zoo


@contextmanager
def _manner(*, trust: bool, offline: bool) -> Iterator[Manner]:
    """How to fetch from a terminal, with a progress bar while it lasts."""
    from sct_deepseg_general.zoo.install import Manner
    from sct_deepseg_general.zoo.zoo import is_offline

    with click.progressbar(length=0, label="Downloading", file=sys.stderr) as bar:

        def progress(done: int, size: int | None) -> None:
            bar.length = size or max(done, bar.length or 0)
            bar.update(done - bar.pos)

        yield Manner(
            offline=is_offline(flag=offline),
            trust=trust,
            converter=_converted,
            say=lambda sentence: print(sentence, file=sys.stderr),
            progress=progress,
        )


def _converted(source: Path, folder: Path, entry: Entry) -> Model:
    model: Model = _training("release.nnunet_results").import_results(source, folder, entry)
    return model


def _training(name: str) -> Any:
    """A module that needs torch."""
    from importlib import import_module

    from sct_deepseg_general.errors import BackendError

    try:
        return import_module(f"sct_deepseg_general.{name}")
    except ImportError as error:
        raise BackendError(
            f"This needs {error.name}: pip install 'sct-deepseg-general[torch]'."
        ) from error


def _entry(key: str, told: dict[str, Any]) -> Entry:
    from sct_deepseg_general.zoo.index import Entry
    from sct_deepseg_general.zoo.model import split_key

    name, version = split_key(key)
    if version is None:
        raise click.UsageError(f"-id needs a version: {name}@1.0 or the like.")
    return Entry(
        id=name,
        version=version,
        kind="nnunet",
        title=told["title"],
        contrasts=told["contrast"],
        orientation=None,
        spacing=None,
        labels=(("background", 0), (told["label"], 1)),
        size=None,
        urls=(),
        sha256=None,
        digest=None,
        licence=told["licence"],
        citation=told["citation"],
        date=None,
        replaces=None,
        embedded=False,
    )


def _previous(key: str, name: str | None) -> Model | None:
    """The model that a release replaces: the named one, or the newest older one of its id."""
    from sct_deepseg_general.zoo.model import sorted_version, split_key
    from sct_deepseg_general.zoo.zoo import resolve

    if name is not None:
        return resolve(name, offline=True)
    zoo, (wanted, version) = _zoo(), split_key(key)
    places = (place.key.split("@") for place in zoo.shelf.places())
    older = [
        found
        for one, found in places
        if one == wanted and sorted_version(found) < sorted_version(version or "0")
    ]
    return zoo.here(f"{wanted}@{max(older, key=sorted_version)}") if older else None


def _images(bids: Iterable[Path], contrasts: tuple[str, ...]) -> Iterator[tuple[str, str, Path]]:
    from sct_deepseg_general.bids import DatasetSelection, index

    for root in bids:
        for case in index(root, DatasetSelection(contrasts=contrasts)).cases:
            yield case.name, case.contrast, case.image


def _print_lines(lines: Iterable[Line], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([{**vars(line), "folder": _text(line.folder)} for line in lines]))
        return
    print(f"{'MODEL':32} {'STATE':10} {'SIZE':>9}  {'HASHES':12} CONTRASTS")
    for line in lines:
        size = "" if line.size is None else f"{line.size / 1e6:.1f} MB"
        print(
            f"{line.key:32} {line.state:10} {size:>9}  {line.check:12} {', '.join(line.contrasts)}"
        )


def _print_model(model: Model, *, as_json: bool) -> None:
    card = model.path("card.md").read_text(encoding="utf-8")
    if as_json:
        record = json.loads(model.path("model.json").read_text(encoding="utf-8"))
        print(json.dumps({**record, **_place(model), "card": card}))
        return
    print(f"{model.key}  {model.folder}  SHA-256 {model.digest}\n")
    print(_printable(card))


def _print_entry(entry: Entry, *, as_json: bool) -> None:
    from sct_deepseg_general.zoo.index import as_json as entry_as_json

    if as_json:
        print(json.dumps(json.loads(entry_as_json(entry))))
        return
    print(f"{entry.key}: {entry.title} (not installed)")
    unknown = {"sha256": "not published; 'models fetch -trust' records the one it gets"}
    for name in ("contrasts", "orientation", "spacing", "size", "urls", "sha256", "licence"):
        value = getattr(entry, name)
        shown = ", ".join(map(str, value)) if isinstance(value, tuple) else value
        print(f"  {name:12} {unknown.get(name, 'not known') if value is None else shown}")
    print(f"  {'citation':12} {entry.citation}")


def _print_place(model: Model, *, as_json: bool) -> None:
    print(json.dumps(_place(model)) if as_json else f"{model.key} is in {model.folder}")


def _print_pairs(shown: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(shown))
        return
    for name, value in shown.items():
        print(f"{name:10} {value}")


def _print_drifts(drifts: Iterable[Drift], keys: tuple[str, str], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([{**_finite(vars(one)), "a": keys[0], "b": keys[1]} for one in drifts]))
        return
    print(f"{keys[1]} against {keys[0]}; areas of {keys[1]} times SCALE compare with {keys[0]}'s")
    print(
        f"{'CONTRAST':12} {'N':>4} {'DICE':>6} {'CSA mm²':>8} {'%':>6}  {'95 % OF IMAGES':16} SCALE"
    )
    for one in drifts:
        limits = f"{one.low:+.2f} to {one.high:+.2f}"
        scale = f"{one.scale:.4f} [{one.scale_low:.4f}, {one.scale_high:.4f}]"
        print(
            f"{one.contrast:12} {one.images:4} {one.dice:6.3f} {one.bias:+8.2f} "
            f"{one.bias_percent:+6.2f}  {limits:16} {scale}"
            + (f"  ({one.lost} without common cord)" if one.lost else "")
        )


def _place(model: Model) -> dict[str, str]:
    return {"id": model.key, "folder": str(model.folder), "digest": model.digest}


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """NaN is no JSON: null stands for it."""
    return {name: None if value != value else value for name, value in values.items()}  # noqa: PLR0124


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _printable(text: str) -> str:
    """A stranger's text without what could steer a terminal."""
    return "".join(one for one in text if one.isprintable() or one in "\n\t")
