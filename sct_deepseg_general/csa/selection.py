"""Which slices and vertebral levels a table is about: lists as users write them, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import ImageError

__all__ = [
    "Selection",
    "SliceGroup",
    "absent_levels",
    "number_list",
    "parse_number_list",
    "selected",
]

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]


@dataclass(frozen=True)
class Selection:
    """What a row of the table stands for.

    `slices` and `levels` keep to those slices and vertebral levels (empty: all); `per_level`
    gives a row for each level, `per_slice` one for each slice, neither a single row.
    `pmj_distance` (mm) is written beside the region that it defines.
    """

    slices: tuple[int, ...] = ()
    levels: tuple[int, ...] = ()
    per_slice: bool = False
    per_level: bool = False
    pmj_distance: float | None = None

    @property
    def each_slice(self) -> bool:
        """Whether a row is a single slice: a row for each level takes precedence, as in SCT."""
        return self.per_slice and not self.per_level


@dataclass(frozen=True)
class SliceGroup:
    """The slices of a row, the vertebral levels that it covers, and what is odd about it."""

    slices: tuple[int, ...]
    levels: tuple[int, ...]
    remarks: tuple[str, ...] = ()


def number_list(numbers: Iterable[int]) -> str:
    """Numbers as SCT writes them: ascending, a run as "4:17", runs separated by ";".

    >>> number_list([7, 1, 2, 3])
    '1:3;7'
    """
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ";".join(f"{run[0]}:{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def parse_number_list(text: str) -> tuple[int, ...]:
    """The numbers of "4:17", "2,5" or "1:3;7", each once, in the order given.

    Raises
    ------
    ValueError
        The text is no such list, or a range runs backwards.

    Examples
    --------
    >>> parse_number_list("5,2:4,3")
    (5, 2, 3, 4)
    >>> parse_number_list("70:65")
    Traceback (most recent call last):
    ValueError: the range 70:65 runs backwards: write 65:70
    """
    numbers: list[int] = []
    for part in text.replace(";", ",").split(","):
        first, colon, last = part.strip().partition(":")
        if not first.isdecimal() or (colon and not last.isdecimal()):
            raise ValueError(f"'{text}' is no list of numbers: write 2:4 or 2,5.")
        if int(last or first) < int(first):
            raise ValueError(f"the range {first}:{last} runs backwards: write {last}:{first}")
        numbers.extend(range(int(first), int(last or first) + 1))
    return tuple(dict.fromkeys(numbers))


def selected(
    selection: Selection,
    measurable: NDArray[np.bool_],
    levels: Levels | None = None,
    covers: Mapping[int, Sequence[int]] | None = None,
    template: bool = False,
) -> tuple[SliceGroup, ...]:
    """The rows of a table: which slices each is about, ascending by slice.

    Parameters
    ----------
    selection : Selection
        The slices and levels that were asked for, and how they are grouped.
    measurable : ndarray of bool, shape (slices,)
        The slices that have a measure, from the lowest up.
    levels : ndarray of int, shape (slices,), optional
        The vertebral level of each slice, 0 where there is none.
    covers : mapping of int to sequence of int, optional
        Levels that cover more than one vertebra, as a disc between them is not labelled.
    template : bool
        Whether the slices are those of the PAM50 template.

    Raises
    ------
    ImageError
        A slice outside of the image, no slice or level that was asked for is there, levels and
        slices do not meet, or the levels belong to an image with another number of slices. The
        message names what was asked for and what is there.

    Examples
    --------
    >>> levels = np.array([4, 4, 3, 3])
    >>> selected(Selection(levels=(3,)), np.ones(4, bool), levels)
    (SliceGroup(slices=(2, 3), levels=(3,), remarks=()),)
    """
    _check(selection, measurable, levels, template)
    groups = _groups(selection, measurable, levels)
    if not groups:
        raise ImageError(_nothing(selection, measurable, levels, template))
    groups = [_remarked(group, selection, measurable, levels, covers or {}) for group in groups]
    return tuple(sorted(groups, key=lambda group: group.slices))


def _check(
    selection: Selection, measurable: NDArray[np.bool_], levels: Levels | None, template: bool
) -> None:
    count = measurable.size
    outside = [z for z in selection.slices if not 0 <= z < count]
    if outside:
        whose = "the PAM50 template, whose slices -z counts here" if template else "the image"
        raise ImageError(
            f"Slice {number_list(outside)} is not in {whose}: its slices are 0 to {count - 1}."
        )
    if levels is None:
        if selection.levels or selection.per_level:
            raise ImageError("Levels need a file that says where they are: give the labels.")
        return
    if levels.size != count:
        raise ImageError(
            f"The level file has {levels.size} slices and the mask {count}: "
            "both must be on the same grid."
        )
    present = _present(levels)
    if selection.levels and not set(selection.levels) & set(present):
        raise ImageError(
            f"Level {number_list(selection.levels)} was asked for, and none of it is labelled: "
            f"the labels hold level {number_list(present) or 'none'}."
        )


def _present(levels: Levels) -> tuple[int, ...]:
    return tuple(int(level) for level in np.unique(levels[levels > 0]))


def _groups(
    selection: Selection, measurable: NDArray[np.bool_], levels: Levels | None
) -> list[SliceGroup]:
    """The groups, without remarks; none where what was asked for has nothing to measure."""
    slices = selection.slices or tuple(range(measurable.size))
    chosen = selection.levels
    if selection.per_level and not chosen and levels is not None:
        chosen = _present(levels)
    if not chosen or levels is None:
        groups = _by_slice(slices, levels) if selection.per_slice else [SliceGroup(slices, ())]
        return groups if not selection.slices or measurable[list(slices)].any() else []
    by_level = {level: tuple(z for z in slices if levels[z] == level) for level in chosen}
    members = tuple(sorted(z for group in by_level.values() for z in group))
    if not members or not (measurable[list(members)].any() or not measurable.any()):
        return []
    if selection.per_level:
        return [SliceGroup(group, (level,)) for level, group in by_level.items() if group]
    if selection.per_slice:
        return _by_slice(members, levels)
    return [SliceGroup(members, tuple(level for level in chosen if by_level[level]))]


def _by_slice(slices: Sequence[int], levels: Levels | None) -> list[SliceGroup]:
    if levels is None:
        return [SliceGroup((z,), ()) for z in slices]
    return [SliceGroup((z,), (int(levels[z]),) if levels[z] else ()) for z in slices]


def _nothing(
    selection: Selection, measurable: NDArray[np.bool_], levels: Levels | None, template: bool
) -> str:
    """Why a selection holds nothing: what was asked for, and what is there."""
    asked = [
        f"{word} {number_list(numbers)}"
        for word, numbers in (("level", selection.levels), ("slices", selection.slices))
        if numbers
    ]
    slices = "slices of the PAM50 template" if template else "slices"
    if not measurable.any():
        return "The mask is empty: there is no cord to measure."
    words = [f"There is no cord in what was asked for ({' within '.join(asked)})"]
    words.append(f"the cord lies in the {slices} {number_list(np.flatnonzero(measurable)) or '-'}")
    if selection.levels and levels is not None:
        there = np.flatnonzero(np.isin(levels, selection.levels)).tolist()
        words.append(f"level {number_list(selection.levels)} lies in the {slices}")
        words[-1] += f" {number_list(there)}"
    told = "; ".join([f"{words[0]}: {words[1]}", *words[2:]]) + "."
    counted = " With -normalize-PAM50, -z counts the slices of the template, not of the image."
    return told + (counted if template and selection.slices else "")


def _remarked(
    group: SliceGroup,
    selection: Selection,
    measurable: NDArray[np.bool_],
    levels: Levels | None,
    covers: Mapping[int, Sequence[int]],
) -> SliceGroup:
    """The group with the vertebrae that its levels cover, and with remarks."""
    remarks = list(_of_levels(group, covers))
    if not selection.each_slice:
        remarks.extend(_of_slices(group, selection, measurable))
        if levels is not None and selection.levels and not selection.per_level:
            remarks.extend(_absent(group, selection, covers))
    covered = [n for level in group.levels for n in covers.get(level, (level,))]
    return SliceGroup(group.slices, tuple(dict.fromkeys(covered)), tuple(remarks))


def _of_levels(group: SliceGroup, covers: Mapping[int, Sequence[int]]) -> Iterable[str]:
    for level in group.levels:
        if level in covers:
            discs = number_list(covers[level][1:])
            yield f"level {number_list(covers[level])} in one, as disc {discs} is not labelled"


def _of_slices(
    group: SliceGroup, selection: Selection, measurable: NDArray[np.bool_]
) -> Iterable[str]:
    empty = [z for z in group.slices if not measurable[z]]
    if empty and (selection.slices or group.levels) and len(empty) < len(group.slices):
        yield f"no cord in slices {number_list(empty)}"


def _absent(
    group: SliceGroup, selection: Selection, covers: Mapping[int, Sequence[int]]
) -> Iterable[str]:
    absent = absent_levels(selection, group.levels, covers)
    if absent:
        yield f"level {number_list(absent)} is not there"


def absent_levels(
    selection: Selection, present: Iterable[int], covers: Mapping[int, Sequence[int]]
) -> tuple[int, ...]:
    """The levels that were asked for and are not among those `present`."""
    held = {n for level in present for n in covers.get(level, (level,))}
    return tuple(sorted(set(selection.levels) - held))
