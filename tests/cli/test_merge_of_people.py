"""`batch merge`: the tables of the people, from those of shards or the journals of participants."""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from samples import image_path, model

from sct_deepseg_general.cli import main
from sct_deepseg_general.cohort.centiles import Cohort, write_centiles
from sct_deepseg_general.norms.participants import read_participants

Typed = Callable[..., int]
PEOPLE = [f"sub-{n:02d}" for n in range(1, 9)]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Typed:
    """`batch merge` with these words; gives its exit code."""

    def call(*words: object) -> int:
        words = ("sct_deepseg_sc_general", "batch", "merge", *words, "-offline")
        monkeypatch.setattr(sys, "argv", [str(word) for word in words])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0)

    return call


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def tables(place: Path, people: list[str], *, levels: str = "detected", digest: str = "") -> Path:
    """The tables of a batch of C4, C3 and C2 of these people, larger from one to the next."""
    place.mkdir(parents=True)
    head = "participant_id\tsession_id\tcontrast\timage\t"
    images = [head + "status\tlevels\tmodel\tturn\n"]
    slices = [head + "slice\tlevel\tarea\tstatus\n"]
    for who in people:
        key = f"{who}\tn/a\tT2w\t{who}/anat/{who}_T2w.nii.gz\t"
        images.append(f"{key}ok\t{levels}\t{(digest or model().digest)[:12]}\t1\n")
        area = 60.0 + PEOPLE.index(who)
        slices += [f"{key}{z}\t{4 - z // 15}\t{area}\tok\n" for z in range(45)]
    (place / "images.tsv").write_text("".join(images))
    (place / "csa.tsv").write_text("".join(slices))
    (place / "images.json").write_text('{"status": {"Description": "The quality check."}}')
    return place


@pytest.fixture
def participants(tmp_path: Path) -> Path:
    path = tmp_path / "participants.tsv"
    lines = [f"{who}\t30\tF\t{'ab'[n % 2]}\n" for n, who in enumerate(PEOPLE)]
    path.write_text("participant_id\tage\tsex\tgroup\n" + "".join(lines))
    return path


def test_shards_joined_have_the_centiles_and_groups_of_one_batch(
    typed: Typed, participants: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = [tables(tmp_path / "1", PEOPLE[:3]), tables(tmp_path / "2", PEOPLE[3:])]
    one = tables(tmp_path / "one", PEOPLE)
    write_centiles(one, Cohort(read_participants(participants)), model())
    out = tmp_path / "out"
    out.mkdir()
    words = ("-o", out, "-i", *shards, "-participants", participants, "-group", "group")
    assert typed(*words) == 0
    for name in ("norms.tsv", "images.tsv"):
        found, known = (rows(place / name) for place in (out, one))
        assert [{**row, "group": ""} for row in found] == [{**row, "group": ""} for row in known]
    assert float(rows(out / "images.tsv")[0]["c2c3_centile"]) < 50
    assert (out / "groups.tsv").exists()
    assert "Hedges' g" in capsys.readouterr().out


@pytest.mark.parametrize(
    "case",
    [
        ({"levels": "n/a"}, ("-participants", "P"), 2, "need a batch with -levels auto"),
        ({"digest": "0123456789abcdef"}, ("-participants", "P"), 1, "give the model of the batch"),
        ({}, ("-longitudinal",), 2, "give -bids"),
        ({}, ("-group", "group"), 1, "give a participants.tsv"),
        ({}, ("-participants", "P", "-group", "diagnosis"), 1, "diagnosis"),
    ],
)
def test_what_cannot_be_made_is_said(
    typed: Typed, participants: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    case: tuple[dict[str, str], tuple[str, ...], int, str],
) -> None:  # fmt: skip
    made, words, code, says = case
    shard = tables(tmp_path / "1", PEOPLE, **made)
    (tmp_path / "out").mkdir()
    given = [participants if word == "P" else word for word in words]
    assert typed("-o", tmp_path / "out", "-i", shard, *given) == code
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out" / "norms.tsv").exists()
    assert not (tmp_path / "out" / "groups.tsv").exists()


@pytest.mark.slow
def test_participants_joined_have_centiles_and_change(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    data, out = tmp_path / "data", tmp_path / "out"
    image = image_path("T2w")
    for session in ("ses-1", "ses-2"):
        folder = data / "sub-01" / session / "anat"
        folder.mkdir(parents=True)
        shutil.copy(image, folder / f"sub-01_{session}_T2w.nii.gz")
    (data / "participants.tsv").write_text("participant_id\tage\tsex\nsub-01\t30\tF\n")
    words = ["batch", "-bids", data, "-o", out, "-levels", "auto", "-participant-label", "01",
             "-per-participant", "-no-qc", "-jobs", "1", "-offline"]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["sct_deepseg_sc_general", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code in (0, None)
    assert f"batch merge -bids {data} -o {out}' joins" in capsys.readouterr().out
    assert typed("-bids", data, "-o", out, "-longitudinal") == 0
    images = rows(out / "images.tsv")
    assert [row["session_id"] for row in images] == ["ses-1", "ses-2"]
    assert all("c2c3_centile" in row for row in images)
    assert (out / "norms.tsv").exists()
    change = rows(out / "change.tsv")
    assert {row["followup_session"] for row in change} == {"ses-2"}
    assert {float(row["change_percent"]) for row in change} == {0.0}
