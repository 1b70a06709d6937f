"""A report holds every finished entry once, whoever writes, whoever is killed, and no half one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from qc_phantoms import row

from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.qc.folder import PAGE, Attachment, new_id, publish, refresh

WORKER = Path(__file__).parents[1] / "support" / "qc_worker.py"


def index(folder):
    """The index as the page gets it: (report, columns, rows)."""
    text = (folder / "index.js").read_text("ascii")
    assert text.startswith("qc.index(")
    assert text.endswith(");\n")
    content = json.loads(text[len("qc.index(") : -3])
    return content["report"], content["columns"], content["rows"]


def leftovers(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_an_entry_is_published_whole_with_its_files_and_the_page(tmp_path):
    one = row(reasons=("a", "b"))
    target = publish(tmp_path / "new" / "qc", one, (Attachment("view.js", b"qc.view()"),))
    folder = tmp_path / "new" / "qc"
    assert (target / "view.js").read_bytes() == b"qc.view()"
    _, columns, rows = index(folder)
    found = dict(zip(columns, rows[0], strict=True))
    assert found["reasons"] == ["a", "b"]
    assert found["levels"] == [["C2", 71.5]]
    assert (folder / PAGE).exists()
    assert (folder / "assets" / "vendor" / "niivue.umd.js").stat().st_size > 1_000_000
    assert not leftovers(folder)


def test_the_report_keeps_its_name_and_its_rows(tmp_path):
    first, second = row(), row()
    publish(tmp_path, first, ())
    name, _, _ = index(tmp_path)
    publish(tmp_path, second, ())
    assert index(tmp_path)[0] == name
    assert len(name) == 32
    assert [values[0] for values in index(tmp_path)[2]] == sorted([first.id, second.id])


def test_a_lost_or_damaged_index_is_built_again_from_the_entries(tmp_path):
    ids = [publish(tmp_path, row(), ()).name for _ in range(3)]
    for damage in (None, "", "qc.index(", "no script at all\n[1]\n]});\n"):
        (tmp_path / "index.js").unlink()
        if damage is not None:
            (tmp_path / "index.js").write_text(damage)
        assert refresh(tmp_path) == 3
        assert [values[0] for values in index(tmp_path)[2]] == ids


def test_without_at_once_the_index_follows_when_it_is_old_or_asked_for(tmp_path):
    ids = [publish(tmp_path, row(), (), at_once=False).name for _ in range(3)]
    assert [values[0] for values in index(tmp_path)[2]] == ids[:1]
    assert refresh(tmp_path) == 3
    assert [values[0] for values in index(tmp_path)[2]] == ids
    os.utime(tmp_path / "index.js", (time.time() - 60,) * 2)
    ids += [publish(tmp_path, row(), (), at_once=False).name for _ in range(2)]
    assert [values[0] for values in index(tmp_path)[2]] == ids[:4]


def test_no_entries_is_no_report(tmp_path):
    assert refresh(tmp_path / "absent") == 0
    assert not (tmp_path / "absent").exists()


def test_a_removed_entry_leaves_the_index(tmp_path):
    gone, kept = publish(tmp_path, row(), ()), publish(tmp_path, row(), ())
    (gone / "entry.json").unlink()
    gone.rmdir()
    assert refresh(tmp_path) == 1
    assert [values[0] for values in index(tmp_path)[2]] == [kept.name]


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[1, 2]", '["another"]', "null", "[" * 50, "\ud800".encode("utf-8", "replace")],
)
def test_what_is_no_entry_is_left_out_and_harms_nobody(tmp_path, content):
    good = publish(tmp_path, row(), ())
    bad = tmp_path / "entries" / new_id()
    bad.mkdir()
    data = content if isinstance(content, bytes) else content.encode()
    (bad / "entry.json").write_bytes(data)
    (tmp_path / "entries" / "..strange").mkdir()
    assert refresh(tmp_path) == 1
    assert [values[0] for values in index(tmp_path)[2]] == [good.name]


def test_an_entry_that_claims_another_name_is_left_out(tmp_path):
    good = publish(tmp_path, row(), ())
    bad = tmp_path / "entries" / new_id()
    bad.mkdir()
    (bad / "entry.json").write_bytes((good / "entry.json").read_bytes())
    assert refresh(tmp_path) == 1


def test_text_cannot_leave_its_string(tmp_path):
    nasty = '"});alert(1)//</script>\n\u2028'
    publish(tmp_path, row(subject=nasty, reasons=(nasty,)), ())
    assert len((tmp_path / "index.js").read_text("ascii").splitlines()) == 3
    _, columns, rows = index(tmp_path)
    assert dict(zip(columns, rows[0], strict=True))["subject"] == nasty


def test_numbers_that_are_no_json_become_null(tmp_path):
    publish(tmp_path, row(csa=float("nan"), csa_sd=float("inf")), ())
    _, columns, rows = index(tmp_path)
    found = dict(zip(columns, rows[0], strict=True))
    assert (found["csa"], found["csa_sd"]) == (None, None)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot add to the QC report in"):
        publish(tmp_path / "file", row(), ())
    publish(tmp_path / "qc", row(), (), at_once=False)
    (tmp_path / "qc" / "report.id").unlink()
    (tmp_path / "qc" / "report.id").mkdir()
    with pytest.raises(OutputError, match="Cannot add to the QC report in"):
        refresh(tmp_path / "qc")


def test_an_old_page_is_brought_up_to_date(tmp_path):
    publish(tmp_path, row(), ())
    (tmp_path / PAGE).write_text("old")
    publish(tmp_path, row(), ())
    assert "Content-Security-Policy" in (tmp_path / PAGE).read_text("utf-8")


def test_what_the_dead_left_is_removed_and_the_living_keep_theirs(tmp_path):
    publish(tmp_path, row(), ())
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    machine = _own_part(tmp_path).split("-")[1]
    dead = tmp_path / f".part-{machine}-{ended.pid}-00000000"
    living = tmp_path / f".part-{machine}-{os.getppid()}-00000000"
    foreign = tmp_path / ".part-abcdef-1-00000000"
    for part in (dead, living, foreign):
        part.mkdir()
        (part / "index.js").write_text("half")
    publish(tmp_path, row(), ())
    assert not dead.exists()
    assert living.exists()
    assert foreign.exists()


def _own_part(folder):
    from sct_deepseg_general.qc.folder import _part

    with _part(folder) as part:
        return part.name


def worker(folder, count, seed, *more):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(WORKER), str(folder), str(count), str(seed), *map(str, more)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def finished(seed, output):
    return {f"{seed}/{number}.nii.gz" for number in output.split()}


def check(folder, done):
    """Every finished entry is in the index, none twice, none in halves, and all files are there."""
    _, columns, rows = index(folder)
    ids = [values[columns.index("id")] for values in rows]
    inputs = [values[columns.index("input")] for values in rows]
    assert len(set(ids)) == len(ids)
    assert len(set(inputs)) == len(inputs)
    assert done <= set(inputs)
    for name in ids:
        files = {path.name for path in (folder / "entries" / name).iterdir()}
        assert {"entry.json", "view.js", "axial.webp", "thumb.webp"} <= files
    return ids


def test_eight_at_once_two_killed_no_entry_lost_or_doubled(tmp_path):
    workers = {seed: worker(tmp_path, 5, seed) for seed in range(8)}
    for seed, wait in ((2, 0.03), (5, 0.11)):
        workers[seed].stdout.readline()  # it has finished one, and is on the way to the next
        time.sleep(wait)
        workers[seed].kill()
    done = set()
    for seed, process in workers.items():
        output, _ = process.communicate(timeout=900)
        done |= finished(seed, output)
    assert all(process.returncode == 0 for s, process in workers.items() if s not in (2, 5))
    assert {f"{seed}/{n}.nii.gz" for seed in (0, 1, 3, 4, 6, 7) for n in range(5)} <= done
    check(tmp_path, done)
    publish(tmp_path, row(), ())
    assert not leftovers(tmp_path)


@pytest.mark.slow
def test_killed_at_every_step_the_next_one_finds_all_in_order(tmp_path):
    done, step = set(), 0
    while True:
        step += 1
        process = worker(tmp_path, 2, 100 + step, step)
        output, _ = process.communicate(timeout=300)
        done |= finished(100 + step, output)
        assert refresh(tmp_path) >= len(done) if (tmp_path / "entries").exists() else not done
        if (tmp_path / "index.js").exists():
            check(tmp_path, done)
        if process.returncode == 0:
            break
        assert process.returncode == 9
    assert step > 30
    assert not leftovers(tmp_path)


def test_ten_thousand_entries_take_one_more_quickly(tmp_path):
    publish(tmp_path, row(), ())
    for n in range(10_000):
        one = replace(row(), id=f"20250101T{n:012}-{n:08x}", subject=f"sub-{n}")
        folder = tmp_path / "entries" / one.id
        folder.mkdir()
        (folder / "entry.json").write_text(json.dumps(list(vars(one).values())))
    assert refresh(tmp_path) == 10_001
    best = min(_timed(lambda: publish(tmp_path, row(), ())) for _ in range(3))
    assert len(index(tmp_path)[2]) == 10_004
    assert best < 1.0
    later = min(_timed(lambda: publish(tmp_path, row(), (), at_once=False)) for _ in range(5))
    assert later < best / 4
    assert later < 0.05


def _timed(work):
    start = time.process_time()
    work()
    return time.process_time() - start


@pytest.mark.parametrize("name", ["index.html", "assets/entry.js", "index.js"])
def test_nothing_of_another_tool_is_replaced(tmp_path, name):
    """SCT's report has an index.html too; other folders may have assets or an index.js."""
    other = tmp_path / name
    other.parent.mkdir(exist_ok=True)
    other.write_text("of another tool")
    (tmp_path / "qc_results.json").write_text("{}")
    with pytest.raises(OutputError, match="of another tool"):
        publish(tmp_path, row(), ())
    assert other.read_text() == "of another tool"
    assert not (tmp_path / "entries").exists()
    publish(tmp_path / "sct_deepseg_sc_general", row(), ())
    assert other.read_text() == "of another tool"


def test_a_report_of_an_earlier_version_is_brought_up_to_date(tmp_path):
    publish(tmp_path, row(), ())
    (tmp_path / "index.html").write_text("an earlier page")
    publish(tmp_path, row(), ())
    assert "earlier" not in (tmp_path / "index.html").read_text()
    assert refresh(tmp_path) == 2


def test_a_row_of_an_earlier_version_without_a_region_stays(tmp_path):
    path = publish(tmp_path, row(), ()) / "entry.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values[:-1]))
    (tmp_path / "index.js").unlink()
    assert refresh(tmp_path) == 1
    path.write_text(json.dumps(values[:-2]))
    (tmp_path / "index.js").unlink()
    assert refresh(tmp_path) == 0
