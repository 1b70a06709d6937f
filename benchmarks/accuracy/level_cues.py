"""What each kind of evidence is worth for the numbers of the discs, and the probability that they
are right: a part of levels.py.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.level_windows import Window, all_right, hidden
from benchmarks.support.labelled import shared
from sct_deepseg_general.level_training.certainty import fitted
from sct_deepseg_general.levels.detect import evidence_of
from sct_deepseg_general.levels.doubt import Evidence, number_reasons, probability
from sct_deepseg_general.levels.numbering import Numbering, Weights, numbered
from sct_deepseg_general.levels.record import Certainty, embedded_model
from sct_deepseg_general.levels.responses import DiscNetwork, Responses
from sct_deepseg_general.levels.strip import Strip

__all__ = ["Outcome", "certainty_of", "outcomes", "tell", "tell_certainty"]

Networks = dict[str, DiscNetwork]
ALL = Weights()
NUMBERING: dict[str, Weights] = {
    "all": ALL,
    "without the response to C2/C3": replace(ALL, c2c3=0),
    "without the level read": replace(ALL, level=0),
    "without the distances": replace(ALL, spacing=0),
    "without the borders of the view": replace(ALL, border=0),
    "discs and distances alone": Weights(1, 0, 0, 1, 0),
}
HIDDEN = ("dens, skull base", "C7/T1 and below", "arches")
LEAST = (0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)


@dataclass(frozen=True)
class Outcome:
    """What was found in a window: its evidence, whether every number is right, and whether it may
    be reported at all: C2/C3 counts as seen, and nothing else speaks against it."""

    person: str
    whole: bool
    evidence: Evidence
    right: bool
    allowed: bool
    neck: bool


def tell(windows: Sequence[Window], networks: Networks) -> None:
    """For each kind of evidence left out, or asked as well: right, reported and wrong windows."""
    print(f"{len(windows)} windows, {sum(one.whole for one in windows)} with C2/C3 in view\n")
    print("| evidence | right, C2/C3 in view | right, not in view | reported | of these wrong |")
    print("|---|---|---|---|---|")
    for name, weights in NUMBERING.items():
        print(line(name, outcomes(windows, networks, weights)))
    for what in HIDDEN:
        print(line(f"hidden: {what}", outcomes([hidden(w, what) for w in windows], networks)))
    profile = published_profile(shared())
    for name, agrees in (
        ("asked as well: the area profile agrees", lambda w, _n, r: area_agrees(r, w, profile)),
        ("asked as well: a moved and stretched strip agrees", stable),
    ):
        print(line(name, outcomes(windows, networks, agrees=agrees)))


def tell_certainty(windows: Sequence[Window], networks: Networks) -> None:
    found = outcomes(windows, networks)
    chances = left_out(found)
    print("| least probability | reported | of these wrong | reported where no neck is |")
    print("|---|---|---|---|")
    for least in LEAST:
        told = [o for o, p in zip(found, chances, strict=True) if o.allowed and p >= least]
        necks = [one for one in told if one.neck]
        shares = [f"{len([o for o in found if o.neck is neck])}" for neck in (True, False)]
        wrong = sum(not one.right for one in necks)
        print(
            f"| {least} | {len(necks)} of {shares[0]} | {wrong} | "
            f"{len(told) - len(necks)} of {shares[1]} |"
        )
    print("\n" + json.dumps({"certainty": asdict(certainty_of(found))}, indent=2))


def line(name: str, found: Sequence[Outcome]) -> str:
    least = embedded_model().limits.certain
    told = [
        one
        for one, chance in zip(found, left_out(found), strict=True)
        if one.neck and one.allowed and chance >= least
    ]
    shares = []
    for whole in (True, False):
        chosen = [one for one in found if one.neck and one.whole is whole]
        right = sum(one.right for one in chosen)
        shares.append(f"{right} of {len(chosen)} ({100 * right / max(1, len(chosen)):.0f} %)")
    wrong = sum(not one.right for one in told)
    return f"| {name} | {shares[0]} | {shares[1]} | {len(told)} | {wrong} |"


def left_out(found: Sequence[Outcome]) -> NDArray[np.float64]:
    """Each outcome's probability of being right, fitted on the other people."""
    people = {one.person for one in found}
    fits = {person: certainty_of([o for o in found if o.person != person]) for person in people}
    return np.array([probability(one.evidence, fits[one.person]) for one in found])


def certainty_of(found: Sequence[Outcome]) -> Certainty:
    necks = [one for one in found if one.neck]
    return fitted([one.evidence for one in necks], [one.right for one in necks])


def outcomes(
    windows: Sequence[Window],
    networks: Networks,
    weights: Weights = ALL,
    agrees: Callable[[Window, DiscNetwork, Numbering], bool] | None = None,
) -> list[Outcome]:
    """What the network of each window's person, who was left out, finds there."""
    model = embedded_model()
    limits = replace(model.limits, certain=0.0)  # the probability is judged by `line`
    made = []
    for window in windows:
        network = networks[window.person]
        responses = network.responses(window.strip)
        found = numbered(responses, None, weights)
        if not found.places:
            continue
        evidence = evidence_of(window.strip, window.thickness, responses, found, window.area)
        if weights.c2c3 == 0:
            evidence = replace(evidence, c2c3=0.5)
        allowed = not number_reasons(evidence, limits, model.certainty, anchored=False)
        allowed = allowed and (agrees is None or agrees(window, network, found))
        right = all_right(found, window)
        made.append(Outcome(window.person, window.whole, evidence, right, allowed, window.neck))
    return made


def stable(window: Window, network: DiscNetwork, found: Numbering) -> bool:
    """Whether no disc changes its number when the strip is moved by 2 mm or stretched by 7 %."""
    data = window.strip.data
    count = len(data)
    even = np.arange(count, dtype=np.float64)
    for moved, rows in (
        (np.roll(data, 2, axis=1), even),
        (np.roll(data, -2, axis=1), even),
        stretched(data, 1.07),
        stretched(data, 0.93),
    ):
        responses: Responses = network.responses(Strip(moved, window.strip.course))
        for one in numbered(responses).places:
            row = float(np.interp(one.row, np.arange(len(rows)), rows))
            near = [p for p in found.places if abs(p.row - row) <= 7]
            if any(p.number != one.number for p in near):
                return False
    return True


def stretched(
    data: NDArray[np.float32], factor: float
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The strip longer by a factor, and the row of the old one that each of its rows shows."""
    rows = np.linspace(0, len(data) - 1, round(len(data) * factor))
    low = np.floor(rows).astype(int)
    high = np.minimum(low + 1, len(data) - 1)
    share = (rows - low)[:, None]
    return (data[low] * (1 - share) + data[high] * share).astype(np.float32), rows


def area_agrees(found: Numbering, window: Window, profile: dict[int, float]) -> bool:
    """Whether no shift of the numbers fits the published areas better (SD 6 %)."""
    places = found.places
    rows = [round(place.row) for place in places]
    spans = list(zip(rows[1:], rows[:-1], strict=True))
    area = np.where(window.strip.visible, window.area, np.nan)
    means = np.array([area[low:high].mean() if high > low else np.nan for low, high in spans])
    costs = {}
    for shift in range(-4, 5):
        numbers = [place.number + shift for place in places[:-1]]
        fits = np.array([n in profile for n in numbers], np.bool_) & np.isfinite(means)
        if fits.sum() >= 2 and min(numbers) >= 3:
            expected = np.array([profile.get(n, np.nan) for n in numbers])[fits]
            off = means[fits] / means[fits].mean() - expected / expected.mean()
            costs[shift] = float((off**2).mean())
    return not costs or 0 not in costs or min(costs, key=costs.__getitem__) == 0


def published_profile(data: Path) -> dict[int, float]:
    """The mean area of healthy people by vertebral level."""
    areas = defaultdict(list)
    with gzip.open(data / "published" / "pam50_levels.tsv.gz", "rt") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if row["structure"] == "spinal_cord" and row["pathology"] in ("CN", "HC"):
                areas[int(row["level"])].append(float(row["area_mm2"]))
    return {level: float(np.mean(values)) for level, values in areas.items() if len(values) > 20}
