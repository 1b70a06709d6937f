"""How well vertebral levels are found: numbers, places and doubt.

Networks that have not seen a person judge that person's images, as they are and degraded (see
`benchmarks/support/degraded_necks.py`); the embedded network judges the images of data/dev.
The cord's masks are those of the embedded model. Prints tables.

    python benchmarks/accuracy/levels.py -models FOLDER [-part train|dev|cues] [-m MODEL]

FOLDER holds a network for each person left out; those that are missing are trained first, from
the embedded recipe (about 3 minutes of one core each).
"""

from __future__ import annotations

import csv
import gzip
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from benchmarks.support.degraded_necks import Version, versions
from benchmarks.support.labelled import asking, predictor, shared
from sct_deepseg_general.csa.measure import PER_SLICE, measured
from sct_deepseg_general.errors import DeepsegError
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Segmentation, Volume
from sct_deepseg_general.inference.pipeline import segment
from sct_deepseg_general.level_training.recipe import read_recipe
from sct_deepseg_general.level_training.table import KnownDiscs, read_table
from sct_deepseg_general.levels.course import course_of
from sct_deepseg_general.levels.detect import FoundLevels, find_levels
from sct_deepseg_general.levels.numbering import Numbering, Weights, numbered
from sct_deepseg_general.levels.record import embedded_model, load_model
from sct_deepseg_general.levels.responses import DiscNetwork, Responses, embedded_network
from sct_deepseg_general.levels.strip import Strip, strip_of

Floats = NDArray[np.float64]

HALF_LEVEL = 8.0
"""mm along the cord from which a disc of a number counts as another disc."""
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
    parser.add_argument("-part", choices=["train", "dev", "cues"], help="only this")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    asked = [options.part] if options.part else ["train", "dev", "cues"]
    data = shared()
    networks = left_out(options.models, data, options.model) if asked != ["dev"] else {}
    for part in asked:
        print(f"\n## {part}\n")
        PARTS[part](data, networks, options.model)


# --- networks


def left_out(folder: Path, data: Path, model: str | None) -> dict[str, DiscNetwork]:
    """A network for each person, trained on the others."""
    for person in LEFT_OUT:
        if not (folder / person / "discs.json").is_file():
            train(folder / person, person, data, model)
    return {person: DiscNetwork(load_model(folder / person)) for person in LEFT_OUT}


def train(folder: Path, person: str, data: Path, model: str | None) -> None:
    from sct_deepseg_general.level_training import assemble, fit

    recipe = replace(read_recipe(embedded_model().folder / "recipe.json"), leave=(person,))
    drawn = fit.subjects_of(recipe, [data], lambda image: mask_of(image, model))
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


# --- what each kind of evidence is worth


ALL = Weights()
CUES: dict[str, Weights] = {
    "all": ALL,
    "without the response to C2/C3": replace(ALL, c2c3=0),
    "without the level read": replace(ALL, level=0),
    "without the distances": replace(ALL, spacing=0),
    "without the borders of the view": replace(ALL, border=0),
    "discs and distances alone": Weights(1, 0, 0, 1, 0),
    "discs, distances and borders": Weights(1, 0, 0, 1, 4),
    "discs, distances, response to C2/C3": Weights(1, 0, 1.5, 1, 0),
    "discs, distances, level read": Weights(1, 0.5, 0, 1, 0),
}
AREA = "discs, distances, area profile"


@dataclass(frozen=True, eq=False)
class Window:
    """A part of a strip: what the network says of it, its discs, and the cord's area a row."""

    responses: Responses
    rows: dict[int, float]
    area: Floats
    whole: bool


def on_cues(data: Path, networks: dict[str, DiscNetwork], model: str | None) -> None:
    """Share of windows of 60 to 140 mm of cord in which every number is right."""
    windows = [
        window
        for known in images(data, "train")
        if known.person in networks and known.image.endswith("T2w.nii.gz")
        for window in windows_of(data, known, networks[known.person], model)
    ]
    profile = published_profile(data)
    print(f"{len(windows)} windows of {len(LEFT_OUT)} people left out\n")
    print("| evidence | C2/C3 in view | not in view |\n|---|---|---|")
    for name, weights in CUES.items():
        print(share_line(name, windows, lambda w, k=weights: numbered(w.responses, None, k)))
    alone = CUES["discs and distances alone"]
    print(
        share_line(
            AREA, windows, lambda w: by_area(numbered(w.responses, None, alone), w.area, profile)
        )
    )


def share_line(name: str, windows: Sequence[Window], number: Callable[[Window], Numbering]) -> str:
    shares = []
    for whole in (True, False):
        chosen = [w for w in windows if w.whole is whole]
        right = sum(all_right(number(w), w.rows) for w in chosen)
        shares.append(f"{right} of {len(chosen)} ({100 * right / max(1, len(chosen)):.0f} %)")
    return f"| {name} | " + " | ".join(shares) + " |"


def all_right(found: Numbering, rows: dict[int, float]) -> bool:
    known = [place for place in found.places if place.number in rows]
    return bool(known) and all(abs(p.row - rows[p.number]) <= HALF_LEVEL for p in known)


def windows_of(
    data: Path, known: KnownDiscs, network: DiscNetwork, model: str | None, count: int = 24
) -> Iterator[Window]:
    image = nifti.load(data / known.image)
    mask = mask_of(image, model)
    course = course_of(mask)
    strip = strip_of(image, course)
    rows = dict(zip(known.numbers.tolist(), course.rows_of(known.points).tolist(), strict=True))
    area = area_along(mask, course.points)
    rng = np.random.default_rng(sum(map(ord, known.image)))
    held = np.flatnonzero(course.inside)
    for _ in range(count):
        length = int(rng.integers(60, 140))
        first = int(rng.integers(held[0], max(held[0] + 1, held[-1] - length)))
        part = np.full_like(strip.data, np.nan)
        part[first : first + length] = strip.data[first : first + length]
        responses = network.responses(Strip(part, course))
        seen = {n: row for n, row in rows.items() if first <= row < first + length}
        if len(seen) >= 3:
            inside = np.where(responses.visible, area, np.nan)
            yield Window(responses, rows, inside, first + 8 <= rows[3] < first + length - 8)


def area_along(mask: Segmentation, points: Floats) -> Floats:
    """The cord's area in mm² at each row of a course."""
    grid = mask.grid.reoriented(("L", "A", "S"))
    areas = measured(mask, PER_SLICE).morphometrics.area
    z = apply_affine(np.linalg.inv(grid.affine), points)[:, 2]
    known = np.flatnonzero(np.isfinite(areas))
    return np.interp(z, known, areas[known], left=np.nan, right=np.nan)


def by_area(found: Numbering, area: Floats, profile: dict[int, float]) -> Numbering:
    """The numbers moved by so many levels as fits the published areas best (SD 6 %)."""
    places = found.places
    rows = [round(place.row) for place in places]
    pairs = list(zip(places[:-1], rows[:-1], rows[1:], strict=True))
    means = np.array([np.nanmean(area[low:high]) for _, high, low in pairs])
    if means.size < 2 or not np.isfinite(means).all():
        return found
    costs = {}
    for shift in range(-4, 5):
        numbers = [place.number + shift for place, _, _ in pairs]
        if min(numbers) >= 3 and max(numbers) in profile:
            expected = np.array([profile[n] for n in numbers])
            off = means / means.mean() - expected / expected.mean()
            costs[shift] = float((off**2).sum() / (2 * 0.06**2))
    best = min(costs, key=costs.__getitem__) if costs else 0
    return replace(found, places=tuple(replace(p, number=p.number + best) for p in places))


def published_profile(data: Path) -> dict[int, float]:
    """The mean area of healthy people by vertebral level."""
    areas = defaultdict(list)
    with gzip.open(data / "published" / "pam50_levels.tsv.gz", "rt") as stream:
        for line in csv.DictReader(stream, delimiter="\t"):
            if line["structure"] == "spinal_cord" and line["pathology"] in ("CN", "HC"):
                areas[int(line["level"])].append(float(line["area_mm2"]))
    return {level: float(np.mean(values)) for level, values in areas.items() if len(values) > 20}


PARTS = {"train": on_train, "dev": on_dev, "cues": on_cues}

if __name__ == "__main__":
    main()
