"""How often the 90 % interval of an area holds the area of the manual mask.

Of the area of a slice, and of the mean over regions of 30 mm, about the length of C2 and C3.

Every labelled image is segmented and seen in its other views. The factors of the record
(`intervals` in model.json) are fitted on the people of train; the coverage is measured on people
who were left out of the fit, one by one, and on the people of dev, whom neither the fit nor the
network has seen. Prints the tables and the JSON for the record, with the ranges of the images'
looks (`typical`) that the quality check knows; -write puts them into a model folder and seals it.

    python benchmarks/quality/interval_coverage.py [-m MODEL] [-labels FOLDER ...]
        [-processes N] [-write FOLDER]
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.support.labelled import Labelled, asking, each, labelled, people, predictor
from sct_deepseg_general.image import nifti
from sct_deepseg_general.inference.pipeline import Options, segment
from sct_deepseg_general.morphometry.morphometrics import measure
from sct_deepseg_general.morphometry.soft_area import surroundings
from sct_deepseg_general.quality.appearance import Appearance, appearance
from sct_deepseg_general.quality.uncertainty import LEVEL, doubt
from sct_deepseg_general.zoo.archive import seal

Floats = NDArray[np.float64]
REGION = 30.0
"""Length in mm of the regions whose means are looked at, each half a length from the last."""
MARGIN = 0.25
"""Share of a range that is added to it on both sides: other people are a little different."""


@dataclass(frozen=True, eq=False)
class Found:
    """The areas of one image where both masks have cord, mm², and the scales of the doubt.

    Of its slices, or of its regions.
    """

    one: Labelled
    area: Floats
    reference: Floats
    scales: dict[str, Floats]
    """For `edge` (the probability alone) and `views`."""
    missed: int
    """Slices that the manual mask has and ours has not."""
    looks: Appearance

    length: Floats
    """Of each slice along the cord, mm."""

    def errors(self, kind: str) -> Floats:
        """Reference minus area, in scales."""
        return (self.reference - self.area) / self.scales[kind]

    def regions(self) -> Found:
        """The means over regions; over all slices where they are shorter than a region."""
        if not self.area.size:
            return self
        count = min(self.area.size, max(1, round(REGION / float(np.median(self.length)))))
        starts = range(0, self.area.size - count + 1, max(1, count // 2))

        def means(values: Floats) -> Floats:
            return np.array([values[at : at + count].mean() for at in starts])

        scales = {kind: means(scale) for kind, scale in self.scales.items()}
        return replace(self, area=means(self.area), reference=means(self.reference), scales=scales)


def main() -> None:
    parser = asking(__doc__)
    parser.add_argument(
        "-labels", nargs="+", type=Path, default=[], help="other labels of the same images"
    )
    parser.add_argument("-write", type=Path, help="model folder to put the result into")
    options = parser.parse_args()
    found = list(
        each(partial(measured, options.model), labelled(options.labels), options.processes)
    )
    regions = [one.regions() for one in found]
    for title, some in (("Slices", found), (f"Means over {REGION:.0f} mm", regions)):
        print(f"\n{title}\n")
        print("\n".join(report(some)))
    print("\n" + half_width(regions))
    by_regions = {"length": REGION, **reaches(regions)}
    record = {
        "intervals": {"level": LEVEL, **reaches(found), "regions": by_regions},
        "typical": typical(found),
    }
    print("\nFor model.json:\n" + json.dumps(record, indent=2))
    if options.write is not None:
        write(options.write, record)


def measured(model: str | None, one: Labelled) -> Found:
    warnings.simplefilter("ignore", RuntimeWarning)
    loaded = predictor(model)
    result = segment(nifti.load(one.image), loaded, Options(uncertainty=True))
    mask, threshold = result.segmentation, loaded.model.threshold
    table, truth = measure(mask), measure(nifti.load_probability(one.label))
    around = surroundings(mask, table)
    alone = doubt(result.probability, around, table, threshold)
    seen = doubt(result.probability, around, table, threshold, result.other_probabilities())
    both = np.isfinite(table.area) & np.isfinite(truth.area)
    missed = int((np.isfinite(truth.area) & ~np.isfinite(table.area)).sum())
    scales = {"edge": alone.scale(table.area)[both], "views": seen.scale(table.area)[both]}
    looks = appearance(result.image, result.probability, mask)
    looks = replace(looks, coarse=result.location.confidence)
    length = table.column("length")[both]
    return Found(one, table.area[both], truth.area[both], scales, missed, looks, length)


def factors(found: Iterable[Found], kind: str) -> tuple[float, float]:
    """How many scales below and above the area hold the reference `LEVEL` of the time.

    Every person counts the same, and every image of a person, however many slices it has.
    """
    some = [one for one in found if one.area.size]
    whose = [one.one.person for one in some]
    errors = np.concatenate([one.errors(kind) for one in some])
    weights = np.concatenate(
        [np.full(one.area.size, 1 / whose.count(one.one.person) / one.area.size) for one in some]
    )
    tail = (1 - LEVEL) / 2
    return max(0.0, -quantile(errors, weights, tail)), max(0.0, quantile(errors, weights, 1 - tail))


def quantile(values: Floats, weights: Floats, at: float) -> float:
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(int(np.searchsorted(share, at)), values.size - 1)])


def coverage(one: Found, kind: str, reach: tuple[float, float]) -> float:
    errors = one.errors(kind)
    return float(((errors >= -reach[0]) & (errors <= reach[1])).mean())


def mean_covered(one: Found, kind: str, reach: tuple[float, float]) -> bool:
    """Whether the interval of the image's mean area holds the mean of the reference."""
    scale, error = one.scales[kind].mean(), (one.reference - one.area).mean()
    return bool(-reach[0] * scale <= error <= reach[1] * scale)


def report(found: list[Found]) -> Iterator[str]:
    train = [one for one in found if one.one.part == "train"]
    fitted = {kind: factors(train or found, kind) for kind in ("edge", "views")}
    yield "| person | part | images | slices | missed | edge | +/- mm² | views | +/- mm² | mean |"
    yield "|" + "---|" * 10
    shares: dict[str, list[list[float]]] = {"train": [], "dev": []}
    for person in people([one.one for one in found]):
        own = [one for one in found if one.one.person == person]
        part = own[0].one.part
        rest = [one for one in train if one.one.person != person]
        reach = {k: factors(rest, k) if part == "train" and rest else fitted[k] for k in fitted}
        shares[part].append([np.mean([coverage(o, k, reach[k]) for o in own]) for k in reach])
        yield row(person, own, reach, shares[part][-1])
    for part, values in shares.items():
        if values:
            edge, views = 100 * np.mean(values, axis=0)
            yield (
                f"\nCoverage of the {LEVEL:.0%} interval, mean over the {len(values)} people of "
                f"{part}: edge {edge:.0f} %, edge and views {views:.0f} %."
            )


def row(
    person: str, own: list[Found], reach: dict[str, tuple[float, float]], shares: list[float]
) -> str:
    cells = [person, own[0].one.part, len(own), sum(one.area.size for one in own)]
    cells.append(sum(one.missed for one in own))
    for (kind, around), share in zip(reach.items(), shares, strict=True):
        half = np.mean([sum(around) / 2 * one.scales[kind].mean() for one in own])
        cells += [f"{100 * share:.0f} %", f"{half:.1f}"]
    means = [mean_covered(one, "views", reach["views"]) for one in own]
    cells.append(f"{sum(means)} of {len(means)}")
    return "| " + " | ".join(map(str, cells)) + " |"


def reaches(found: list[Found]) -> dict[str, Any]:
    """The record's factors: of everybody in train (of everybody, where there is no train)."""
    train = [one for one in found if one.one.part == "train"] or found
    return {k: [round(v, 2) for v in factors(train, k)] for k in ("edge", "views")}


def half_width(regions: list[Found]) -> str:
    """Half the interval of a region's mean area on T2w images, the median over images."""
    reach = reaches(regions)
    words = []
    for kind in ("edge", "views"):
        halves = [
            sum(reach[kind]) / 2 * one.scales[kind].mean()
            for one in regions
            if one.area.size and "_T2w" in one.one.image.name
        ]
        words.append(f"{kind} {np.median(halves):.1f} mm²" if halves else f"{kind}: none")
    return "Half-width of a region's mean, median over T2w images: " + ", ".join(words)


def typical(found: list[Found]) -> dict[str, list[float]]:
    """The record's ranges of the looks of the images in train."""
    train = [one for one in found if one.one.part == "train"] or found
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
