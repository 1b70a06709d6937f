import csv

import pytest

from sct_deepseg_general.errors import NormsError
from sct_deepseg_general.norms.centile import Calibrations
from sct_deepseg_general.norms.group import absent, group_rows, write_rows, write_table
from sct_deepseg_general.norms.model import Subject, embedded
from sct_deepseg_general.norms.participants import read_participants

KNOWN = Calibrations.from_record({"T2w": {"area": {"ratio": 1.0, "sd": 0.02, "people": 4}}})
HEADER = "participant_id\tsession_id\tcontrast\timage\tslice\tlevel\tarea\n"


def batch(folder, areas):
    """A csa.tsv: for each person, C4, C3 and C2 of 15 slices of one area."""
    lines = [
        f"{who}\tn/a\tT2w\t{who}_T2w.nii.gz\t{z}\t{4 - z // 15}\t{area}\n"
        for who, area in areas.items()
        for z in range(45)
    ]
    path = folder / "csa.tsv"
    path.write_text(HEADER + "".join(lines))
    return path


def people(folder, lines, group=None):
    path = folder / "participants.tsv"
    path.write_text("participant_id\tage\tsex\tgroup\n" + "".join(f"{line}\n" for line in lines))
    return read_participants(path, group)


def test_each_level_of_each_person_has_its_centile(tmp_path):
    table = batch(tmp_path, {"sub-01": 71.0})
    rows = group_rows(table, people(tmp_path, ["sub-01\t30\tF\ta"]), embedded(), KNOWN)
    norm = embedded().distribution("area", "C3", Subject(30, "F"), "T2w")
    row = next(r for r in rows if r.level == "C3")
    assert row.place.z_score == pytest.approx(float(norm.z_score(71.0)))
    assert {r.level for r in rows} == {"C2", "C3", "C4", "C2-C3"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("sub-02\t30\tF\ta", "not in participants.tsv"),
        ("sub-01\tn/a\tF\ta", "no age"),
        ("sub-01\t540\tF\ta", "not an age in years"),
        ("sub-01\t54m\tF\ta", "not an age in years"),
        ("sub-01\t30\tx\ta", "not a sex"),
    ],
)
def test_whoever_cannot_be_placed_is_named_with_the_reason(tmp_path, line, says):
    table = batch(tmp_path, {"sub-01": 71.0})
    for row in group_rows(table, people(tmp_path, [line]), embedded(), KNOWN):
        assert (row.participant, row.place) == ("sub-01", None)
        assert says in row.reason


def test_ages_in_months_are_refused(tmp_path):
    (tmp_path / "participants.json").write_text('{"age": {"Units": "months"}}')
    with pytest.raises(NormsError, match="in months"):
        people(tmp_path, ["sub-01\t648\tF\ta"])


def test_the_repeat_error_widens_the_interval(tmp_path):
    table, who = batch(tmp_path, {"sub-01": 71.0}), people(tmp_path, ["sub-01\t30\tF\ta"])
    without, with_it = (
        next(r for r in group_rows(table, who, embedded(), KNOWN, repeat) if r.level == "C3").place
        for repeat in (None, 0.05)
    )
    assert with_it.centile == without.centile
    assert with_it.lower < without.lower < without.upper < with_it.upper


def test_an_image_that_failed_the_quality_check_gets_no_number(tmp_path):
    table = batch(tmp_path, {"sub-01": 71.0})
    first, *rest = table.read_text().splitlines()
    table.write_text("\n".join([f"{first}\tstatus", *(f"{line}\tfail" for line in rest)]))
    (row,) = group_rows(table, people(tmp_path, ["sub-01\t30\tF\ta"]), embedded(), KNOWN)
    assert (row.area, row.place, row.reason) == (None, None, "the quality check says fail")


def test_a_slice_in_one_of_two_levels_belongs_to_none(tmp_path):
    table = batch(tmp_path, {"sub-01": 71.0})
    table.write_text(table.read_text().replace("\t20\t3\t71.0", "\t20\t3:4\t99.0"))
    rows = group_rows(table, people(tmp_path, ["sub-01\t30\tF\ta"]), embedded(), KNOWN)
    assert next(r.area for r in rows if r.level == "C3") == pytest.approx(71.0)


def test_people_without_an_image_are_named(tmp_path):
    table = batch(tmp_path, {"sub-01": 71.0})
    who = people(tmp_path, ["sub-01\t30\tF\ta", "sub-02\t31\tM\ta", "sub-03\tn/a\tM\ta"])
    found = absent(who, group_rows(table, who, embedded(), KNOWN))
    assert [(r.participant, r.reason) for r in found] == [
        ("sub-02", "no image"),
        ("sub-03", "no age in participants.tsv"),
    ]


def test_the_rows_are_written(tmp_path):
    table = batch(tmp_path, {"sub-01": 71.0})
    rows = group_rows(table, people(tmp_path, ["sub-01\t30\tF\ta"]), embedded(), KNOWN)
    write_rows(tmp_path / "norms.tsv", rows)
    with (tmp_path / "norms.tsv").open(newline="") as stream:
        written = list(csv.DictReader(stream, delimiter="\t"))
    assert len(written) == len(rows)
    for line, row in zip(written, rows, strict=True):
        assert line["interval_against_p5"] == row.place.against_fifth
        crosses = float(line["centile_lower"]) < 5 < float(line["centile_upper"])
        assert crosses is (line["interval_against_p5"] == "crosses")


def test_an_interval_lies_below_across_or_above_the_fifth_centile(tmp_path):
    areas = {"sub-01": 30.0, "sub-02": 58.0, "sub-03": 90.0}
    who = people(tmp_path, [f"{name}\t30\tF\ta" for name in areas])
    rows = group_rows(batch(tmp_path, areas), who, embedded(), KNOWN)
    found = {row.participant: row.place.against_fifth for row in rows if row.level == "C3"}
    assert found["sub-01"] == "below"
    assert found["sub-03"] == "above"
    norm = embedded().distribution("area", "C3", Subject(30, "F"), "T2w")
    fifth = float(norm.value(-1.6449))
    (edge,) = (
        row.place.against_fifth
        for row in group_rows(batch(tmp_path, {"sub-01": fifth}), who, embedded(), KNOWN)
        if row.level == "C3"
    )
    assert edge == "crosses"


def test_a_cell_cannot_break_the_table(tmp_path):
    write_table(tmp_path / "t.tsv", ("a", "b"), [["x\ty\nz", ""]])
    assert (tmp_path / "t.tsv").read_text() == "a\tb\nx y z\tn/a\n"


def test_another_table_is_refused(tmp_path):
    (tmp_path / "csa.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(NormsError, match=r"not the csa.tsv"):
        group_rows(tmp_path / "csa.tsv", {}, embedded(), KNOWN)
