import numpy as np
import pytest

from sct_deepseg_general.errors import NormsError
from sct_deepseg_general.norms.centile import Calibrations
from sct_deepseg_general.norms.group import differences, group_rows, write_differences, write_rows
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
    (row,) = group_rows(table, people(tmp_path, [line]), embedded(), KNOWN)
    assert (row.participant, row.place) == ("sub-01", None)
    assert says in row.reason


def test_ages_in_months_are_refused(tmp_path):
    (tmp_path / "participants.json").write_text('{"age": {"Units": "months"}}')
    with pytest.raises(NormsError, match="in months"):
        people(tmp_path, ["sub-01\t648\tF\ta"])


def test_groups_are_compared_and_written(tmp_path):
    rng = np.random.default_rng(0)
    areas = {f"sub-{k:02d}": 72 + 5 * rng.standard_normal() - 8 * (k % 2) for k in range(40)}
    lines = [f"{who}\t30\tF\t{'ab'[int(who[-2:]) % 2]}" for who in areas]
    rows = group_rows(batch(tmp_path, areas), people(tmp_path, lines, "group"), embedded(), KNOWN)
    found = {d.level: d for d in differences(rows, "a", "b")}
    c3 = found["C3"]
    assert c3.people == (20, 20)
    assert c3.effect == pytest.approx(-8 / 5, abs=0.6)
    assert c3.lower < c3.effect < c3.upper < 0
    write_rows(tmp_path / "norms.tsv", rows)
    write_differences(tmp_path / "groups.tsv", list(found.values()))
    assert len((tmp_path / "norms.tsv").read_text().splitlines()) == 1 + len(rows)
    assert "hedges_g" in (tmp_path / "groups.tsv").read_text()


def test_another_table_is_refused(tmp_path):
    (tmp_path / "csa.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(NormsError, match=r"not the csa.tsv"):
        group_rows(tmp_path / "csa.tsv", {}, embedded(), KNOWN)
