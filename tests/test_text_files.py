"""Text files are read as other programs write them, or refused with what is wrong."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from placeholders import PLACEHOLDERS

from sct_deepseg_general.errors import DatasetError, MissingContentError
from sct_deepseg_general.text_files import existing, read_rows, read_text

TEXT = "participant_id\tsplit\nsub-Zoë\ttrain\nsub-02\ttest\n"
ROWS = [
    {"participant_id": "sub-Zoë", "split": "train"},
    {"participant_id": "sub-02", "split": "test"},
]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_same_text_in_every_form(encoding: str, ends: str, tmp_path: Path) -> None:
    path = tmp_path / "participants.tsv"
    path.write_bytes(TEXT.replace("\n", ends).encode(encoding))
    assert read_text(path) == TEXT
    assert read_rows(path, ("participant_id",)) == ROWS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Müller\n".encode("latin-1"), "not text in UTF-8"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\x03", "not a text file"),
        (b"PK\x03\x04\0\0\0\0", "not a text file"),
    ],
)
def test_what_is_no_text_is_said(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DatasetError, match=said):
        read_text(tmp_path / "a.txt")


@pytest.mark.parametrize("kind", PLACEHOLDERS)
def test_a_table_whose_content_is_not_here_is_said(kind: str, tmp_path: Path) -> None:
    make, said = PLACEHOLDERS[kind]
    make(tmp_path / "participants.tsv")
    with pytest.raises(MissingContentError) as caught:
        read_rows(tmp_path / "participants.tsv")
    assert said in str(caught.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="No such file"):
        read_text(tmp_path / "absent.txt")


@pytest.mark.parametrize(
    ("name", "separator", "found", "instead"),
    [
        ("a.tsv", ";", "semicolons", "tabs"),
        ("a.tsv", ",", "commas", "tabs"),
        ("a.tsv", "|", "vertical bars", "tabs"),
        ("a.csv", ";", "semicolons", "commas"),
        ("a.csv", "\t", "tabs", "commas"),
    ],
)
def test_another_separator_is_named(
    name: str, separator: str, found: str, instead: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(TEXT.replace("\t", separator))
    with pytest.raises(DatasetError, match=f"separated by {found}: save it with {instead}"):
        read_rows(tmp_path / name, ("participant_id",))


def test_a_lacking_column_and_a_short_row_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(TEXT)
    with pytest.raises(DatasetError, match="no column age: its columns are participant_id, split"):
        read_rows(path, ("participant_id", "age"))
    path.write_text(TEXT + "sub-03\n")
    with pytest.raises(DatasetError, match="a row of 1 values below 2 columns: 'sub-03'"):
        read_rows(path)


def test_one_column_and_empty_lines_are_a_table(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("participant_id\n\nsub-01\n\n")
    assert read_rows(tmp_path / "a.tsv") == [{"participant_id": "sub-01"}]


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("given", ["NFC", "NFD"])
def test_a_path_is_found_in_either_form_of_its_letters(
    on_disk: str, given: str, tmp_path: Path
) -> None:
    path = (
        tmp_path / unicodedata.normalize(on_disk, "Zoë") / unicodedata.normalize(on_disk, "é.nii")
    )
    path.parent.mkdir()
    path.touch()
    asked = tmp_path / unicodedata.normalize(given, "Zoë") / unicodedata.normalize(given, "é.nii")
    assert existing(asked).samefile(path)


def test_a_path_that_is_nowhere_stays_as_it_was(tmp_path: Path) -> None:
    assert existing(tmp_path / "é.nii") == tmp_path / "é.nii"
    assert existing(Path("no/such.nii")) == Path("no/such.nii")
