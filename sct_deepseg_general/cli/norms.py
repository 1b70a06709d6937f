"""`norms`: build and show the norms of area and diameters by age and sex."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sct_deepseg_general.cli._click import PATH, PROGRAM, SctGroup, flag, option, printable
from sct_deepseg_general.cli.options.norms import YEARS

if TYPE_CHECKING:
    from sct_deepseg_general.norms.model import Norms, Subject

__all__ = ["command"]

_EPILOG = f"""\
Examples:
  {PROGRAM} norms show -age 54 -sex F -contrast T1w
  {PROGRAM} norms group -i out/csa.tsv -participants participants.tsv -o norms.tsv -group diagnosis
  {PROGRAM} norms build -i pam50_levels.tsv.gz -o norms.json

The norms are of areas as the Spinal Cord Toolbox measures them on T1w and T2w images of healthy
people. For research: a centile is not a diagnosis.
"""

_JSON = flag("-json", "--json", to="as_json", help="Print one line of JSON for each, no text.")


@click.group(cls=SctGroup, epilog=_EPILOG)
def command() -> None:
    """Show or build the norms of area and diameters by age and sex."""


@command.command(help="Median and 5th and 95th centile at each level for an age and sex.")
@option("-age", type=YEARS, required=True, help="Age in years.")
@option("-sex", required=True, help="F or M.")
@option(
    "-contrast", default="T2w", type=click.Choice(["T1w", "T2w"]), help="Contrast of the image."
)
@option("-norms", to="path", type=PATH, help="A file made by norms build.  [default: embedded]")
@_JSON
def show(age: float, sex: str, contrast: str, path: Path | None, as_json: bool) -> None:
    from sct_deepseg_general.norms.model import LEVELS, MEASURES, Norms, Subject, embedded, sex_of

    norms = Norms.load(path) if path else embedded()
    subject = Subject(age, sex_of(sex))
    cells = [(measure, level) for measure in MEASURES for level in LEVELS]
    if as_json:
        from sct_deepseg_general.provenance.line import as_line, norm_record

        for measure, level in cells:
            print(as_line(norm_record(norms, measure, level, subject, contrast)))
        return
    print("Measure\tLevel\tP5\tMedian\tP95\tPeople")
    for measure, level in cells:
        print("\t".join(_line(norms, measure, level, subject, contrast)))
    print(f"# {norms.source.name}; {norms.source.citation}; licence {norms.source.licence}")


@command.command(help="Fit norms to a published table of levels (about 10 s).")
@option("-i", to="table", type=PATH, required=True, help="Table of levels (TSV or TSV.GZ).")
@option("-o", to="output", type=PATH, required=True, help="File of norms to write (JSON).")
@_JSON
def build(table: Path, output: Path, as_json: bool) -> None:
    from sct_deepseg_general.norms.build import build_norms, write_norms

    norms = build_norms(table)
    write_norms(norms, output)
    size = output.stat().st_size
    if as_json:
        from sct_deepseg_general.provenance.line import as_line, norms_file_record

        print(as_line(norms_file_record(norms, output, size)))
    else:
        print(f"{printable(output)}: {len(norms.cells)} cells, {size} bytes")


@command.command(help="Place the people of a batch among the norms, and compare groups.")
@option("-i", to="table", type=PATH, required=True, help="The csa.tsv of a batch with levels.")
@option("-participants", type=PATH, required=True, help="participants.tsv with age and sex.")
@option("-o", to="output", type=PATH, required=True, help="Table to write (TSV).")
@option("-m", to="name", help="Model that made the masks.  [default: the default model]")
@option("-group", help="Column of participants.tsv that names the groups to compare.")
@_JSON
def group(
    table: Path,
    participants: Path,
    output: Path,
    name: str | None,
    group: str | None,
    as_json: bool,
) -> None:
    from sct_deepseg_general.cli.screens.cohort import print_groups, print_unplaced
    from sct_deepseg_general.cohort.groups import compare
    from sct_deepseg_general.norms.centile import Calibrations
    from sct_deepseg_general.norms.group import absent, group_rows, write_rows
    from sct_deepseg_general.norms.model import embedded
    from sct_deepseg_general.norms.participants import read_participants
    from sct_deepseg_general.quality.uncertainty import IntervalFactors
    from sct_deepseg_general.zoo.zoo import resolve

    people = read_participants(participants, group)
    model = resolve(name)
    calibrations = Calibrations.from_record(model.norms)
    repeat = IntervalFactors.from_record(model.intervals).repeat
    rows = group_rows(table, people, embedded(), calibrations, repeat)
    rows += absent(people, rows)
    write_rows(output, rows)
    groups = output.with_name(f"{output.stem}_groups.tsv")
    if as_json:
        if group:
            compare(rows, groups)
        from sct_deepseg_general.provenance.line import as_line, table_records

        print(*map(as_line, table_records(output, "norms-1")), sep="\n")
        return
    print(printable(output))
    print_unplaced(rows)
    if group:
        print_groups(*compare(rows, groups))


def _line(norms: Norms, measure: str, level: str, subject: Subject, contrast: str) -> list[str]:
    from sct_deepseg_general.norms.model import NoNorm

    found = norms.distribution(measure, level, subject, contrast)
    if isinstance(found, NoNorm):
        return [measure, level, "", "", "", found.reason]
    numbers = [f"{value:.2f}" for value in found.centiles()]
    return [measure, level, *numbers, str(found.family.people[subject.sex])]
