"""Every image is in one shard, the same on every machine."""

from __future__ import annotations

import pytest

from sct_deepseg_general.cluster.shards import People, Shard, from_environment, parse
from sct_deepseg_general.errors import DatasetError

ARRAY = {"SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "0"}


def test_every_name_is_in_one_shard():
    shards = [Shard(index, 7) for index in range(1, 8)]
    names = [f"sub-{number}" for number in range(700)]
    assert all(sum(shard.holds(name) for shard in shards) == 1 for name in names)
    sizes = [sum(shard.holds(name) for name in names) for shard in shards]
    assert min(sizes) > 60


def test_a_shard_is_the_same_on_every_machine():
    assert [Shard(index, 5).holds("sub-01") for index in range(1, 6)].index(True) == 1


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "a/b", "1/0", "-1/4", "1/4/2"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(DatasetError):
        parse(text)


@pytest.mark.parametrize(
    ("task", "minimum", "step", "shard"),
    [
        ("0", "0", "1", "1/4"),
        ("3", "0", "1", "4/4"),
        ("1", "1", "1", "1/4"),
        ("30", "0", "10", "4/4"),
    ],
)
def test_a_slurm_array_is_its_own_division(task, minimum, step, shard):
    environment = ARRAY | {
        "SLURM_ARRAY_TASK_ID": task,
        "SLURM_ARRAY_TASK_MIN": minimum,
        "SLURM_ARRAY_TASK_STEP": step,
    }
    assert str(from_environment(environment)) == shard
    assert from_environment({}) == Shard()


def test_people_hold_their_own_and_have_a_folder_each() -> None:
    people = People(("sub-02", "sub-01"))
    assert people.labels == ("sub-01", "sub-02")
    assert people.holds("sub-01")
    assert not people.holds("sub-03")
    assert people.label_of("sub-02") == "sub-02"
    assert (Shard(1, 4).division, people.division) == ("0004", "participants")
    assert str(people) == "sub-02 and 1 more"
    with pytest.raises(DatasetError, match="No participant"):
        People(())
