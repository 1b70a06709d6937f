"""The BIDS App is the batch with other arguments."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from samples import DATA

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
    assert given[10:14] == ["-jobs", "3", "-threads", "1"]


def test_group_joins_tables() -> None:
    assert words("in", "out", "group") == ["batch", "merge", "-o", "out"]


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
    assert ended.returncode == 0, ended.stderr
    assert "1 images" in ended.stdout
    assert len((out / "images.tsv").read_text().splitlines()) == 2


def test_a_filter_that_selects_nothing_is_one_sentence(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "filter.json").write_text('{"t1": {"suffix": "T1w"}}')
    ended = app(
        dataset, tmp_path / "o", "participant", "--bids-filter-file", tmp_path / "filter.json"
    )
    assert ended.returncode == 1
    assert "No image of" in ended.stderr
    assert not (tmp_path / "o").exists()
