"""What `models` prints: lists, records, places and drifts, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sct_deepseg_general.evaluation.drift import Drift
    from sct_deepseg_general.levels.record import DiscModel
    from sct_deepseg_general.zoo.index import IndexEntry
    from sct_deepseg_general.zoo.model import Model
    from sct_deepseg_general.zoo.zoo import ModelStatus, Zoo

__all__ = [
    "place_of",
    "print_drifts",
    "print_entry",
    "print_imported",
    "print_licence",
    "print_model",
    "print_pairs",
    "print_place",
    "print_statuses",
]


def print_statuses(lines: Iterable[ModelStatus], *, as_json: bool) -> None:
    """A line for each model, grouped by what the models segment."""
    if as_json:
        print(json.dumps([{**vars(line), "folder": _text(line.folder)} for line in lines]))
        return
    groups: dict[str, list[ModelStatus]] = {}
    for line in lines:
        groups.setdefault(line.segments or "other", []).append(line)
    print(f"{'MODEL':34} {'TASK':20} {'STATE':10} {'SIZE':>9}  {'HASHES':12} CONTRASTS")
    for group in sorted(groups, key=lambda one: (one != "spinal cord", one == "other", one)):
        print(f"{group}:")
        for line in groups[group]:
            size = "" if line.size is None else f"{line.size / 1e6:.1f} MB"
            print(
                f"  {line.key:32} {line.task or '':20} {line.state:10} {size:>9}  "
                f"{line.check:12} {', '.join(line.contrasts)}"
            )


def print_model(model: Model, *, as_json: bool) -> None:
    """The card of a model; as JSON, its record too."""
    card = model.path("card.md").read_text(encoding="utf-8")
    if as_json:
        record = json.loads(model.path("model.json").read_text(encoding="utf-8"))
        print(json.dumps({**record, **place_of(model), "card": card}))
        return
    print(f"{model.key}  {model.folder}  SHA-256 {model.digest}\n")
    print(_printable(card))


def print_entry(entry: IndexEntry, *, as_json: bool) -> None:
    """What the index says of a model that is not installed."""
    from sct_deepseg_general.zoo.index import as_json as entry_as_json

    if as_json:
        print(json.dumps(json.loads(entry_as_json(entry))))
        return
    print(f"{entry.key}: {entry.title} (not installed)")
    unknown = {"sha256": "not published; 'models fetch -trust' records the one it gets"}
    fields = ("task", "segments", "contrasts", "orientation", "spacing", "labels", "size", "urls")
    for name in (*fields, "sha256", "licence", "unknown"):
        value = getattr(entry, name)
        shown = ", ".join(map(str, value)) if isinstance(value, (tuple, dict)) else value
        print(f"  {name:12} {unknown.get(name, 'not known') if value is None else shown}")
    print(f"  {'citation':12} {entry.citation}")


def print_place(model: Model, *, as_json: bool) -> None:
    """Where a model is."""
    print(json.dumps(place_of(model)) if as_json else f"{model.key} is in {model.folder}")


def print_licence(zoo: Zoo, name: str) -> None:
    """The licence and the citation of a model in the index."""
    entry = zoo.index.find(zoo.find(name))
    if entry is not None:
        print(f"{entry.key}: {_printable(entry.title)}")
        print(f"Licence: {_printable(entry.licence)}")
        print(f"Please cite: {_printable(entry.citation)}")


def print_imported(model: Model, *, as_json: bool) -> None:
    """What was found in the results, and where the model is."""
    scheme = model.scheme
    kind = "regions" if scheme.painted else "classes"
    shown = {
        **place_of(model),
        "configuration": model.configuration,
        "folds": ", ".join(fold.removesuffix(".safetensors") for fold in model.folds),
        "labels": f"{', '.join(scheme.names)} ({kind})",
        "cord": model.cord_label or "none of them",
        "channels": ", ".join(model.channels),
        "orientation": model.orientation,
        "spacing": " x ".join(f"{mm:g}" for mm in model.spacing) + " mm",
        "size": f"{model.size / 1e6:.1f} MB",
    }
    if as_json:
        print(json.dumps({**shown, "sources": dict(model.sources)}))
        return
    print_pairs(shown, as_json=False)
    for name, hashed in model.sources.items():
        print(f"{'from':13} {_printable(name)}  SHA-256 {hashed}")


def print_pairs(shown: dict[str, str], *, as_json: bool) -> None:
    """A line for each name and value."""
    if as_json:
        print(json.dumps(shown))
        return
    width = max(map(len, shown))
    for name, value in shown.items():
        print(f"{name:{width}} {value}")


def print_drifts(drifts: Iterable[Drift], keys: tuple[str, str], *, as_json: bool) -> None:
    """A line for each contrast: Dice, difference of the areas (mm², %) and the scale between
    models.
    """
    if as_json:
        print(json.dumps([{**_finite(vars(one)), "a": keys[0], "b": keys[1]} for one in drifts]))
        return
    print(f"{keys[1]} against {keys[0]}; areas of {keys[1]} times SCALE compare with {keys[0]}'s")
    print(
        f"{'CONTRAST':12} {'N':>4} {'DICE':>6} {'CSA mm²':>8} {'%':>6}  {'95 % OF IMAGES':16} SCALE"
    )
    for one in drifts:
        limits = "-" if isnan(one.low) else f"{one.low:+.2f} to {one.high:+.2f}"
        scale = f"{one.scale:.4f}"
        if not isnan(one.scale_low):
            scale += f" [{one.scale_low:.4f}, {one.scale_high:.4f}]"
        print(
            f"{one.contrast:12} {one.images:4} {one.dice:6.3f} {one.bias:+8.2f} "
            f"{one.bias_percent:+6.2f}  {limits:16} {scale}"
            + (f"  ({one.lost} without common cord)" if one.lost else "")
        )


def place_of(model: Model | DiscModel) -> dict[str, str]:
    """Key, folder and digest of a model, for JSON."""
    return {"id": model.key, "folder": str(model.folder), "digest": model.digest}


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """NaN is no JSON: null stands for it."""
    return {name: None if value != value else value for name, value in values.items()}  # noqa: PLR0124


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _printable(text: str) -> str:
    """A text without characters that could control the terminal."""
    return "".join(one for one in text if one.isprintable() or one in "\n\t")
