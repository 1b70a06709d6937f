"""How well vertebral levels are found: numbers, places and doubt.

Networks that have not seen a person judge that person's images, as they are and degraded (see
`benchmarks/support/degraded_necks.py`); the embedded network judges the images of data/dev.
The cord's masks are those of the embedded model. Prints tables.

    python -m benchmarks.accuracy.levels -models FOLDER [-part train|dev|cues|certainty]

FOLDER holds a network for each person left out; those that are missing are trained first, from
the embedded recipe (about 3 minutes of one core each). The probability that numbers are right is
fitted for each person on the others (`level_windows.py`). Parts: train and dev judge whole images;
cues tells what each kind of evidence is worth; certainty prints the weights for the recipe.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.accuracy import level_cues
from benchmarks.accuracy.level_windows import HALF_LEVEL, Seen, Window, seen_of, windows_of
from benchmarks.support.degraded_necks import Version, versions
from benchmarks.support.labelled import asking, predictor, shared
from sct_deepseg_general.errors import DeepsegError
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Segmentation, Volume
from sct_deepseg_general.inference.pipeline import segment
from sct_deepseg_general.level_training.centrelines import read_curves
from sct_deepseg_general.level_training.recipe import read_recipe
from sct_deepseg_general.level_training.table import KnownDiscs, read_table
from sct_deepseg_general.levels.detect import FoundLevels, find_levels
from sct_deepseg_general.levels.record import embedded_model, load_model
from sct_deepseg_general.levels.responses import DiscNetwork, embedded_network

UP = {
    "train/montreal/sub-errsm18/anat/sub-errsm18_T2star.nii.gz": -3.8,
    "train/montreal/sub-errsm21/anat/sub-errsm21_T2star.nii.gz": 2.7,
    "dev/scttesting/sub-sct/anat/sub-sct_acq-crop_T2star.nii.gz": 0.7,
}
"""mm by which people moved up since the T2w image on which their discs were drawn (by mutual
information: level_motion.py)."""
LEFT_OUT = ("sub-errsm11", "sub-errsm18", "sub-errsm21", "sub-errsm22", "sub-errsm24")
DEGRADED = {"sub-full", "sub-errsm20", *LEFT_OUT}


@dataclass(frozen=True)
class Outcome:
    """What was made of one image: the kind of image, what was done to it, discs whose number is
    wrong, errors in mm of those that are right, and why numbers were withheld."""

    kind: str
    name: str
    wrong: int
    errors: tuple[float, ...]
    reasons: tuple[str, ...]


def main() -> None:
    parser = asking(__doc__ or "")
    parser.add_argument("-models", type=Path, required=True, help="networks of people left out")
    parser.add_argument("-part", choices=list(PARTS), help="only this")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    asked = [options.part] if options.part else list(PARTS)
    data = shared()
    networks = left_out(options.models, data, options.model) if asked != ["dev"] else {}
    for part in asked:
        print(f"\n## {part}\n")
        PARTS[part](data, networks, options.model)


def on_cues(data: Path, networks: dict[str, DiscNetwork], model: str | None) -> None:
    level_cues.tell(windows(data, networks, model, 150), networks)


def on_certainty(data: Path, networks: dict[str, DiscNetwork], model: str | None) -> None:
    """Right, reported and wrong windows for each least probability; the weights of all people."""
    level_cues.tell_certainty(windows(data, networks, model), networks)


@cache
def _cords(data: Path, model: str | None) -> tuple[Seen, ...]:
    seen = []
    for known in images(data, "train"):
        if known.person in LEFT_OUT and known.image.endswith("T2w.nii.gz"):
            image = nifti.load(data / known.image)
            seen.append(seen_of(known, image, mask_of(image, model)))
    return tuple(seen)


def windows(
    data: Path, networks: dict[str, DiscNetwork], model: str | None, count: int = 600
) -> list[Window]:
    """Random parts of the strips of the people left out, `count` of each."""
    chosen = [seen for seen in _cords(data, model) if seen.person in networks]
    return [window for seen in chosen for window in windows_of(seen, count)]


# --- networks


def left_out(folder: Path, data: Path, model: str | None) -> dict[str, DiscNetwork]:
    """A network for each person, trained on the others."""
    for person in LEFT_OUT:
        if not (folder / person / "discs.json").is_file():
            train(folder / person, person, data)
    loaded = {person: DiscNetwork(load_model(folder / person)) for person in LEFT_OUT}
    outcomes = level_cues.outcomes(windows(data, loaded, model), loaded)
    for person, network in loaded.items():
        certainty = level_cues.certainty_of([one for one in outcomes if one.person != person])
        limits = embedded_model().limits
        network.model = replace(network.model, certainty=certainty, limits=limits)
    return loaded


def train(folder: Path, person: str, data: Path) -> None:
    from sct_deepseg_general.level_training import assemble, fit

    embedded = embedded_model().folder
    recipe = replace(read_recipe(embedded / "recipe.json"), leave=(person,))
    drawn = fit.subjects_of(recipe, [data], read_curves(embedded / recipe.centrelines))
    assemble.assemble(fit.fit(recipe, drawn), recipe, drawn, [], folder)


def mask_of(image: Volume, model: str | None) -> Segmentation:
    return segment(image, predictor(model)).segmentation


# --- numbers and places


def on_train(data: Path, networks: dict[str, DiscNetwork], model: str | None) -> None:
    outcomes = []
    for known in images(data, "train"):
        if known.person in networks:
            outcomes += judged(data, known, networks[known.person], model)
    table(outcomes)


def on_dev(data: Path, _networks: dict[str, DiscNetwork], model: str | None) -> None:
    outcomes = []
    for known in images(data, "dev"):
        outcomes += judged(data, known, embedded_network(), model)
    table(outcomes)


def images(data: Path, part: str) -> Iterator[KnownDiscs]:
    """The images of a part with discs of known numbers."""
    for known in read_table(data / "levels" / "discs.tsv"):
        if known.image.startswith(part) and known.numbers.min() > 0 and "lesion" not in known.image:
            yield known


def judged(data: Path, known: KnownDiscs, network: DiscNetwork, model: str | None) -> list[Outcome]:
    image = nifti.load(data / known.image)
    known = known.moved(UP.get(known.image, 0.0))
    rng = np.random.default_rng(sum(map(ord, known.image)))
    whole = known.person in DEGRADED and known.image.endswith("T2w.nii.gz")
    made: Iterable[Version] = [Version("as it is", image, known.points)]
    if whole:
        made = versions(image, known.numbers, known.points, rng)
    return [judge(version, known, network, model) for version in made]


def judge(version: Version, known: KnownDiscs, network: DiscNetwork, model: str | None) -> Outcome:
    kind = Path(known.image).name.split("_")[-1].removesuffix(".nii.gz")
    try:
        mask = mask_of(version.image, model)
        found = find_levels(version.image, mask, network)
    except DeepsegError as error:
        return Outcome(kind, version.name, 0, (), (str(error),))
    if found.course is None:
        return Outcome(kind, version.name, 0, (), found.reasons)
    rows = found.course.rows_of(version.points)
    wrong, errors = compared(found, dict(zip(known.numbers.tolist(), rows, strict=True)))
    return Outcome(kind, version.name, wrong, errors, found.reasons)


def compared(found: FoundLevels, rows: dict[int, float]) -> tuple[int, tuple[float, ...]]:
    """How many discs have a wrong number, and the errors of the others."""
    wrong, errors = 0, []
    for disc in found.discs:
        if disc.origin == "estimated":
            continue
        if disc.number in rows:
            off = abs(disc.row - rows[disc.number])
            wrong += off > HALF_LEVEL
            errors += [off] if off <= HALF_LEVEL else []
        else:  # a number that is not known: is it where another is?
            near = [n for n, row in rows.items() if abs(disc.row - row) <= HALF_LEVEL]
            wrong += bool(near)
    return wrong, tuple(errors)


def table(outcomes: Sequence[Outcome]) -> None:
    """A row for each kind and degradation, and their sums."""
    print("| image | degraded | cases | wrong | reported | of these wrong | mean mm | p95 | max |")
    print("|---|---|---|---|---|---|---|---|---|")
    groups: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for one in outcomes:
        groups[one.kind, one.name].append(one)
    for (kind, name), members in groups.items():
        print(row(kind, name, members))
    good = [o for o in outcomes if o.kind == "T2w" and o.name == "as it is"]
    bad = [o for o in outcomes if o.kind == "T2w" and o.name != "as it is"]
    print(row("T2w", "**all as they are**", good))
    print(row("T2w", "**all degraded**", bad))


def row(kind: str, name: str, members: Sequence[Outcome]) -> str:
    reported = [one for one in members if not one.reasons]
    errors = np.array([e for one in members if not one.wrong for e in one.errors] or [np.nan])
    silent = sum(one.wrong > 0 for one in reported)
    figures = (np.mean(errors), np.percentile(errors, 95), errors.max())
    return (
        f"| {kind} | {name} | {len(members)} | {sum(one.wrong > 0 for one in members)} | "
        f"{len(reported)} | {silent} | " + " | ".join(f"{v:.1f}" for v in figures) + " |"
    )


PARTS = {"train": on_train, "dev": on_dev, "cues": on_cues, "certainty": on_certainty}

if __name__ == "__main__":
    main()
