"""How often the 90 % interval of an area holds the reference area.

Of the area of a slice, and of the mean over regions of 30 mm, about the length of C2 and C3.

Every image with a reference is segmented: a label, or published areas of the same person
(`benchmarks/support/reference_areas.py`) where there is no label. The scale and the factors of the
record (`intervals` in model.json; `benchmarks/support/interval_fit.py`) are fitted on the people of
train. The coverage is measured on people who were left out of the fit, one by one, on datasets left
out, and on the people of dev, whom neither the fit nor the network has seen. Prints the tables and
the JSON for the record, with the ranges of the images' looks (`typical`) that the quality check
knows; -write puts them into a model folder and seals it.

    python benchmarks/quality/interval_coverage.py [-m MODEL] [-labels FOLDER ...]
        [-processes N] [-write FOLDER]
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.published_areas import IMAGES
from benchmarks.support.interval_fit import REGION, Compared, Fit, fitted
from benchmarks.support.labelled import Labelled, asking, each, labelled, predictor, shared
from benchmarks.support.reference_areas import discs, placed, published
from sct_deepseg_general.csa.pam50 import template_levels
from sct_deepseg_general.image import nifti
from sct_deepseg_general.inference.pipeline import InferenceResult, segment
from sct_deepseg_general.morphometry.morphometrics import measure
from sct_deepseg_general.quality.appearance import Appearance, appearance
from sct_deepseg_general.quality.border_scale import border_places
from sct_deepseg_general.quality.uncertainty import LEVEL
from sct_deepseg_general.zoo.archive import seal

Floats = NDArray[np.float64]
Held = NDArray[np.bool_]
MARGIN = 0.25
"""Share of a range that is added to it on both sides: other people are a little different."""
C2, C3 = 2, 3


@dataclass(frozen=True, eq=False)
class Found:
    """The areas of one image beside the reference, where C2 and C3 are, and how it looks."""

    areas: Compared
    c2c3: Held
    """Whether each slice is one of C2 or C3; all False where that is not known."""
    looks: Appearance
    by_label: bool = True
    """Whether the reference is a label."""


def main() -> None:
    parser = asking(__doc__ or "")
    parser.add_argument(
        "-labels", nargs="+", type=Path, default=[], help="other labels of the same images"
    )
    parser.add_argument("-write", type=Path, help="model folder to put the result into")
    options = parser.parse_args()
    given = labelled(options.labels)
    images = [*given, *(without_label(given) if options.labels else [])]
    found = list(each(partial(measured, options.model), images, options.processes))
    print("\n".join(report([one.areas for one in found])))
    fit = fitted(of_train([one.areas for one in found]))
    print("\n" + "\n".join(c2c3_table(found)))
    record = {"intervals": fit.record(), "typical": typical(found)}
    print(f"\nFitted on {fit.people} people. For model.json:\n" + json.dumps(record, indent=2))
    if options.write is not None:
        write(options.write, record)


def without_label(given: Sequence[Labelled]) -> list[Labelled]:
    """People with published areas whose image has no label; `label` is the image itself."""
    images = {one.image for one in given}
    paths = {person: shared() / below for person, below in IMAGES.items()}
    return [
        Labelled(path, path, Path(IMAGES[person]).parts[0], person.removeprefix("sub-"))
        for person, path in paths.items()
        if path not in images
    ]


def measured(model: str | None, one: Labelled) -> Found:
    warnings.simplefilter("ignore", RuntimeWarning)
    result = segment(nifti.load(one.image), predictor(model))
    mask = result.segmentation
    table, (levels, places) = measure(mask), placed_levels(result, one.image)
    by_label = one.label != one.image
    if by_label:
        truth = measure(nifti.load_probability(one.label)).area
    else:
        truth = published_at(f"sub-{one.person}", places)
    both = np.isfinite(table.area) & np.isfinite(truth)
    border = border_places(result.image, result.probability, mask)
    areas = Compared(
        person=one.person,
        dataset=dataset(one.image),
        part=one.part,
        image=one.image.name.removesuffix(".nii.gz"),
        area=table.area[both],
        reference=truth[both],
        border=border[both],
        length=table.column("length")[both],
        missed=int((np.isfinite(truth) & ~np.isfinite(table.area)).sum()),
    )
    looks = appearance(result.image, result.probability, mask)
    looks = replace(looks, coarse=result.location.confidence)
    return Found(areas, np.isin(levels, (C2, C3))[both], looks, by_label)


def dataset(image: Path) -> str:
    """The name of the dataset that an image of `shared/data/train` or `dev` lies in."""
    return image.parts[len(image.parts) - 1 - image.parts[::-1].index(subject(image)) - 1]


def subject(image: Path) -> str:
    return image.name.split("_", maxsplit=1)[0]


def placed_levels(result: InferenceResult, image: Path) -> tuple[NDArray[np.int64], Floats]:
    """The vertebral level of each slice, 0 where unknown, and its place in the template."""
    mask, template = result.segmentation, template_levels()
    known = discs(image) if image.resolve().is_relative_to(shared().resolve()) else {}
    count = len(measure(mask).shapes)
    if len(known) < 3 or not mask.data.any():
        return np.zeros(count, np.int64), np.full(count, np.nan)
    places = placed(mask, known)
    inside = np.isfinite(places) & (places >= 0) & (places < template.size)
    levels = np.zeros(count, np.int64)
    levels[inside] = template[places[inside].astype(int)]
    return levels, places


def published_at(person: str, places: Floats) -> Floats:
    """The published areas (mm²) of a person at places of the template, NaN outside of them."""
    areas = published(person)
    slices = np.array(sorted(areas), float)
    values = np.array([areas[int(z)] for z in slices])
    return np.asarray(np.interp(places, slices, values, np.nan, np.nan))


def of_train(found: Sequence[Compared]) -> list[Compared]:
    """Those of train; all of them where there is none."""
    return [one for one in found if one.part == "train"] or list(found)


def report(found: Sequence[Compared]) -> Iterator[str]:
    """A row for each person, and the coverage of people, datasets and dev."""
    train = of_train(found)
    yield "| person | part | images | slices | missed | held | +/- mm² | regions | held | +/- mm² |"
    yield "|" + "---|" * 10
    shares: dict[str, list[tuple[float, float]]] = {}
    for name, part, own, fit in left_out(found, lambda one: one.person):
        shares.setdefault(part, []).append(held(own, fit))
        yield row(name, part, own, fit, shares[part][-1])
    for part, values in shares.items():
        slices, regions = 100 * np.mean(values, axis=0)
        yield (
            f"\nMean over the {len(values)} people of {part}: {slices:.0f} % of the slices and "
            f"{regions:.0f} % of the means over {REGION:.0f} mm are in their {LEVEL:.0%} interval."
        )
    yield "\n| dataset left out | people | slices held | regions held |\n|---|---|---|---|"
    for name, _, own, fit in left_out(train, lambda one: one.dataset):
        people = sorted({one.person for one in own})
        means = np.mean([held([o for o in own if o.person == p], fit) for p in people], axis=0)
        slices, regions = 100 * means
        yield f"| {name} | {len(people)} | {slices:.0f} % | {regions:.0f} % |"


def left_out(
    found: Sequence[Compared], group: Callable[[Compared], str]
) -> Iterator[tuple[str, str, list[Compared], Fit]]:
    """Each group with the fit of train without it: its name, part, images and fit."""
    train = of_train(found)
    whole = fitted(train)
    for name in sorted({group(one) for one in found}):
        own = [one for one in found if group(one) == name]
        rest = [one for one in train if group(one) != name]
        yield name, own[0].part, own, fitted(rest) if 0 < len(rest) < len(train) else whole


def held(own: Sequence[Compared], fit: Fit) -> tuple[float, float]:
    """The share of the slices and of the regions whose interval holds the reference, images alike.

    NaN where no image has any.
    """
    some = [one for one in own if one.area.size]
    slices = [np.mean(np.abs(one.errors) <= fit.half_widths(one)) for one in some]
    regions = [
        np.mean(np.abs(one.regions(one.errors)) <= fit.half_widths_of_regions(one)) for one in some
    ]
    return float(np.mean(slices)), float(np.mean(regions))


def row(
    name: str, part: str, own: Sequence[Compared], fit: Fit, shares: tuple[float, float]
) -> str:
    some = [one for one in own if one.area.size]
    counts = [len(own), sum(one.area.size for one in own), sum(one.missed for one in own)]
    widths = [np.mean([fit.half_widths(one).mean() for one in some])]
    widths.append(np.mean([fit.half_widths_of_regions(one).mean() for one in some]))
    regions = sum(len(one.regions(one.area)) for one in some)
    cells = [name, part, *counts, f"{100 * shares[0]:.0f} %", f"{widths[0]:.1f}", regions]
    return f"| {' | '.join(map(str, cells))} | {100 * shares[1]:.0f} % | {widths[1]:.1f} |"


def c2c3_table(found: Sequence[Found]) -> Iterator[str]:
    """The mean area of C2 and C3 with its interval, the person left out of the fit."""
    fits = {name: fit for name, _, _, fit in left_out([f.areas for f in found], _person)}
    yield "| image | part | C2-C3 mm² | reference | +/- mm² | held |\n|---|---|---|---|---|---|"
    halves = []
    for one in found:
        if one.c2c3.any():
            areas, fit = one.areas, fits[one.areas.person]
            scale = fit.scale.of(areas.area, areas.border)[one.c2c3].mean()
            ours, theirs = areas.area[one.c2c3].mean(), areas.reference[one.c2c3].mean()
            half = fit.regions * scale
            halves += [half] if "_T2w" in areas.image else []
            within = "yes" if abs(ours - theirs) <= half else "no"
            figures = f"{ours:.1f} | {theirs:.1f} | {half:.1f} | {within}"
            yield f"| {areas.image} | {areas.part} | {figures} |"
    if halves:
        yield f"\nHalf-width at C2-C3, median over T2w images: {np.median(halves):.1f} mm²."


def _person(one: Compared) -> str:
    return one.person


def typical(found: Sequence[Found]) -> dict[str, list[float]]:
    """The record's ranges of the looks of the labelled images in train."""
    own = [one for one in found if one.by_label]
    train = [one for one in own if one.areas.part == "train"] or own
    ranges = {}
    for name in train[0].looks.numbers():
        values = np.array([getattr(one.looks, name) for one in train])
        values = values[np.isfinite(values)]
        room = MARGIN * float(np.ptp(values))
        low, high = float(values.min()) - room, float(values.max()) + room
        ranges[name] = [round(max(low, 0.0), 3), round(high, 3)]
    return ranges


def write(folder: Path, record: dict[str, Any]) -> None:
    path = folder / "model.json"
    before = json.loads(path.read_text(encoding="utf-8"))
    record["intervals"] = {**(before["intervals"] or {}), **record["intervals"]}
    seal(folder, {**{k: v for k, v in before.items() if k != "files"}, **record})
    print(f"Written into {path} and sealed.")


if __name__ == "__main__":
    main()
