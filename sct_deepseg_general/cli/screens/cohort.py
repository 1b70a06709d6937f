"""What follows a batch for its people: centiles, groups and change, and their lines."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sct_deepseg_general.cli._click import printable
from sct_deepseg_general.cli.options.batch import BatchOptions

if TYPE_CHECKING:
    from sct_deepseg_general.batch.plan import BatchPlan
    from sct_deepseg_general.cohort.centiles import Cohort
    from sct_deepseg_general.cohort.longitudinal import SessionPair
    from sct_deepseg_general.norms.compare_groups import Difference
    from sct_deepseg_general.norms.group import GroupRow

__all__ = ["after_batch", "cohort_asked", "print_groups", "print_unplaced"]

_LISTED = 10
"""People that are named on the screen; the tables name all."""
_SHOWN = ("C2-C3", "C3", "C4", "C5")
"""Levels of which the first that there is stands for a comparison on the screen."""


def cohort_asked(options: BatchOptions) -> Cohort | None:
    """The people of the batch, read before its work begins; None where there are none.

    Raises
    ------
    click.UsageError
        The flags do not go together.
    NormsError
        The table of people that was named cannot be used.
    """
    levels = options.csa and (options.levels == "auto" or options.c2c3)
    named = options.participants is not None or options.group is not None
    if named and not levels:
        raise click.UsageError("-participants and -group need -levels auto, and no -csa 0.")
    if options.longitudinal and options.bids is None:
        raise click.UsageError("-longitudinal needs the sessions of a BIDS dataset: give -bids.")
    if not levels:
        return None
    from sct_deepseg_general.cohort.centiles import cohort_of

    return cohort_of(options.bids, options.participants, options.group)


def after_batch(plan: BatchPlan, options: BatchOptions, cohort: Cohort | None, place: Path) -> None:
    """Write and print what was asked for of the people, from the tables in `place`.

    Raises
    ------
    NormsError
        The groups cannot be compared.
    OutputError
        A file cannot be written.
    """
    if cohort is not None:
        _centiles(plan, options, cohort, place)
    if options.longitudinal:
        _changes(plan, options, place)


def _centiles(plan: BatchPlan, options: BatchOptions, cohort: Cohort, place: Path) -> None:
    from sct_deepseg_general.cohort.centiles import NORMS, write_centiles
    from sct_deepseg_general.cohort.groups import compare
    from sct_deepseg_general.zoo.zoo import resolve

    if cohort.problem:
        print(f"No centiles: {printable(cohort.problem)}", file=sys.stderr)
        return
    rows = write_centiles(place, cohort, resolve(plan.settings.model, offline=True))
    if options.verbose:
        print(f"  {printable(place / NORMS)}")
        print_unplaced(rows)
    if options.group is not None:
        found, written = compare(rows, place / "groups.tsv")
        if options.verbose:
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


def _changes(plan: BatchPlan, options: BatchOptions, place: Path) -> None:
    from sct_deepseg_general.cohort.longitudinal import (
        CHANGE,
        change_plots,
        pairs_of,
        write_changes,
    )
    from sct_deepseg_general.cohort.sessions import series_of
    from sct_deepseg_general.inference.predictor import load_predictor
    from sct_deepseg_general.zoo.zoo import resolve

    worklist = plan.worklist
    pairs = pairs_of(series_of(worklist.items, worklist.root))
    if not pairs:
        print("No change: nobody has images of one name in two sessions.", file=sys.stderr)
        return
    model = resolve(plan.settings.model, offline=True)
    predictor = load_predictor(model, options.engine, options.device)
    on_pair = _print_change if options.verbose else None
    records = write_changes(place, pairs, predictor, on_pair)
    written = [place / CHANGE, *change_plots(place, pairs, records)]
    if options.verbose:
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
