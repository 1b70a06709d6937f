"""The people of a participants.tsv, as BIDS tools and spreadsheets write it."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from placeholders import PLACEHOLDERS

from sct_deepseg_general.errors import NormsError
from sct_deepseg_general.norms.model import Subject
from sct_deepseg_general.norms.participants import read_participants

TEXT = "participant_id\tage\tsex\tgroup\nsub-Zoë\t30\tfemale\ta\nsub-02\tn/a\tM\tb\n"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_of_any_program_is_read(
    encoding: str, ends: str, form: str, tmp_path: Path
) -> None:
    path = tmp_path / "participants.tsv"
    path.write_bytes(unicodedata.normalize(form, TEXT).replace("\n", ends).encode(encoding))
    path.with_suffix(".json").write_bytes(json.dumps({"age": {"Units": "years"}}).encode(encoding))
    people = read_participants(path, "group")
    assert set(people) == {"sub-Zoë", "sub-02"}
    assert people["sub-Zoë"].subject == Subject(30.0, "F")
    assert people["sub-02"].reason == "no age in participants.tsv"
    assert (people["sub-Zoë"].group, people["sub-02"].group) == ("a", "b")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT.replace("\t", ";"), "separated by semicolons: save it with tabs"),
        (TEXT.replace("\t", ","), "separated by commas: save it with tabs"),
        (TEXT.replace("age", "years"), "no column age"),
    ],
)
def test_another_separator_or_column_is_named(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "participants.tsv").write_text(text)
    with pytest.raises(NormsError, match=said):
        read_participants(tmp_path / "participants.tsv")


@pytest.mark.parametrize("kind", PLACEHOLDERS)
def test_a_table_whose_content_is_not_here_is_said(kind: str, tmp_path: Path) -> None:
    make, said = PLACEHOLDERS[kind]
    make(tmp_path / "participants.tsv")
    with pytest.raises(NormsError) as caught:
        read_participants(tmp_path / "participants.tsv")
    assert said in str(caught.value)


def test_ages_in_months_are_refused(tmp_path: Path) -> None:
    (tmp_path / "participants.tsv").write_text(TEXT)
    (tmp_path / "participants.json").write_text('{"age": {"Units": "months"}}')
    with pytest.raises(NormsError, match="in months: give them in years"):
        read_participants(tmp_path / "participants.tsv")


@pytest.mark.parametrize(
    ("rows", "subject", "group", "reason"),
    [
        ("sub-1\t30\tF\ta\nsub-1\t30\tF\ta\n", Subject(30, "F"), "a", ""),
        ("sub-1\t30\tF\ta\nsub-1\t42\tF\ta\n", None, "a", "2 rows of participants.tsv"),
        ("sub-1\t30\tF\ta\nsub-1\tn/a\tF\ta\n", None, "a", "2 rows of participants.tsv"),
        ("sub-1\t30\tF\ta\nsub-1\t30\tF\tb\n", Subject(30, "F"), "", ""),
    ],
)
def test_a_person_of_several_rows_has_what_they_agree_on(
    rows: str, subject: Subject | None, group: str, reason: str, tmp_path: Path
) -> None:
    """A row for each session is common; the last one's age was taken for all sessions."""
    path = tmp_path / "participants.tsv"
    path.write_text(f"participant_id\tage\tsex\tgroup\n{rows}")
    (person,) = read_participants(path, "group").values()
    assert (person.subject, person.group) == (subject, group)
    assert person.reason.startswith(reason)
    assert bool(person.reason) == bool(reason)
