"""When numbers are withheld, and why: in words that say what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sct_deepseg_general.levels.record import Limits
from sct_deepseg_general.levels.strip import Tissue

__all__ = ["NO_C2C3", "Evidence", "contrast_reasons", "number_reasons"]

NO_C2C3 = "C2/C3 is not in the field of view: levels are relative, give -disc-at"


@dataclass(frozen=True)
class Evidence:
    """What is judged of a numbering; see `record.Limits` for what is asked of it.

    `discs` is how many were seen; `response` their mean response; `c2c3` the response at C2/C3, 0
    where it is not among them, and `above` how many mm of spine are in view above it; `margin`
    that of the numbering; `spread` the median spread of the level read at the discs down to T1/T2;
    `offset` the median difference of that level from their numbers; `thickness` the distance of
    slices in mm.
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


def number_reasons(evidence: Evidence, limits: Limits, *, anchored: bool) -> tuple[str, ...]:
    """Why the discs' numbers are not to be trusted; with a known disc, less is asked."""
    if evidence.discs < limits.discs:
        return (f"fewer than {_word(limits.discs)} discs were found ({evidence.discs})",)
    if evidence.response < limits.response:
        return (f"the discs are not clear (mean response {evidence.response:.2f})",)
    if anchored:
        return ()
    if evidence.c2c3 < limits.c2c3 or evidence.above < limits.above:
        return (NO_C2C3,)
    if evidence.margin < _least_margin(evidence, limits) or evidence.spread > limits.spread:
        figures = f"margin {evidence.margin:.1f}, spread {evidence.spread:.2f}"
        return (f"the numbers are in doubt ({figures}): look at the discs, give -disc-at",)
    return ()


def _least_margin(evidence: Evidence, limits: Limits) -> float:
    """Less is asked of the margin where C2/C3 is clear."""
    clear = evidence.c2c3 >= limits.clear_c2c3 and evidence.above >= limits.clear_above
    return limits.clear_margin if clear else limits.margin


def _proven(tissue: Tissue, limits: Limits) -> bool:
    t2w = tissue.fluid >= limits.fluid_t2w and tissue.bone <= limits.bone_t2w
    return t2w or (tissue.fluid >= limits.fluid_t2star and tissue.bone <= limits.bone_t2star)


def _word(number: int) -> str:
    return {2: "two", 3: "three", 4: "four"}.get(number, str(number))
