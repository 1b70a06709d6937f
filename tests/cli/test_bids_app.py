"""The BIDS App is the batch with other arguments."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from batches import table
from samples import DATA
from tools import tool

from sct_deepseg_general.cli.bids_app import arguments, words_for_batch

MAIN = [sys.executable, "-c", "from sct_deepseg_general.cli.bids_app import main; main()"]


def app(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MAIN, *map(str, words)], capture_output=True, text=True, check=False)


def words(*given: str) -> list[str]:
    return list(words_for_batch(arguments().parse_args(given)))


def test_the_usual_arguments_become_those_of_batch() -> None:
    given = words(
        "in", "out", "participant", "--participant-label", "01", "02", "--session-id", "1",
        "--n-cpus", "3", "--skip-bids-validator",
    )  # fmt: skip
    assert given[:5] == ["batch", "-bids", "in", "-o", "out"]
    assert given[5:10] == ["-participant-label", "01", "02", "-session", "1"]
    assert given[10:15] == ["-per-participant", "-jobs", "3", "-threads", "1"]


def test_without_names_of_participants_it_is_the_batch_of_the_whole_dataset() -> None:
    assert words("in", "out", "participant")[:-1] == ["batch", "-bids", "in", "-o", "out", "-v"]


def test_group_joins_tables() -> None:
    assert words("in", "out", "group") == ["batch", "merge", "-bids", "in", "-o", "out"]
    given = words("in", "out", "group", "--participant-label", "01", "--n-cpus", "2")
    assert given[6:] == ["-participant-label", "01"]


@pytest.mark.parametrize(
    "wrong", [("in", "out"), ("in", "out", "person"), ("in", "out", "group", "--n-cpus", "0")]
)
def test_wrong_arguments_end_with_two(wrong: tuple[str, ...]) -> None:
    ended = app(*wrong)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset") / "data"
    for name in ("sub-sct_acq-MTon_MTS", "sub-sct_acq-MToff_MTS"):
        image = DATA / "sub-sct" / "anat" / f"{name}.nii.gz"
        (folder / "sub-sct" / "anat").mkdir(parents=True, exist_ok=True)
        shutil.copy(image, folder / "sub-sct" / "anat")
    shutil.copy(DATA / "dataset_description.json", folder)
    return folder


def test_a_participant_and_its_group(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "filter.json").write_text(json.dumps({"mt": {"acquisition": ["MTon"]}}))
    out = tmp_path / "out"
    ended = app(
        dataset, out, "participant", "--participant-label", "sct", "--n-cpus", 1,
        "--bids-filter-file", tmp_path / "filter.json",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert [path.name for path in out.rglob("*_mask.nii.gz")] == [
        "sub-sct_acq-MTon_label-SC_desc-MTS_mask.nii.gz"
    ]
    ended = app(dataset, out, "group")
    assert ended.returncode == 1
    assert "Without a result: sub-sct/anat/sub-sct_acq-MToff_MTS.nii.gz" in ended.stderr
    ended = app(dataset, out, "group", "--bids-filter-file", tmp_path / "filter.json")
    assert ended.returncode == 0, ended.stderr
    assert "1 image," in ended.stdout
    assert len((out / "images.tsv").read_text().splitlines()) == 2


def test_a_filter_that_selects_nothing_is_one_sentence(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "filter.json").write_text('{"t1": {"suffix": "T1w"}}')
    ended = app(
        dataset, tmp_path / "o", "participant", "--bids-filter-file", tmp_path / "filter.json"
    )
    assert ended.returncode == 1
    assert "No image of" in ended.stderr
    assert not (tmp_path / "o").exists()


@pytest.fixture(scope="module")
def two_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample images as those of two people with a session each."""
    folder = tmp_path_factory.mktemp("people") / "data"
    for name, session in (("01", "1"), ("02", "2")):
        place = folder / f"sub-{name}" / f"ses-{session}" / "anat"
        place.mkdir(parents=True)
        for image in sorted((DATA / "sub-sct" / "anat").glob("*.nii.gz")):
            new = image.name.replace("sub-sct", f"sub-{name}_ses-{session}")
            shutil.copy(image, place / new)
    shutil.copy(DATA / "dataset_description.json", folder)
    return folder


@pytest.mark.slow
def test_two_participants_at_once_one_killed_then_group_is_valid_bids(
    two_people: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    def started(name: str) -> subprocess.Popen[bytes]:
        words = ["participant", "--participant-label", name, "--n-cpus", "1", "--levels"]
        return subprocess.Popen(
            [*MAIN, str(two_people), str(out), *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    running = {name: started(name) for name in ("01", "02")}
    journal = out / "batch" / "sub-02" / "journal.jsonl"
    try:
        end = time.monotonic() + 300
        while not (journal.exists() and '"done"' in journal.read_text()):
            assert time.monotonic() < end
            time.sleep(0.05)
        os.kill(running["02"].pid, signal.SIGKILL)
        assert running["01"].wait(300) == 0
    finally:
        for one in running.values():
            one.kill()
            one.wait()
    early = app(two_people, out, "group")
    assert early.returncode == 1
    assert "Without a result: sub-02" in early.stderr
    again = started("02")
    assert again.wait(300) == 0
    ended = app(two_people, out, "group")
    assert ended.returncode == 0, ended.stderr
    rows = table(out / "images.tsv")
    assert [row["session_id"] for row in rows] == ["ses-1"] * 4 + ["ses-2"] * 4
    by_image: dict[str, set[str]] = {}
    for row in rows:
        by_image.setdefault(row["image"].partition("_ses-")[2][2:], set()).add(row["mean_area"])
    assert all(len(areas) == 1 for areas in by_image.values()), "the same image, the same area"
    assert not list(out.rglob(".part-*"))
    assert _errors_of_validator(out) == ""


def _errors_of_validator(folder: Path) -> str:
    """What the BIDS validator (PyPI, bids-validator-deno) calls an error."""
    command = tool("bids-validator-deno")
    said = subprocess.run([command, folder], capture_output=True, text=True, check=False)
    assert "Summary" in said.stdout, said.stdout + said.stderr
    return said.stdout if "[ERROR]" in said.stdout or said.returncode else ""
