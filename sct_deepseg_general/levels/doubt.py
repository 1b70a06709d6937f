"""When numbers are withheld, and why: in words that say what to do."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from sct_deepseg_general.levels.growth import growth_words
from sct_deepseg_general.levels.record import Certainty, Limits
from sct_deepseg_general.levels.strip import Tissue

__all__ = [
    "NO_C2C3",
    "Evidence",
    "contrast_reasons",
    "number_reasons",
    "probability",
    "weighed",
]

_LARGEST = 15.0  # a larger margin is not more certain

ANOTHER = "give -discfile, or use a T2w image of the same session"
"""What to do where one known disc does not help."""
NO_C2C3 = "C2/C3 is not in the field of view: levels are relative, give -disc-at"


@dataclass(frozen=True)
class Evidence:
    """What is judged of a numbering; see `record.Limits` for what is asked of it.

    `discs` is how many were seen; `response` their mean response; `c2c3` the response at C2/C3, 0
    where it is not among them, and `above` how many mm of spine are in view above it; `margin`
    that of the numbering; `growth` that of the cord towards the feet (`growth.growth`); `spread`
    the median spread of the level read at the discs down to T1/T2; `offset` the median difference
    of that level from their numbers; `thickness` the distance of slices in mm. `spread` and
    `offset` are told, not judged: they add nothing to the others.
    """

    tissue: Tissue
    thickness: float
    discs: int
    response: float
    c2c3: float
    above: float
    margin: float
    growth: float
    spread: float
    offset: float

    def figures(self) -> dict[str, float]:
        """The figures by name, rounded to 3 decimals, in the units of the fields (mm, levels, 0 to
        1).
        """
        values = asdict(self)
        values |= values.pop("tissue")
        return {name: round(float(value), 3) for name, value in values.items()}


def contrast_reasons(evidence: Evidence, limits: Limits) -> tuple[str, ...]:
    """Why the discs' very places are not to be trusted; empty where they are."""
    reasons = []
    if evidence.thickness > limits.thickest:
        reasons.append(
            f"slices are {evidence.thickness:.0f} mm apart: discs are told apart up to "
            f"{limits.thickest:.0f} mm; {ANOTHER}"
        )
    if not _proven(evidence.tissue, limits):
        reasons.append(
            "contrast not proven: discs are known on T2w and T2*w images, with fluid brighter "
            "than the cord and vertebrae darker than fluid "
            f"(fluid is {evidence.tissue.fluid:.2f} of the cord, vertebrae "
            f"{evidence.tissue.bone:.2f} of fluid); {ANOTHER}"
        )
    return tuple(reasons)


def number_reasons(
    evidence: Evidence, limits: Limits, certainty: Certainty, *, anchored: bool
) -> tuple[str, ...]:
    """Why the discs' numbers are not to be trusted; with a known disc, less is asked."""
    if evidence.discs < limits.discs:
        few = f"fewer than {_word(limits.discs)} discs were found ({evidence.discs})"
        return (f"{few}: give -discfile, or use an image with a longer field of view",)
    if evidence.response < limits.response:
        unclear = f"the discs are not clear (mean response {evidence.response:.2f})"
        return (f"{unclear}: {ANOTHER}",)
    return () if anchored else _identity_reasons(evidence, limits, certainty)


def _identity_reasons(evidence: Evidence, limits: Limits, certainty: Certainty) -> tuple[str, ...]:
    """Why it is not sure which disc is which, where none is known."""
    if evidence.c2c3 < limits.c2c3:
        return (NO_C2C3,)
    if evidence.above < limits.above:
        return (_no_c2(limits),)
    chance = probability(evidence, certainty)
    if chance >= limits.certain:
        grown = growth_words(evidence.growth)
        return (f"{grown}; check it, or give -disc-at",) if grown else ()
    shown = f"right with a probability of {chance:.2f}, asked are {limits.certain:g}"
    return (f"the numbers are in doubt ({shown}): look at the discs, give -disc-at",)


def _no_c2(limits: Limits) -> str:
    return NO_C2C3.replace(":", f" with {limits.above:g} mm above it:")


def weighed(evidence: Evidence) -> float:
    """The figure that the probability is made of: the square root of the margin, of at most 15."""
    return math.sqrt(min(max(evidence.margin, 0.0), _LARGEST))


def probability(evidence: Evidence, certainty: Certainty) -> float:
    """The probability that every number is right."""
    odds = certainty.constant + certainty.margin * weighed(evidence)
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, odds))))


def _proven(tissue: Tissue, limits: Limits) -> bool:
    t2w = tissue.fluid >= limits.fluid_t2w and tissue.bone <= limits.bone_t2w
    return t2w or (tissue.fluid >= limits.fluid_t2star and tissue.bone <= limits.bone_t2star)


def _word(number: int) -> str:
    return {1: "one", 2: "two", 3: "three"}.get(number, str(number))
