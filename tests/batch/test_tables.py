"""The tables of a batch hold the areas that lie beside the masks, and say whose they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from batches import batch_plan, people, phantom_dataset, run, table

from sct_deepseg_general.batch.journal import History, Record
from sct_deepseg_general.batch.messages import WorkerSettings
from sct_deepseg_general.batch.plan import Listener
from sct_deepseg_general.batch.pool import PoolOptions
from sct_deepseg_general.batch.runner import BatchRunner
from sct_deepseg_general.batch.summary import CSA, close, counted
from sct_deepseg_general.batch.tables import ImageResult
from sct_deepseg_general.batch.worklist import Filters, item_named
from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.files import sha256


@pytest.fixture
def out(tmp_path: Path) -> Path:
    dataset = phantom_dataset(tmp_path / "data", people(2))
    run(batch_plan(dataset, tmp_path / "out"))
    return tmp_path / "out"


def again(out: Path) -> list[dict[str, str]]:
    run(batch_plan(out.parent / "data", out))
    return table(out / "csa.tsv")


def areas(out: Path) -> Path:
    return next(out.rglob("sub-01*_csa.csv"))


def test_areas_that_were_edited_are_taken_and_named(out: Path) -> None:
    lines = areas(out).read_text().splitlines()
    lines[1] = '"3","",99.5,7.5'
    areas(out).write_text("\n".join(lines))
    rows = again(out)
    assert [row["status"] for row in rows] == ["edited"] * 2 + ["ok"] * 2
    assert rows[0]["area"] == "99.5"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_areas_that_another_program_saved_keep_their_numbers(encoding: str, out: Path) -> None:
    before = [row["area"] for row in table(out / "csa.tsv")]
    areas(out).write_bytes(areas(out).read_text().encode(encoding))
    assert [row["area"] for row in again(out)] == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((",", ";"), "separated by semicolons"),
        (("MEAN(area)", "Area"), "no column"),
    ],
)
def test_areas_that_cannot_be_read_are_no_empty_rows(
    change: tuple[str, str], said: str, out: Path
) -> None:
    areas(out).write_text(areas(out).read_text().replace(*change))
    with pytest.raises(OutputError, match=said):
        again(out)


def test_each_region_has_the_levels_it_is_of(tmp_path: Path) -> None:
    """Two runs with another -vert are one table; their areas are of other levels."""
    dataset = phantom_dataset(tmp_path / "data", {"sub-01_T1w": "ok", "sub-01_T2w": "ok"})
    phantom_dataset(dataset, {"sub-02_T2w": "refuse"})
    for contrast, region in (("T1w", (2, 3, 4)), ("T2w", (7, 8, 10))):
        settings = WorkerSettings(levels=True, region=region)
        filters = Filters(contrasts=(contrast,))
        run(batch_plan(dataset, tmp_path / "out", filters=filters, settings=settings))
    rows = table(tmp_path / "out/images.tsv")
    assert [row["region"] for row in rows] == ["C2:C4", "C7:T1;T3", "n/a"]


def test_areas_of_masks_that_are_no_more_are_in_no_table(tmp_path: Path) -> None:
    """A run without areas left the tables of the masks that it replaced."""
    plan = batch_plan(phantom_dataset(tmp_path / "data", people(1)), tmp_path / "out")
    plan.folder.mkdir()
    names = ("a_mask.nii.gz", "a_csa.csv", "edited_csa.csv", "a_dseg.nii.gz")
    for name in names:
        (plan.folder / name).write_text(name)
    digests = {name: sha256(plan.folder / name) for name in names}
    before = Record("done", "a", status="ok", outputs=digests)
    (plan.folder / "edited_csa.csv").write_text("by hand")
    runner = BatchRunner(plan, PoolOptions(1, {}), Listener(), History({}, frozenset()))
    kept = {"a_mask.nii.gz": digests["a_mask.nii.gz"]}
    runner._remove_outdated(before, Record("done", "a", status="edited", outputs=kept))
    left = {path.name for path in plan.folder.iterdir()}
    assert left == {"a_mask.nii.gz", "edited_csa.csv", "a_dseg.nii.gz"}
    runner._remove_outdated(before, Record("done", "a", status="ok", outputs=kept))
    assert {path.name for path in plan.folder.iterdir()} == {"a_mask.nii.gz", "edited_csa.csv"}
    runner._remove_outdated(before, Record("done", "a", status="ok", outputs={"b_seg.nii.gz": ""}))
    assert (plan.folder / "a_mask.nii.gz").exists()


def test_a_table_of_areas_goes_where_no_image_has_areas_any_more(out: Path) -> None:
    assert (out / CSA).exists()
    results = [
        ImageResult(item_named(out.parent / "data", "sub-01_T2w.nii.gz"), Record("done", "a"))
    ]
    close(out, out, results, counted({}), csa=False)
    assert not (out / CSA).exists()
    assert not (out / "csa.json").exists()
