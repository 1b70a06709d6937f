"""What follows a batch for its people: centiles, groups and change, and their lines."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sct_deepseg_general.cli._click import printable
from sct_deepseg_general.cli.options.batch import CohortOptions

if TYPE_CHECKING:
    from sct_deepseg_general.batch.worklist import Worklist
    from sct_deepseg_general.cohort.centiles import Cohort
    from sct_deepseg_general.cohort.longitudinal import SessionPair
    from sct_deepseg_general.norms.compare_groups import Difference
    from sct_deepseg_general.norms.group import GroupRow
    from sct_deepseg_general.zoo.model import Model

__all__ = ["CohortWork", "after_batch", "cohort_asked", "print_groups", "print_unplaced"]

_LISTED = 10
"""People that are named on the screen; the tables name all."""
_SHOWN = ("C2-C3", "C3", "C4", "C5")
"""Levels of which the first that there is stands for a comparison on the screen."""


@dataclass(frozen=True)
class CohortWork:
    """What is asked for of the people of a batch, and what it is made from."""

    asked: CohortOptions
    cohort: Cohort | None
    """Age, sex and group of the people; None where there are no centiles."""
    model: Model
    """The model that made the masks."""
    worklist: Worklist | None
    """The images whose sessions are compared."""
    engine: str = "auto"
    device: str = "auto"
    verbose: int = 1


def cohort_asked(asked: CohortOptions, dataset: Path | None, *, levels: bool) -> Cohort | None:
    """The people of the batch, read before its work begins; None where there are none. `levels`
    says whether the areas of the batch have levels.

    Raises
    ------
    click.UsageError
        The flags do not go together.
    NormsError
        The table of people that was named cannot be used.
    """
    if asked.named and not levels:
        raise click.UsageError(
            "-participants and -group need a batch with -levels auto, and no -csa 0."
        )
    if asked.longitudinal and dataset is None:
        raise click.UsageError("-longitudinal needs the sessions of a BIDS dataset: give -bids.")
    if not levels:
        return None
    from sct_deepseg_general.cohort.centiles import cohort_of

    return cohort_of(dataset, asked.participants, asked.group)


def after_batch(work: CohortWork, place: Path) -> None:
    """Write and print what was asked for of the people, from the tables in `place`.

    Raises
    ------
    NormsError
        The groups cannot be compared.
    OutputError
        A file cannot be written.
    """
    if work.cohort is not None:
        _centiles(work, work.cohort, place)
    if work.asked.longitudinal and work.worklist is not None:
        _changes(work, work.worklist, place)


def _centiles(work: CohortWork, cohort: Cohort, place: Path) -> None:
    from sct_deepseg_general.cohort.centiles import NORMS, write_centiles
    from sct_deepseg_general.cohort.groups import compare

    if cohort.problem:
        print(f"No centiles: {printable(cohort.problem)}", file=sys.stderr)
        return
    rows = write_centiles(place, cohort, work.model)
    if work.verbose:
        print(f"  {printable(place / NORMS)}")
        print_unplaced(rows)
    if work.asked.group is not None:
        found, written = compare(rows, place / "groups.tsv")
        if work.verbose:
            print_groups(found, written)


def print_unplaced(rows: Sequence[GroupRow]) -> None:
    """Name those who have no centile, with the reason."""
    from sct_deepseg_general.cohort.centiles import unplaced

    missing = unplaced(rows)
    for person, reason in list(missing.items())[:_LISTED]:
        print(f"  no centile for {printable(person)}: {printable(reason)}")
    if len(missing) > _LISTED:
        print(f"  ... and for {len(missing) - _LISTED} more, named in the table")


def print_groups(found: Sequence[Difference], written: Sequence[Path]) -> None:
    """The files of a comparison of groups, and a line for each two groups and contrast."""
    for path in written:
        print(f"  {printable(path)}")
    shown = set()
    for level in _SHOWN:
        for one in found:
            key = (one.contrast, one.measure, one.first.name, one.second.name)
            if one.level == level and key not in shown:
                shown.add(key)
                print(f"  {_sentence(one)}")


def _sentence(one: Difference) -> str:
    what = "area" if one.measure == "area" else "z-score for age and sex"
    names = (printable(one.second.name), printable(one.first.name))
    return (
        f"{one.contrast}, {one.level}, {what}: {names[0]} against {names[1]} "
        f"({one.second.people} and {one.first.people} people): Hedges' g {one.effect:+.2f} "
        f"({one.lower:+.2f} to {one.upper:+.2f})"
    )


def _changes(work: CohortWork, worklist: Worklist, place: Path) -> None:
    from sct_deepseg_general.cohort.longitudinal import (
        CHANGE,
        change_plots,
        pairs_of,
        write_changes,
    )
    from sct_deepseg_general.cohort.sessions import series_of
    from sct_deepseg_general.inference.predictor import load_predictor

    pairs = pairs_of(series_of(worklist.items, worklist.root))
    if not pairs:
        print("No change: nobody has images of one name in two sessions.", file=sys.stderr)
        return
    predictor = load_predictor(work.model, work.engine, work.device)
    on_pair = _print_change if work.verbose else None
    records = write_changes(place, pairs, predictor, on_pair)
    written = [place / CHANGE, *change_plots(place, pairs, records)]
    if work.verbose:
        for path in written:
            print(f"  {printable(path)}")


def _print_change(pair: SessionPair, record: Mapping[str, Any]) -> None:
    names = f"{pair.first.item.session} to {pair.later.item.session}"
    print(f"  {printable(f'{pair.later.item.key}, {names}')}: {_words(pair, record)}", flush=True)


def _words(pair: SessionPair, record: Mapping[str, Any]) -> str:
    if "Reason" in record:
        return f"no change: {printable(record['Reason'])}"
    level = record["Levels"][0]
    text = f"{level['level']} {level['change_percent']:+.2f} %"
    if level["lower_percent"] is not None:
        text += f" ({level['lower_percent']:+.2f} to {level['upper_percent']:+.2f})"
    if level["percent_per_year"] is not None:
        return f"{text}, {level['percent_per_year']:+.2f} % a year"
    return f"{text}; {pair.no_years}"
