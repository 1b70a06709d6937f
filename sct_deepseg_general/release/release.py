"""A release: a trained model under a version of its own, packed for everyone who may want it.

A release is refused if its mean Dice on any contrast is below `LEAST_DICE`, or if it is worse than
the release it replaces, on any contrast, by more than `WORST_DICE` or `WORST_CSA`, unless a person
accepts that and says why; the reason is kept in the card. The same inputs give the same bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.evaluation.measurement import Measurement
from sct_deepseg_general.evaluation.tables import read_csv
from sct_deepseg_general.files import sha256, write_whole
from sct_deepseg_general.release.nnunet_results import pack_for_sct
from sct_deepseg_general.schema import read_json
from sct_deepseg_general.zoo.archive import pack, seal, sync, sync_folder
from sct_deepseg_general.zoo.cache import clear
from sct_deepseg_general.zoo.index import as_json
from sct_deepseg_general.zoo.model import MANIFEST, RECORD, Model, sorted_version, split_key
from sct_deepseg_general.zoo.pin import entry_of

__all__ = [
    "EVALUATION",
    "LEAST_DICE",
    "WORST_CSA",
    "WORST_DICE",
    "Regression",
    "Release",
    "regressions",
    "release",
]

EVALUATION = "evaluation.csv"
LEAST_DICE = 0.7
"""Mean Dice of a contrast that a release needs, the first one of a name too."""
WORST_DICE = 0.01
"""Most that the mean Dice of a contrast may fall."""
WORST_CSA = 1.0
"""Most, in percentage points, that the mean CSA of a contrast may move away from the reference."""


@dataclass(frozen=True)
class Regression:
    """A contrast on which the new model is worse than the old one by more than is allowed."""

    contrast: str
    measure: str
    """"Dice", or "CSA bias in %" of the reference."""
    old: float
    new: float

    def __str__(self) -> str:
        return f"{self.contrast}: {self.measure} {self.old:.3f} before, {self.new:.3f} now"


@dataclass(frozen=True)
class Release:
    """The files of a release, in its folder."""

    model: Model
    bundle: Path
    """The archive that `models fetch` installs."""
    sct: Path
    """The archive that `sct_deepseg <task> -install -custom-url` installs."""
    entry: Path
    """The entry for the index."""
    checksums: Path
    """SHA-256 of both archives, as `sha256sum -c` reads it."""


def release(
    trained: Path,
    key: str,
    folder: Path,
    *,
    previous: Model | None = None,
    urls: Sequence[str] = (),
    accept: str | None = None,
) -> Release:
    """Make the release of a trained model.

    Parameters
    ----------
    trained : Path
        The model folder, as training leaves it, with its evaluation.
    key : str
        The name of the release, id@version.
    folder : Path
        The new folder for the release; it appears complete or not at all.
    previous : Model, optional
        The release that this one replaces; it must not be better on any contrast.
    urls : sequence of str
        Where the bundle will lie; without any, the model is meant to be embedded.
    accept : str, optional
        The reason to release a model that is worse than the previous one.

    Returns
    -------
    Release
        The model, its bundles and its index entry, in `folder`.

    Raises
    ------
    ModelError
        The name, the folder or the evaluation will not do, the version is not newer
        than the previous one's, or the model is worse than the previous one and `accept`
        does not say why that is right.
    """
    name, version = _named(key, previous)
    source = Model.load(trained, full=True)
    doubts = _judged(source, previous, accept)
    if folder.exists():
        raise ModelError(f"{folder} exists already: name a new folder for the release.")
    scratch = folder.with_name(f".{folder.name}.release")
    clear(scratch)
    try:
        model = _sealed(source, scratch / key, name, version, previous, _note(doubts, accept))
        _packed(model, scratch, tuple(urls))
        sync_folder(scratch / key)
        sync_folder(scratch)
        scratch.replace(folder)
        sync(folder.parent)
    finally:
        clear(scratch)
    return _release(Model.load(folder / key, full=True), folder)


def regressions(new: Sequence[Measurement], old: Sequence[Measurement]) -> tuple[Regression, ...]:
    """Where `new` is worse than `old`, over the images that both were measured on.

    Raises
    ------
    ModelError
        There is no such image for a contrast of `old`.
    """
    paired = _paired(new, old)
    found = []
    for contrast in sorted({row.contrast for row in old}):
        pairs = [pair for pair in paired if pair[0].contrast == contrast]
        if not pairs:
            raise ModelError(
                f"The new evaluation has none of the {contrast} images of the previous one: "
                "evaluate both on the same images."
            )
        now, before = ([pair[side] for pair in pairs] for side in (0, 1))
        dice = Regression(contrast, "Dice", _dice(before), _dice(now))
        bias = Regression(contrast, "CSA bias in %", _bias(before), _bias(now))
        found += [dice] if dice.old - dice.new > WORST_DICE else []
        found += [bias] if abs(bias.new) - abs(bias.old) > WORST_CSA else []
    return tuple(found)


def _named(key: str, previous: Model | None) -> tuple[str, str]:
    name, version = split_key(key)
    if version is None:
        raise ModelError(f"A release needs a version: name it {name}@1.0.0 or the like.")
    if previous is not None and previous.id != name:
        raise ModelError(f"{key} cannot replace {previous.key}: it is another model.")
    if previous is not None and sorted_version(previous.version) >= sorted_version(version):
        raise ModelError(f"{key} is not newer than {previous.key}: give it a higher version.")
    return name, version


def _judged(source: Model, previous: Model | None, accept: str | None) -> tuple[str, ...]:
    """What speaks against the release, if `accept` says why it is made nevertheless."""
    if accept is not None and not accept.strip():
        raise ModelError("-accept must say why such a model is released.")
    new = _evaluation(source)
    poor = _poor(new)
    if poor and accept is None:
        raise ModelError(
            f"The model segments too poorly for a release ({'; '.join(poor)}; needed is "
            f"{LEAST_DICE}): train longer or on more images, or say with -accept why."
        )
    worse = regressions(new, _evaluation(previous)) if previous is not None else ()
    if worse and accept is None:
        raise ModelError(
            f"The model is worse than {previous.key if previous else ''} "
            f"({'; '.join(map(str, worse))}): it is not released, unless -accept says why."
        )
    return (*poor, *map(str, worse))


def _poor(rows: Sequence[Measurement]) -> tuple[str, ...]:
    """The contrasts whose mean Dice is below what a release needs."""
    contrasts = sorted({row.contrast for row in rows})
    means = {one: _dice([row for row in rows if row.contrast == one]) for one in contrasts}
    return tuple(
        f"{contrast}: mean Dice {dice:.3f}" for contrast, dice in means.items() if dice < LEAST_DICE
    )


def _evaluation(model: Model) -> tuple[Measurement, ...]:
    path = model.folder / EVALUATION
    if not path.is_file():
        raise ModelError(
            f"{model.folder} has no {EVALUATION}: run 'evaluate -m {model.folder}' first and put "
            "its table there."
        )
    rows = read_csv(path)
    if not rows:
        raise ModelError(f"{path} measures no image.")
    return rows


def _paired(
    new: Sequence[Measurement], old: Sequence[Measurement]
) -> list[tuple[Measurement, Measurement]]:
    before = {(row.image_sha256, row.label_sha256): row for row in old}
    pairs = [(row, before.get((row.image_sha256, row.label_sha256))) for row in new]
    return [(now, then) for now, then in pairs if then is not None]


def _dice(rows: Sequence[Measurement]) -> float:
    return float(np.mean([row.dice for row in rows]))


def _bias(rows: Sequence[Measurement]) -> float:
    """Mean CSA minus the reference's mean CSA, in percent of it."""
    reference = float(np.mean([row.reference_csa for row in rows]))
    return 100 * (float(np.mean([row.csa for row in rows])) - reference) / reference


def _note(doubts: Sequence[str], accept: str | None) -> str:
    if not doubts or accept is None:
        return ""
    lines = "".join(f"- {doubt}\n" for doubt in doubts)
    return f"\nBelow what a release needs:\n\n{lines}\nAccepted because: {accept.strip()}\n"


def _sealed(
    source: Model, folder: Path, name: str, version: str, previous: Model | None, note: str
) -> Model:
    """The source's files under the new name, with the release noted at the end of the card."""
    folder.mkdir(parents=True)
    for file in source.files:
        shutil.copyfile(source.folder / file, folder / file)
    shutil.copyfile(source.folder / EVALUATION, folder / EVALUATION)
    replaces = previous.key if previous is not None else None
    heading = f"\n## Release {name}@{version}\n\n- Date: {source.date}\n"
    heading += f"- Replaces: {replaces}\n" if replaces else ""
    with (folder / "card.md").open("ab") as card:
        card.write((heading + note).encode())
    record = dict(read_json(source.folder / RECORD))
    record.pop("files", None)
    return seal(folder, {**record, "id": name, "version": version, "replaces": replaces})


def _packed(model: Model, folder: Path, urls: tuple[str, ...]) -> None:
    made = _release(model, folder)
    names = (MANIFEST, RECORD, *model.files)
    pack({name: model.folder / name for name in names}, made.bundle)
    pack_for_sct(model, made.sct)
    _write(made.entry, as_json(entry_of(model, urls, made.bundle)) + "\n")
    archives = sorted((made.bundle, made.sct))
    _write(made.checksums, "".join(f"{sha256(path)}  {path.name}\n" for path in archives))


def _release(model: Model, folder: Path) -> Release:
    stem = f"{model.id}-{model.version}"
    return Release(
        model=model,
        bundle=folder / f"{stem}.zip",
        sct=folder / f"{stem}-sct.zip",
        entry=folder / f"{stem}.json",
        checksums=folder / "SHA256SUMS",
    )


def _write(path: Path, text: str) -> None:
    with write_whole(path) as temporary:
        temporary.write_bytes(text.encode())
