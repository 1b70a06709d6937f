"""The words of `batch` in this process: what is chosen, what is submitted, what is joined."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import batches
import pytest
from toy_models import toy_model

from sct_deepseg_general.batch import pool
from sct_deepseg_general.cli import main
from sct_deepseg_general.cluster import slurm
from sct_deepseg_general.cluster.shards import Shard

Typed = Callable[..., int]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Typed:
    """The command with a toy model; gives its exit code."""
    model = toy_model(tmp_path / "toy").folder

    def call(*words: object) -> int:
        given = [*map(str, words), *(() if words[0] == "merge" else ("-m", str(model)))]
        monkeypatch.setattr(sys, "argv", ["sct_deepseg_sc_general", "batch", *given])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0)

    return call


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """SLURM's programs as scripts that take every job and run none; `squeue` does as it is told."""
    pytest.importorskip("submitit")
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(slurm, "_ABSENT", 1)

    def put(queue: str) -> None:
        scripts = {"srun": "exit 0", "sbatch": "echo Submitted batch job 7", "squeue": queue}
        for name, body in scripts.items():
            (folder / name).write_text(f"#!/bin/sh\n{body}\n")
            (folder / name).chmod(0o755)

    return put


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return batches.phantom_dataset(tmp_path / "data", batches.people(4))


def planned(said: str) -> set[str]:
    return {line.split()[1].rpartition("/")[2][:6] for line in said.splitlines()}


@pytest.mark.parametrize(
    ("flag", "kept"),
    [
        ("-include-yml", {"sub-01", "sub-03"}),
        ("-exclude-yml", {"sub-02", "sub-04"}),
    ],
)
def test_a_list_in_yaml_chooses_people(
    flag: str,
    kept: set[str],
    typed: Typed,
    dataset: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "list.yml").write_text("- sub-01\n- sub-03_T2w.nii.gz\n")
    words = ("-bids", dataset, "-o", tmp_path / "out", flag, tmp_path / "list.yml", "-dry-run")
    assert typed(*words) == 0
    assert planned(capsys.readouterr().out) == kept


def test_a_name_with_control_characters_is_planned_harmless(
    typed: Typed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a\033[2J.nii.gz").touch()
    assert typed("-i", tmp_path / "a\033[2J.nii.gz", "-o", tmp_path / "out", "-dry-run") == 0
    assert capsys.readouterr().out == "do       a?[2J.nii.gz: new\n"


def test_two_shards_are_two_parts_of_the_people(
    typed: Typed, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = []
    for number in (1, 2):
        shard = f"{number}/2"
        assert typed("-bids", dataset, "-o", tmp_path, "-shard", shard, "-dry-run") == 0
        parts.append(planned(capsys.readouterr().out))
    assert not parts[0] & parts[1]
    assert parts[0] | parts[1] == {"sub-01", "sub-02", "sub-03", "sub-04"}


def test_a_merge_without_a_shard_names_it(
    typed: Typed, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    (dataset / "sub-01" / "anat" / "sub-01_T2w.nii.gz").write_text("refuse")
    for number in (1, 2):
        batches.run(batches.batch_plan(dataset, folder, Shard(number, 3)), batches.pool_options(1))
    assert typed("merge", "-o", folder) == 1
    said = capsys.readouterr()
    assert f"{folder}: " in said.out
    assert "Without a result: 0003-of-0003" in said.err


def test_what_lost_shards_had_done_is_joined(
    cluster: Callable[[str], None],
    typed: Typed,
    dataset: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "out"
    (dataset / "sub-01" / "anat" / "sub-01_T2w.nii.gz").write_text("refuse")
    for number in (1, 2):
        batches.run(batches.batch_plan(dataset, folder, Shard(number, 2)), batches.pool_options(1))
    cluster("exit 0")
    assert typed("-bids", dataset, "-o", folder, "-slurm", 2) == 1
    said = capsys.readouterr()
    assert "Submitted 2 shards to SLURM, from 7_0" in said.out
    assert f"{folder}: 4 images, " in said.out
    assert said.err.count("was ended by SLURM or from outside") == 2
    assert f"Failed: 1, see {folder}/failed.txt" in said.err


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_leaves_the_shards_and_says_how_to_find_them(
    cluster: Callable[[str], None],
    typed: Typed,
    dataset: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Python must have started the program: interrupted before that, it warns of a lost process.
    cluster("/bin/sleep 0.5\nkill -INT $PPID\nread forever")
    assert typed("-bids", dataset, "-o", tmp_path / "out", "-slurm", 2, "-v", 0) == 1
    said = capsys.readouterr()
    assert "'scancel 7' ends them" in said.err
    assert f"batch merge -o {tmp_path / 'out'}' joins" in said.err
    assert "Submitted" not in said.out


def test_a_merge_of_all_shards_ends_with_0_and_no_complaint(
    typed: Typed, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    for number in (1, 2):
        batches.run(batches.batch_plan(dataset, folder, Shard(number, 2)), batches.pool_options(1))
    assert typed("merge", "-o", folder) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1].startswith(f"{folder}: 4 images, ")
    assert said.err == ""


@pytest.fixture
def phantom_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command starts workers that need no network."""
    monkeypatch.setattr(pool, "pool_options", lambda *_, **__: batches.pool_options(1))


@pytest.mark.usefixtures("phantom_workers")
def test_a_stray_mask_is_listed_and_a_person_who_is_not_here_ends_with_1(
    typed: Typed, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("-bids", dataset, "-o", tmp_path / "out", "-no-qc")
    (dataset / "sub-01" / "anat" / "sub-01_T2w_seg.nii.gz").write_text("ok")
    assert typed(*words) == 0
    said = capsys.readouterr()
    assert "4 images: 4 ok" in said.out
    assert "Not segmented (1):\n  sub-01/anat/sub-01_T2w_seg.nii.gz: not an image" in said.err
    (dataset / "sub-09").mkdir()
    assert typed(*words) == 1
    said = capsys.readouterr()
    assert "sub-09: the folder is empty" in said.err
    assert "4 images: 4 ok" in said.out


@pytest.mark.usefixtures("phantom_workers")
@pytest.mark.parametrize(
    ("flag", "act"),
    [
        ((), "blocked"),
        (("-overwrite",), "blocked"),
        (("-overwrite", "0"), "blocked"),
        (("-overwrite", "other_mask.nii.gz"), "blocked"),
        (("-overwrite", "{name}"), "do"),
        (("-overwrite", "other_mask.nii.gz", "{name}"), "do"),
        (("-overwrite", "{path}"), "do"),
    ],
)
def test_an_edited_mask_is_replaced_by_its_name(
    flag: tuple[str, ...],
    act: str,
    typed: Typed,
    dataset: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("-bids", dataset, "-o", tmp_path / "out", "-no-qc")
    assert typed(*words) == 0
    mask = next((tmp_path / "out").rglob("sub-02*_mask.nii.gz"))
    mask.write_text("corrected by hand")
    assert typed(*words) == 0
    assert "3 ok, 0 warn, 0 fail, 1 edited" in capsys.readouterr().out
    given = [word.format(name=mask.name, path=mask) for word in flag]
    assert typed(*words, "-thr", "0.7", *given, "-dry-run") == 0
    planned = capsys.readouterr().out.splitlines()
    assert next(line for line in planned if "sub-02" in line).startswith(act)
    assert mask.read_text() == "corrected by hand"
