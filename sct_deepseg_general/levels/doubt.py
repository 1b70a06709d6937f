"""When numbers are withheld, and why: in words that say what to do."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from sct_deepseg_general.levels.record import Certainty, Limits
from sct_deepseg_general.levels.strip import Tissue

__all__ = [
    "NO_C2C3",
    "Evidence",
    "contrast_reasons",
    "features",
    "fewest_discs",
    "number_reasons",
    "probability",
]

_C2C3_SEEN = 0.4  # response
_ABOVE = 8.0  # mm in view above what may be C2/C3, below which C2 is not seen

NO_C2C3 = "C2/C3 is not in the field of view: levels are relative, give -disc-at"


@dataclass(frozen=True)
class Evidence:
    """What is judged of a numbering; see `record.Limits` for what is asked of it.

    `discs` is how many were seen; `response` their mean response; `c2c3` the response at C2/C3, 0
    where it is not among them, and `above` how many mm of spine are in view above it; `margin`
    that of the numbering; `spread` the median spread of the level read at the discs down to T1/T2;
    `offset` the median difference of that level from their numbers; `thickness` the distance of
    slices in mm. `above` and `spread` are told, not judged: they add nothing to the others.
    """

    tissue: Tissue
    thickness: float
    discs: int
    response: float
    c2c3: float
    above: float
    margin: float
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
            f"{limits.thickest:.0f} mm"
        )
    if not _proven(evidence.tissue, limits):
        reasons.append(
            "contrast not proven: discs are known on T2w and T2*w images, with fluid brighter "
            "than the cord and vertebrae darker than fluid "
            f"(fluid is {evidence.tissue.fluid:.2f} of the cord, vertebrae "
            f"{evidence.tissue.bone:.2f} of fluid)"
        )
    return tuple(reasons)


def number_reasons(
    evidence: Evidence, limits: Limits, certainty: Certainty, *, anchored: bool
) -> tuple[str, ...]:
    """Why the discs' numbers are not to be trusted; with a known disc, less is asked."""
    fewest = fewest_discs(evidence, limits, anchored=anchored)
    if evidence.discs < fewest:
        return (f"fewer than {_word(fewest)} discs were found ({evidence.discs})",)
    if evidence.response < limits.response:
        return (f"the discs are not clear (mean response {evidence.response:.2f})",)
    return () if anchored else _identity_reasons(evidence, limits, certainty)


def _identity_reasons(evidence: Evidence, limits: Limits, certainty: Certainty) -> tuple[str, ...]:
    """Why it is not sure which disc is which, where none is known."""
    chance = probability(evidence, certainty)
    if evidence.c2c3 < limits.c2c3:
        return (NO_C2C3,)
    if chance >= limits.certain:
        return ()
    if evidence.above < _ABOVE:
        return (NO_C2C3,)
    shown = f"right with a probability of {chance:.2f}, asked are {limits.certain:g}"
    return (f"the numbers are in doubt ({shown}): look at the discs, give -disc-at",)


def fewest_discs(evidence: Evidence, limits: Limits, *, anchored: bool) -> int:
    """How many discs must be seen: fewer in thin slices, or with a known disc."""
    return limits.discs if anchored or evidence.thickness <= limits.thin else limits.discs_thick


def features(evidence: Evidence) -> dict[str, float]:
    """The figures that a probability is made of, by name, on scales on which they add up.

    `margin` is the square root of the margin up to 15, `offset` the offset without its sign where
    C2/C3 is seen, and `response` the log odds (of 2 to 98 %) of the discs' mean response.
    """
    seen = evidence.c2c3 >= _C2C3_SEEN
    return {
        "margin": math.sqrt(min(max(evidence.margin, 0.0), 15.0)),
        "offset": abs(evidence.offset) if seen else 0.0,
        "response": math.log((evidence.response + 0.02) / (1.02 - evidence.response)),
    }


def probability(evidence: Evidence, certainty: Certainty) -> float:
    """The probability that every number is right."""
    weighed = (getattr(certainty, name) * one for name, one in features(evidence).items())
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, certainty.constant + sum(weighed)))))


def _proven(tissue: Tissue, limits: Limits) -> bool:
    t2w = tissue.fluid >= limits.fluid_t2w and tissue.bone <= limits.bone_t2w
    return t2w or (tissue.fluid >= limits.fluid_t2star and tissue.bone <= limits.bone_t2star)


def _word(number: int) -> str:
    return {1: "one", 2: "two", 3: "three"}.get(number, str(number))
