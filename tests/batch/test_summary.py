"""Shards joined: each image once, by its latest run, in whatever division it was made."""

from __future__ import annotations

from pathlib import Path

import pytest
from batches import batch_plan, people, phantom_dataset, run, table

from sct_deepseg_general.batch import run as batch
from sct_deepseg_general.batch.messages import WorkerSettings
from sct_deepseg_general.batch.worklist import Filters
from sct_deepseg_general.cluster.shards import Shard
from sct_deepseg_general.errors import OutputError

SHARDS = (Shard(1, 2), Shard(2, 2))
KEY = "sub-{0:02}/anat/sub-{0:02}_T2w.nii.gz"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return phantom_dataset(tmp_path / "data", people(6) | {"sub-07_T2w": "refuse"})


@pytest.fixture
def out(dataset: Path, tmp_path: Path) -> Path:
    """The folder of a batch of two shards."""
    for shard in SHARDS:
        run(batch_plan(dataset, tmp_path / "out", shard))
    return tmp_path / "out"


def turns(folder: Path) -> list[str]:
    return [row["turn"] for row in table(folder / "images.tsv")]


def test_what_is_run_again_takes_the_place_of_what_was(dataset: Path, out: Path) -> None:
    assert batch.join(out).failed == 1
    before = (out / "csa.tsv").read_bytes()
    (dataset / KEY.format(7)).write_text("ok")
    for shard in SHARDS:
        run(batch_plan(dataset, out, shard, rerun="failed"))
    merged = batch.join(out)
    assert (merged.images, merged.rows, merged.failed) == (7, 14, 0)
    assert not (out / "failed.txt").exists()
    assert turns(out) == ["1"] * 6 + ["2"]
    assert (out / "csa.tsv").read_bytes().startswith(before[: before.index(b"sub-07")])


def test_a_failure_that_another_division_mended_is_in_no_list(dataset: Path, out: Path) -> None:
    (dataset / KEY.format(7)).write_text("ok")
    for index in (1, 2, 3):
        run(batch_plan(dataset, out, Shard(index, 3)))
    assert batch.join(out).failed == 0
    assert not (out / "failed.txt").exists()


def test_rerun_all_gives_the_same_tables(dataset: Path, out: Path) -> None:
    batch.join(out)
    before = table(out / "csa.tsv")
    for shard in SHARDS:
        assert run(batch_plan(dataset, out, shard, rerun="all"))[0].kept == 0
    batch.join(out)
    assert turns(out) == ["2"] * 7
    assert table(out / "csa.tsv") == before


def test_a_run_of_one_after_a_run_of_shards_goes_on_from_them(dataset: Path, out: Path) -> None:
    stricter = WorkerSettings(threshold=0.7)
    summary, _ = run(batch_plan(dataset, out, settings=stricter, filters=Filters(("01",))))
    assert summary.done == 1
    assert turns(out) == ["2"] + ["1"] * 6, "its tables hold what the shards did"


def test_what_is_left_out_by_name_is_in_no_joined_table(dataset: Path, out: Path) -> None:
    """Neither from this division into shards nor from an earlier one."""
    for index in (1, 2, 3):
        run(batch_plan(dataset, out, Shard(index, 3), Filters(exclude=("sub-02", "sub-07"))))
    merged = batch.join(out)
    assert (merged.images, merged.rows, merged.failed) == (5, 10, 0)
    left = ["sub-01", "sub-03", "sub-04", "sub-05", "sub-06"]
    assert [row["participant_id"] for row in table(out / "images.tsv")] == left
    assert not (out / "failed.txt").exists()
    for shard in SHARDS:
        run(batch_plan(dataset, out, shard))
    assert batch.join(out).images == 7


def test_folders_anywhere_are_joined(dataset: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder, shard in zip(folders, SHARDS, strict=True):
        run(batch_plan(dataset, folder, shard))
    places = [f / "batch" / s.label for f, s in zip(folders, SHARDS, strict=True)]
    joined = tmp_path / "both"
    joined.mkdir()
    assert batch.join(joined, places).images == 7
    assert [row["participant_id"] for row in table(joined / "images.tsv")] == [
        f"sub-{n:02}" for n in range(1, 8)
    ]


def test_the_same_twice_is_each_image_once(out: Path) -> None:
    places = [out / "batch" / shard.label for shard in SHARDS]
    merged = batch.join(out, [*places, *places])
    assert (merged.images, merged.rows) == (7, 13)


def test_tables_of_another_version_are_refused(out: Path) -> None:
    other = out / "batch" / SHARDS[1].label / "csa.tsv"
    other.write_text(other.read_text().replace("\tarea\t", "\tsize\t"))
    with pytest.raises(OutputError, match="different columns"):
        batch.join(out)
    assert not (out / "csa.tsv").exists()


def test_a_shard_without_an_image_is_a_table_without_a_row(tmp_path: Path) -> None:
    dataset = phantom_dataset(tmp_path / "data", people(1))
    done = [run(batch_plan(dataset, tmp_path / "out", shard))[0].images for shard in SHARDS]
    assert sorted(done) == [0, 1]
    merged = batch.join(tmp_path / "out")
    assert (merged.images, merged.missing) == (1, ())


@pytest.mark.parametrize("name", ["images.tsv", "csa.tsv", "summary.json"])
def test_a_table_of_another_hand_is_kept(name: str, dataset: Path, tmp_path: Path) -> None:
    other = tmp_path / "out" / name
    other.parent.mkdir()
    other.write_text("participant_id\tage\nsub-01\t40\n")
    with pytest.raises(OutputError, match="not a table of a batch"):
        run(batch_plan(dataset, other.parent))
    assert other.read_text().startswith("participant_id\tage")
    assert [path.name for path in other.parent.iterdir()] == [name]


def test_joined_tables_replace_no_table_of_another_hand(out: Path, tmp_path: Path) -> None:
    places = [out / "batch" / shard.label for shard in SHARDS]
    other = tmp_path / "study" / "csa.tsv"
    other.parent.mkdir()
    other.write_text("mine")
    with pytest.raises(OutputError, match="not a table of a batch"):
        batch.join(other.parent, places)
    assert other.read_text() == "mine"
