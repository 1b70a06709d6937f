"""The labelled images that the benchmarks measure on, and whose they are.

They are looked for in `$SCT_DEEPSEG_GENERAL_SHARED` (default: `shared` beside the repository),
in `data/train` and `data/dev`; where there is none, the samples of the tests stand in.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from sct_deepseg_general.inference.predictor import Predictor, load_predictor
from sct_deepseg_general.zoo.zoo import resolve

__all__ = [
    "ROOT",
    "Labelled",
    "asking",
    "each",
    "labelled",
    "people",
    "predictor",
    "shared",
    "shared_images",
]

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "tests" / "data"
SUFFIXES = ("_seg-manual.nii.gz", "_label-SC_seg.nii.gz")
SAME_PERSON = {"hyperintensity": "fakelesion"}
NOBODY = "PAM50"
"""The template is an average, not a person."""


@dataclass(frozen=True)
class Labelled:
    """An image with the mask that a person drew."""

    image: Path
    label: Path
    part: str
    """train, which the embedded model has seen, or dev, which it has not."""
    person: str


_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


def asking(purpose: str) -> argparse.ArgumentParser:
    """The command line of a benchmark that measures a model; its first line says what for."""
    parser = argparse.ArgumentParser(description=purpose.splitlines()[0])
    parser.add_argument("-m", dest="model", help="model: a name or a folder (the embedded one)")
    parser.add_argument("-processes", type=int, default=1)
    return parser


@cache
def predictor(model: str | None) -> Predictor:
    """The model by its name or folder, loaded once a process."""
    return load_predictor(resolve(model, offline=True), "openvino", "cpu")


def each(
    work: Callable[[_Given], _Made], given: Iterable[_Given], processes: int
) -> Iterator[_Made]:
    """The work done on each, in order, in so many processes."""
    if processes < 2:
        yield from map(work, given)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, given)


def shared() -> Path:
    return Path(os.environ.get("SCT_DEEPSEG_GENERAL_SHARED", ROOT.parent / "shared")) / "data"


def labelled(others: Sequence[Path] = ()) -> list[Labelled]:
    """Every labelled image of a person, train first.

    `others` are folders of datasets with labels under the same names, as `harmonise_labels.py`
    writes them: those are taken in place of the originals, and images without one are left out.
    """
    found = [
        one
        for part in ("train", "dev")
        for folder in sorted((shared() / part).glob("*/derivatives/labels"))
        for one in _in(folder, part)
    ]
    found = found or _in(SAMPLES / "derivatives" / "labels", "dev")
    return [one for image in found if (one := _relabelled(image, others))] if others else found


def _relabelled(one: Labelled, others: Sequence[Path]) -> Labelled | None:
    dataset = one.label.parts.index("derivatives") - 1
    below = Path(*one.label.parts[dataset:])
    found = next((path for other in others if (path := other / below).is_file()), None)
    return None if found is None else replace(one, label=found)


def people(images: list[Labelled]) -> list[str]:
    return sorted({one.person for one in images})


def shared_images(pattern: str) -> list[Path]:
    """Unlabelled images by a pattern below `data`."""
    return sorted(shared().glob(pattern))


def _in(labels: Path, part: str) -> list[Labelled]:
    found = []
    for label in sorted(labels.rglob("*.nii.gz")):
        suffix = next((s for s in SUFFIXES if label.name.endswith(s)), None)
        if suffix is None:
            continue
        below = label.relative_to(labels)
        image = labels.parent.parent / below.parent / label.name.replace(suffix, ".nii.gz")
        person = below.parts[0].removeprefix("sub-")
        if image.is_file() and person != NOBODY:
            found.append(Labelled(image, label, part, SAME_PERSON.get(person, person)))
    return found
