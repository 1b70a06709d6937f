"""Each command with --json prints lines that are valid by their published schemas, and no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from published_table import write_table
from samples import DATA, label_path

from sct_deepseg_general import cli
from sct_deepseg_general.provenance.schemas import schema

NECK = DATA / "levels" / "neck_T2w.nii.gz"
MASK = DATA / "levels" / "neck_T2w_seg.nii.gz"
PERSON = "-age 40 -sex F -contrast T2w"
COMMANDS: dict[str, tuple[str, str]] = {
    "main": (f"-i {NECK} -o out/ -qc qc -plot area.png {PERSON}", "result-1"),
    "batch": (f"batch -bids {DATA} -contrast T2w -o out -jobs 1 -no-qc -csa 0", "images-1"),
    "csa": (f"csa -i {MASK} -anat {NECK} -m sc-general -perlevel 1 -o a.csv {PERSON}", "area-1"),
    "qc": (f"qc -i {NECK} -s {MASK} -s2 {MASK} -volume 0 -qc qc", "qc-1"),
    "change": (f"change -i1 {NECK} -i2 {NECK} -o change.csv", "change-1"),
    "evaluate": (f"evaluate -bids {DATA} -masks masks -contrast T2w", "evaluation-1"),
    "info": ("info", "info-1"),
    "norms show": ("norms show -age 30 -sex M", "norm-values-1"),
    "norms build": ("norms build -i levels.tsv -o norms.json", "norms-file-1"),
    "norms group": ("norms group -i csa.tsv -participants people.tsv -o norms.tsv", "norms-1"),
}
"""The words after the program's name, and the schema of a line."""


def table_of_areas(path: Path, people: int = 2) -> None:
    """The csa.tsv of a batch: each person has C2, C3 and C4 of 15 slices in a T2w image."""
    columns = ("participant_id", "session_id", "contrast", "image", "status", "slice", "level",
               "area", "area_lower", "area_upper")  # fmt: skip
    lines = ["\t".join(columns)]
    for number in range(people):
        who = (f"sub-{number}", "n/a", "T2w", f"sub-{number}_T2w.nii.gz", "ok")
        for place in range(45):
            level = 4 - place // 15
            lines.append("\t".join(map(str, (*who, place, level, 70 + number, 65, 76))))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the commands read, in the folder where they run."""
    monkeypatch.chdir(tmp_path)
    Path("masks").mkdir()
    Path("masks/sub-sct_T2w_seg.nii.gz").write_bytes(label_path("T2w").read_bytes())
    table_of_areas(Path("csa.tsv"))
    people = "participant_id\tage\tsex\nsub-0\t30\tF\nsub-1\tn/a\tM\nsub-2\t40\tF\n"
    Path("people.tsv").write_text(people, encoding="utf-8")
    return tmp_path


def lines(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> list[dict[str, Any]]:
    """The lines on standard output, each of which is JSON."""
    monkeypatch.setattr("sys.argv", ["sct_deepseg_sc_general", *words.split(), "--json"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    told = capsys.readouterr()
    assert not end.value.code, told.err
    return [json.loads(line) for line in told.out.splitlines()]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_line_is_valid_and_every_field_is_described(
    command: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words, name = COMMANDS[command]
    if command == "norms build":
        write_table(folder / "levels.tsv")
    found = lines(words, monkeypatch, capsys)
    assert found
    for record in found:
        jsonschema.Draft202012Validator(schema(name)).validate(record)
        assert set(record) <= set(schema(name)["properties"])
        assert record.get("Schema", name) == name
        for path in record.get("Files", {}).values():
            assert (folder / path).exists()
    if command == "change":
        assert abs(found[0]["Levels"][0]["change_percent"]) < 0.5
    if command == "evaluate":
        assert found[0]["dice"] == 1


def test_every_schema_of_a_line_is_tried() -> None:
    of_files = {"sidecar-1", "correction-1", "status-1", "csa-1"}
    from sct_deepseg_general.provenance.schemas import SCHEMAS

    assert {name for _, name in COMMANDS.values()} == set(SCHEMAS) - of_files


def test_the_page_of_machine_names_every_schema() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "machine.md").read_text(encoding="utf-8")
    from sct_deepseg_general.provenance.schemas import SCHEMAS

    assert [name for name in SCHEMAS if f"`{name}`" not in page] == []


def test_csa_and_the_main_command_tell_the_norms_alike(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (whole,) = lines(f"-i {NECK} -o out/ {PERSON}", monkeypatch, capsys)
    words = f"csa -i out/neck_T2w_seg.nii.gz -anat {NECK} -o a.csv {PERSON}"
    (mask,) = lines(words, monkeypatch, capsys)
    assert [one["Level"] for one in whole["AmongNorms"]["Levels"]]
    assert mask["AmongNorms"] == whole["AmongNorms"]


def test_the_lines_of_norms_are_those_of_the_table(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = lines(COMMANDS["norms group"][0], monkeypatch, capsys)
    by_person = {row["participant_id"]: row for row in found if row["level"] in ("C3", None)}
    assert 0 < by_person["sub-0"]["centile"] < 100
    assert by_person["sub-0"]["area"] == 70
    assert by_person["sub-1"]["centile"] is None
    assert "age" in by_person["sub-1"]["reason"]
    assert by_person["sub-2"]["reason"] == "no image"
    shown = lines("norms show -age 30 -sex F", monkeypatch, capsys)
    (norm,) = (one for one in shown if (one["Measure"], one["Level"]) == ("area", "C3"))
    assert by_person["sub-0"]["norm_median"] == pytest.approx(norm["Median"], abs=0.01)
    assert norm["P5"] < norm["Median"] < norm["P95"]
