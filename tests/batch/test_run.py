"""A batch loses nothing, repeats nothing and says why, whatever befalls it."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from batches import (
    batch_plan,
    begun,
    people,
    phantom_dataset,
    pool_options,
    process,
    reasons,
    run,
    table,
)
from placeholders import PLACEHOLDERS

from sct_deepseg_general.batch import run as batch
from sct_deepseg_general.batch.journal import journals, read
from sct_deepseg_general.batch.messages import WorkerSettings
from sct_deepseg_general.batch.worklist import Filters, from_list, read_list
from sct_deepseg_general.cluster.progress import read_progress
from sct_deepseg_general.cluster.shards import Shard
from sct_deepseg_general.errors import BackendError, DatasetError, OutputError
from sct_deepseg_general.qc.folder import QcRow, new_id, publish

KEY = "sub-{0:02}/anat/sub-{0:02}_T2w.nii.gz"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return phantom_dataset(tmp_path / "data", people(5))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def masks(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*_mask.nii.gz")}


def leftovers(folder: Path) -> list[Path]:
    return list(folder.rglob(".part-*"))


class TestEveryImage:
    def test_is_segmented_and_in_both_tables(self, dataset, out):
        summary, _ = run(batch_plan(dataset, out))
        assert (summary.images, summary.ok, summary.done, summary.error) == (5, 5, 5, 0)
        assert masks(out) == {f"sub-{n:02}_label-SC_desc-T2w_mask.nii.gz" for n in range(1, 6)}
        rows = table(out / "images.tsv")
        assert [row["participant_id"] for row in rows] == [f"sub-{n:02}" for n in range(1, 6)]
        assert {row["status"] for row in rows} == {"ok"}
        slices = table(out / "csa.tsv")
        assert [row["slice"] for row in slices] == ["3", "4"] * 5
        assert all(float(row["area"]) > 0 for row in slices)
        assert not leftovers(out)

    def test_is_done_once(self, dataset, out, tmp_path):
        log = tmp_path / "log"
        run(batch_plan(dataset, out), pool_options(2, log))
        tables = (out / "csa.tsv").read_bytes()
        summary, decided = run(batch_plan(dataset, out), pool_options(2, log))
        assert summary.done == 0
        assert summary.kept == 5
        assert {one.act for one in decided.values()} == {"keep"}
        assert set(begun(log).values()) == {1}
        assert (out / "csa.tsv").read_bytes() == tables

    def test_progress_is_left_for_other_programs(self, dataset, out):
        run(batch_plan(dataset, out))
        progress = read_progress(out / "batch" / "0001-of-0001" / "progress.json")
        assert (progress.total, progress.done, progress.state) == (5, 5, "finished")


class TestAFailure:
    @pytest.fixture
    def dataset(self, tmp_path):
        texts = ["ok", "refuse", "bug", "warn", "fail", "memory", "kill", "kill-once"]
        return phantom_dataset(
            tmp_path / "data", {f"sub-{n:02}_T2w": text for n, text in enumerate(texts, 1)}
        )

    def test_is_a_row_and_a_log_and_not_the_end(self, dataset, out, tmp_path):
        log = tmp_path / "log"
        summary, _ = run(batch_plan(dataset, out), pool_options(2, log))
        assert (summary.ok, summary.warn, summary.fail, summary.error) == (2, 1, 1, 4)
        rows = {row["participant_id"]: row for row in table(out / "images.tsv")}
        assert rows["sub-02"]["status"] == "error"
        assert "is no image" in rows["sub-02"]["reasons"]
        assert "SIGKILL" in rows["sub-07"]["reasons"]
        assert rows["sub-08"]["status"] == "ok"
        assert len(table(out / "csa.tsv")) == 4 * 2 + 4
        logs = sorted(path.name[:6] for path in (out / "batch").rglob("logs/*.txt"))
        assert logs == ["sub-02", "sub-03", "sub-06", "sub-07"]
        failed = (out / "failed.txt").read_text().split()
        assert [Path(name).name[:6] for name in failed] == logs
        counts = begun(log)
        assert counts[KEY.format(7)] == 2
        assert counts[KEY.format(8)] == 2
        assert counts[KEY.format(1)] == 1

    def test_of_the_image_is_kept_until_asked_for(self, dataset, out):
        run(batch_plan(dataset, out))
        said = reasons(batch_plan(dataset, out))
        assert said["sub-02_T2w"][0] == "keep"
        assert said["sub-02_T2w"][1].startswith("failed before: ")
        assert said["sub-06_T2w"] == ("do", "failed before (memory)")
        assert said["sub-07_T2w"] == ("do", "failed before (machine)")
        plan = {
            name: {stem[:6] for stem, (act, _) in reasons(one).items() if act == "do"}
            for name in ("failed", "warn", "all")
            for one in [batch_plan(dataset, out, rerun=name)]
        }
        assert plan["failed"] == {"sub-02", "sub-03", "sub-05", "sub-06", "sub-07"}
        assert plan["warn"] == plan["failed"] | {"sub-04"}
        assert len(plan["all"]) == 8

    def test_is_forgotten_when_the_image_is_mended(self, dataset, out):
        run(batch_plan(dataset, out, filters=Filters(include=("sub-02",))))
        (dataset / KEY.format(2)).write_text("ok")
        summary, decided = run(batch_plan(dataset, out, filters=Filters(include=("sub-02",))))
        assert decided["sub-02_T2w"].reason == "the image changed"
        assert summary.error == 0
        assert not list((out / "batch").rglob("logs/*.txt"))
        assert not (out / "failed.txt").exists()

    def test_of_an_image_that_changes_while_it_is_read(self, tmp_path, out):
        dataset = phantom_dataset(tmp_path / "other", {"sub-01_T2w": "touch"})
        summary, _ = run(batch_plan(dataset, out))
        assert "changed while it was read" in summary.failed[0][1]
        assert not masks(out)

    def test_of_an_image_that_vanishes(self, tmp_path, out):
        dataset = phantom_dataset(tmp_path / "other", people(2))
        plan = batch_plan(dataset, out)
        (dataset / KEY.format(1)).unlink()
        summary, _ = run(plan)
        assert (summary.ok, summary.error) == (1, 1)
        assert "No such file" in summary.failed[0][1]

    def test_of_an_image_that_hangs(self, tmp_path, out):
        dataset = phantom_dataset(tmp_path / "other", {"sub-01_T2w": "sleep 60"})
        summary, _ = run(batch_plan(dataset, out), pool_options(1, timeout=0.2))
        assert "-timeout" in summary.failed[0][1]


class TestContentThatIsNotHere:
    @pytest.fixture
    def dataset(self, tmp_path):
        root = phantom_dataset(tmp_path / "data", people(2))
        for number, (make, _) in enumerate(PLACEHOLDERS.values(), 3):
            path = root / KEY.format(number)
            path.parent.mkdir(parents=True)
            make(path)
        return root

    def test_is_a_row_with_its_reason_and_the_rest_is_done(self, dataset, out):
        summary, _ = run(batch_plan(dataset, out), pool_options(1))
        count = len(PLACEHOLDERS)
        assert (summary.images, summary.ok, summary.error) == (count + 2, 2, 0)
        assert summary.missing == len(summary.failed) == count
        rows = table(out / "images.tsv")
        assert [row["status"] for row in rows] == ["ok"] * 2 + ["missing"] * count
        for row, (_, said) in zip(rows[2:], PLACEHOLDERS.values(), strict=True):
            assert said in row["reasons"]
        assert len((out / "failed.txt").read_text().splitlines()) == count
        slices = table(out / "csa.tsv")
        assert [row["status"] for row in slices] == ["ok"] * 4 + ["missing"] * count

    def test_is_a_list_to_give_again_from_anywhere(self, dataset, out, monkeypatch):
        monkeypatch.chdir(dataset.parent)
        run(batch_plan(Path(dataset.name), out), pool_options(1))
        monkeypatch.chdir(out)
        images = read_list(out / "failed.txt")
        assert set(images) == {dataset / KEY.format(n) for n in range(3, 3 + len(PLACEHOLDERS))}

    def test_is_looked_for_again_by_the_next_run(self, dataset, out):
        run(batch_plan(dataset, out), pool_options(1))
        fetched = dataset / KEY.format(3)
        fetched.unlink()
        fetched.write_text("ok")
        summary, decided = run(batch_plan(dataset, out), pool_options(1))
        assert decided["sub-03_T2w"].reason == "failed before (missing)"
        assert (summary.ok, summary.missing) == (3, len(PLACEHOLDERS) - 1)

    def test_of_a_label_keeps_no_image_back(self, tmp_path, out):
        root = phantom_dataset(tmp_path / "labelled", people(1))
        label = root / "derivatives/labels/sub-01/anat/sub-01_T2w_seg-manual.nii.gz"
        label.parent.mkdir(parents=True)
        label.symlink_to("../../../../.git/annex/objects/a/b")
        assert run(batch_plan(root, out), pool_options(1))[0].ok == 1


class TestFilesThatAreNoImages:
    @pytest.mark.parametrize(
        ("stem", "reason"),
        [
            ("sub-01_T2w_seg", "not an image (seg)"),
            ("sub-01_T2w_seg-manual", "not an image (seg-manual)"),
            ("sub-01_T2w_label-SC_softseg", "not an image (softseg)"),
            ("sub-01_T2w_labels-disc-manual", "not an image (labels-disc-manual)"),
            ("sub-01_label-SC_desc-T2w_mask", "not an image (mask)"),
            ("sub-01_acq-b_fieldmap", "not an image (fieldmap)"),
            ("sub-01_T2w_brain", "not a BIDS name"),
            ("sub-01_T2w (1)", "not a BIDS name"),
        ],
    )
    def test_are_left_out_and_listed_and_the_rest_is_done(self, stem, reason, dataset, out):
        stray = dataset / "sub-01" / "anat" / f"{stem}.nii.gz"
        stray.write_text("ok")
        summary, decided = run(batch_plan(dataset, out), pool_options(1))
        assert summary.left_out == ((f"sub-01/anat/{stem}.nii.gz", reason),)
        assert (summary.images, summary.ok) == (5, 5)
        assert stem not in decided
        assert json.loads((out / "summary.json").read_text())["left_out"][0][1] == reason


class TestTheEnd:
    def test_of_a_full_disk_is_a_sentence_and_the_rest_is_kept(self, tmp_path, out):
        dataset = phantom_dataset(tmp_path / "data", {**people(3), "sub-04_T2w": "full"})
        with pytest.raises(OutputError, match="Make room"):
            run(batch_plan(dataset, out), pool_options(1))
        state = out / "batch" / "0001-of-0001"
        assert read_progress(state / "progress.json").state == "stopped"
        (dataset / KEY.format(4)).write_text("ok")
        summary, decided = run(batch_plan(dataset, out), pool_options(1))
        assert decided["sub-04_T2w"].reason == "interrupted before"
        assert summary.done == 1

    def test_of_a_worker_that_cannot_load_the_model(self, dataset, out):
        with pytest.raises(BackendError, match="fetch it again"):
            run(batch_plan(dataset, out, settings=WorkerSettings(model="broken")))

    def test_of_a_worker_that_cannot_start(self, dataset, out):
        options = pool_options()
        with pytest.raises(BackendError, match="ended while it started"):
            run(batch_plan(dataset, out), type(options)(1, {}, None, "no_such_module:made"))

    def test_of_a_second_batch_on_the_same_folder(self, tmp_path, out):
        dataset = phantom_dataset(tmp_path / "data", people(2, f"until {tmp_path}/refused"))
        log = tmp_path / "log"
        first = process(dataset, out, log)
        _until(lambda: begun(log).total() == 2)
        with pytest.raises(OutputError, match="Another batch"):
            run(batch_plan(dataset, out))
        with pytest.raises(OutputError, match="Another batch"):
            run(batch_plan(dataset, out, Shard(1, 2)))
        (tmp_path / "refused").touch()
        assert first.wait(600) == 0
        assert run(batch_plan(dataset, out))[0].kept == 2

    def test_leaves_a_qc_page_with_every_entry(self, dataset, out):
        row = QcRow(*["x"] * 8, (), *[None] * 4, (), None, "m")
        for _ in range(3):  # the second and third as a batch that was killed leaves them
            publish(out / "qc", replace(row, id=new_id()), (), at_once=False)
        run(batch_plan(dataset, out, settings=WorkerSettings(qc=str(out / "qc"))))
        assert (out / "qc" / "index.js").read_text().count("\n[") == 3

    def test_of_two_images_of_one_name(self, tmp_path, out):
        for name in ("a/t2.nii", "a/t2.nii.gz"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("ok")
        worklist = from_list([tmp_path / "a/t2.nii", tmp_path / "a/t2.nii.gz"])
        plan = batch_plan(phantom_dataset(tmp_path / "data", people(1)), out)
        with pytest.raises(DatasetError, match="both be written"):
            run(type(plan)(worklist, out, WorkerSettings(), "digest", "sct"))
        assert not out.exists()


class TestShards:
    def test_together_give_what_one_run_gives(self, tmp_path):
        dataset = phantom_dataset(tmp_path / "data", people(9) | {"sub-10_T2w": "refuse"})
        run(batch_plan(dataset, tmp_path / "one"))
        for index in (1, 2, 3):
            run(batch_plan(dataset, tmp_path / "three", Shard(index, 3)))
        merged = batch.join(tmp_path / "three")
        assert (merged.images, merged.rows, merged.failed, merged.missing) == (10, 19, 1, ())
        one, three = (tmp_path / name / "csa.tsv" for name in ("one", "three"))
        assert one.read_bytes() == three.read_bytes()
        assert masks(tmp_path / "one") == masks(tmp_path / "three")

    def test_that_have_not_run_are_told(self, dataset, out):
        run(batch_plan(dataset, out, Shard(1, 2)))
        assert batch.join(out).missing == ("0002-of-0002",)

    def test_take_over_what_was_done_in_another_division(self, dataset, out, tmp_path):
        log = tmp_path / "log"
        run(batch_plan(dataset, out), pool_options(2, log))
        for index in (1, 2):
            assert run(batch_plan(dataset, out, Shard(index, 2)), pool_options(2, log))[0].done == 0
        assert begun(log).total() == 5

    def test_may_run_side_by_side(self, tmp_path, out):
        dataset = phantom_dataset(tmp_path / "data", people(6, "sleep 0.2"))
        running = [process(dataset, out, tmp_path / "log", [f"{n}/2"]) for n in (1, 2)]
        assert [one.wait(600) for one in running] == [0, 0]
        assert batch.join(out).images == 6
        assert set(begun(tmp_path / "log").values()) == {1}

    def test_of_one_part_has_the_tables_of_that_part(self, dataset, out, tmp_path):
        run(batch_plan(dataset, out), pool_options(2, tmp_path / "log"))
        before = (out / "images.tsv").read_bytes()
        merged = batch.join(out)
        assert (merged.images, merged.missing) == (5, ())
        assert (out / "images.tsv").read_bytes() == before

    def test_nothing_to_join_is_said(self, out):
        out.mkdir()
        with pytest.raises(OutputError, match="no table to join"):
            batch.join(out)


class TestSigkill:
    """Killed at random moments, a batch goes on and each image ends in one whole result."""

    def killed(self, tmp_path: Path, kills: int, seed: int, shift: tuple[float, float]) -> None:
        dataset = phantom_dataset(tmp_path / "data", people(40, "sleep 0.02"))
        out, log = tmp_path / "out", tmp_path / "log"
        dice, done = random.Random(seed), 0  # noqa: S311 - moments, no secrets
        for _ in range(kills):
            one = process(dataset, out, log)
            time.sleep(dice.uniform(*shift))
            one.send_signal(signal.SIGKILL)
            one.wait()
            done += one.returncode == -signal.SIGKILL
            _check_whole(out)
        last = process(dataset, out, log)
        assert last.wait(600) == 0
        counts = begun(log)
        assert set(counts) == {KEY.format(n) for n in range(1, 41)}
        assert counts.total() <= 40 + done * 2, "more was repeated than was in flight"
        assert len(masks(out)) == 40
        assert len(table(out / "images.tsv")) == 40
        assert len(table(out / "csa.tsv")) == 80
        assert not leftovers(out)
        assert not read(journals(out / "batch")).open

    def test_a_few_times(self, tmp_path):
        self.killed(tmp_path, 6, 1, (0.1, 1.2))

    @pytest.mark.slow
    def test_fifty_times(self, tmp_path):
        for series in range(10):
            self.killed(tmp_path / str(series), 5, series, (0.1, 1.4))

    def test_workers_end_with_the_batch(self, tmp_path, out):
        dataset = phantom_dataset(tmp_path / "data", people(2, "sleep 30"))
        log = tmp_path / "log"
        one = process(dataset, out, log)
        _until(lambda: begun(log).total() == 2)
        workers = _children(one.pid)
        assert len(workers) == 2
        one.kill()
        one.wait()
        _until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in workers))

    def test_sigterm_ends_workers_and_leaves_nothing_half_done(self, tmp_path, out):
        dataset = phantom_dataset(tmp_path / "data", people(4, "sleep 300"))
        log = tmp_path / "log"
        one = process(dataset, out, log)
        _until(lambda: begun(log).total() == 2)
        workers = _children(one.pid)
        one.send_signal(signal.SIGINT)
        assert one.wait(600) != 0
        assert not any(Path(f"/proc/{pid}/cmdline").exists() for pid in workers)
        assert not leftovers(out)
        state = read_progress(out / "batch" / "0001-of-0001" / "progress.json")
        assert state.state == "stopped"

    def test_of_one_worker_of_two_costs_one_image_a_second_try(self, tmp_path, out):
        dataset = phantom_dataset(tmp_path / "data", people(6, f"until {tmp_path}/killed"))
        log = tmp_path / "log"
        one = process(dataset, out, log)
        _until(lambda: begun(log).total() >= 2)
        os.kill(_children(one.pid)[0], signal.SIGKILL)
        (tmp_path / "killed").touch()
        assert one.wait(600) == 0
        assert begun(log).total() == 7
        assert {row["status"] for row in table(out / "images.tsv")} == {"ok"}


class TestDisks:
    @pytest.fixture
    def small(self, tmp_path):
        """A file system of 300 kB."""
        yield from _mounted(tmp_path / "small", "size=300k")

    def test_a_full_disk_ends_the_run_and_room_lets_it_go_on(self, small, tmp_path):
        dataset = phantom_dataset(tmp_path / "data", people(60))
        with pytest.raises(OutputError, match="No space left"):
            run(batch_plan(dataset, small))
        _check_whole(small)
        ended = read(journals(small / "batch")).ended
        assert 0 < len(ended) < 60
        subprocess.run(["mount", "-o", "remount,size=4m", small], check=True)
        summary, _ = run(batch_plan(dataset, small))
        assert (summary.ok, summary.done) == (60, 60 - len(ended))
        assert not leftovers(small)

    def test_a_read_only_output_is_said_at_once(self, small, tmp_path):
        dataset = phantom_dataset(tmp_path / "data", people(1))
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        with pytest.raises(OutputError, match="Read-only"):
            run(batch_plan(dataset, small))

    def test_a_read_only_dataset_is_enough(self, small, tmp_path, out):
        dataset = phantom_dataset(small / "data", people(2))
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        assert run(batch_plan(dataset, out))[0].ok == 2


def _mounted(folder: Path, options: str):
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    if (
        not shutil.which("mount")
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("no permission to mount a small file system here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def _check_whole(out: Path) -> None:
    """Every output that the journal knows is there, whole; no mask is half a mask."""
    for mask in out.rglob("*_mask.nii.gz"):
        assert mask.read_text().count("\n") == 200
    for record in read(journals(out / "batch")).ended.values():
        assert all((out / name).exists() for name in record.outputs)


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def _until(holds, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
