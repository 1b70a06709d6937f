"""Participants by name: at the same time, killed, again, and joined in the end."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from batches import batch_plan, begun, people, phantom_dataset, process, run, table

from sct_deepseg_general.batch import run as batch
from sct_deepseg_general.batch.group import gathered
from sct_deepseg_general.batch.worklist import Filters, from_bids
from sct_deepseg_general.cli.batch import _part
from sct_deepseg_general.cluster.shards import People, Shard
from sct_deepseg_general.errors import OutputError


def participant(dataset: Path, out: Path, *names: str, **rest):
    people_named = tuple(f"sub-{name}" for name in names)
    plan = batch_plan(dataset, out, filters=Filters(names), part=People(people_named), **rest)
    return run(plan)


def test_participants_at_once_one_killed_again_and_joined(tmp_path: Path) -> None:
    """Two processes in one folder; the second is killed while the first goes on."""
    go, never = tmp_path / "go", tmp_path / "never"
    images = {
        "sub-01_T1w": "ok", "sub-01_T2w": f"until {go} ok",
        "sub-02_T1w": "ok", "sub-02_T2w": f"until {never} ok",
    }  # fmt: skip
    dataset, out = phantom_dataset(tmp_path / "data", images), tmp_path / "out"
    logs = {name: tmp_path / f"log{name}" for name in ("01", "02")}
    started = {name: process(dataset, out, log, [name]) for name, log in logs.items()}
    try:
        wait_for(lambda: all(sum(begun(log).values()) == 2 for log in logs.values()))
        journal = out / "batch" / "sub-02" / "journal.jsonl"
        wait_for(lambda: '"done"' in journal.read_text())
        os.kill(started["02"].pid, signal.SIGKILL)
        started["02"].wait()
        go.touch()
        assert started["01"].wait(60) == 0
    finally:
        for one in started.values():
            one.kill()
    early = gathered(out, from_bids(dataset))
    assert early.missing == ("sub-02/anat/sub-02_T2w.nii.gz",)
    never.touch()
    summary, decided = participant(dataset, out, "02")
    assert (summary.done, summary.kept) == (1, 1)
    assert decided["sub-02_T2w"].reason == "interrupted before"
    merged = batch.join(out)
    assert (merged.images, merged.rows, merged.missing, merged.failed) == (4, 8, (), 0)
    assert [row["image"].rpartition("/")[2] for row in table(out / "images.tsv")] == [
        f"{name}.nii.gz" for name in images
    ]
    assert not list(out.rglob(".part-*"))


def wait_for(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


def test_each_participant_has_tables_and_a_journal_of_its_own(tmp_path: Path) -> None:
    dataset, out = phantom_dataset(tmp_path / "data", people(3)), tmp_path / "out"
    summary, _ = participant(dataset, out, "01", "03")
    assert summary.done == 2
    for name in ("sub-01", "sub-03"):
        place = out / "batch" / name
        assert [row["participant_id"] for row in table(place / "images.tsv")] == [name]
        assert json.loads((place / "summary.json").read_text())["done"] == 1
        assert (place / "journal.jsonl").exists()
    assert not (out / "images.tsv").exists()
    merged = gathered(out, from_bids(dataset))
    assert merged.missing == ("sub-02/anat/sub-02_T2w.nii.gz",)
    assert merged.images == 2


def test_what_a_whole_run_did_is_kept_and_what_is_newer_is_taken(tmp_path: Path) -> None:
    dataset, out = phantom_dataset(tmp_path / "data", people(3)), tmp_path / "out"
    run(batch_plan(dataset, out))
    assert participant(dataset, out, "02")[0].kept == 1
    assert participant(dataset, out, "02", rerun="all")[0].done == 1
    batch.join(out)
    assert [row["turn"] for row in table(out / "images.tsv")] == ["1", "2", "1"]
    summary, _ = run(batch_plan(dataset, out))
    assert summary.kept == 3
    assert [row["turn"] for row in table(out / "images.tsv")] == ["1", "2", "1"]


def test_who_is_left_out_by_name_is_in_no_table_of_participants(tmp_path: Path) -> None:
    dataset, out = phantom_dataset(tmp_path / "data", people(4)), tmp_path / "out"
    participant(dataset, out, "01", "02", "03")
    assert batch.join(out).images == 3
    plan = batch_plan(dataset, out, filters=Filters(exclude=("sub-02", "sub-04")))
    words = SimpleNamespace(per_participant=True, shard=None, slurm=None, bids=dataset)
    part = _part(words, plan.worklist, out)
    assert part == People(("sub-01", "sub-02", "sub-03"))
    run(replace(plan, part=part))
    assert table(out / "batch" / "sub-02" / "images.tsv") == []
    assert batch.join(out).images == 2
    assert [row["participant_id"] for row in table(out / "images.tsv")] == ["sub-01", "sub-03"]
    assert gathered(out, from_bids(dataset)).missing == ("sub-04/anat/sub-04_T2w.nii.gz",)


def test_a_whole_run_and_a_participant_exclude_each_other(tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    dataset = phantom_dataset(tmp_path / "data", people(2, f"until {hold} ok"))
    out, log = tmp_path / "out", tmp_path / "log"
    first = process(dataset, out, log, ["01"])
    try:
        wait_for(lambda: begun(log))
        with pytest.raises(OutputError, match="Another batch"):
            run(batch_plan(dataset, out, Shard()))
        with pytest.raises(OutputError, match="Another batch"):
            participant(dataset, out, "01", "02")
        hold.touch()
        assert first.wait(60) == 0
    finally:
        first.kill()


def test_a_failed_participant_is_listed_with_its_path_in_the_dataset(tmp_path: Path) -> None:
    dataset = phantom_dataset(tmp_path / "data", people(1) | {"sub-02_T2w": "refuse"})
    out = tmp_path / "out"
    for name in ("01", "02"):
        participant(dataset, out, name)
    assert gathered(out).failed == 1
    image = dataset / "sub-02" / "anat" / "sub-02_T2w.nii.gz"
    assert (out / "failed.txt").read_text() == f"{image}\n"
    logs = [path.relative_to(out / "batch").parts[0] for path in out.rglob("logs/*.txt")]
    assert logs == ["sub-02"]


def test_nothing_to_join_and_an_unknown_dataset_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="run the participants first"):
        gathered(tmp_path)
    dataset = phantom_dataset(tmp_path / "data", people(1))
    participant(dataset, tmp_path / "out", "01")
    (tmp_path / "out" / "dataset_description.json").write_text("{}")
    with pytest.raises(OutputError, match="give it with -bids"):
        gathered(tmp_path / "out")
    assert gathered(tmp_path / "out", from_bids(dataset)).images == 1
