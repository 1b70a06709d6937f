"""What is done with each image of a second run, and why."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from batches import (
    batch_plan,
    people,
    phantom_dataset,
    pool_options,
    reasons,
    run,
    table,
)

from sct_deepseg_general.batch import run as batch
from sct_deepseg_general.batch.messages import WorkerSettings
from sct_deepseg_general.batch.plan import Listener
from sct_deepseg_general.batch.worklist import Filters
from sct_deepseg_general.job.overwrite import Overwrite

KEY = "sub-{0:02}/anat/sub-{0:02}_T2w.nii.gz"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return phantom_dataset(tmp_path / "data", people(5))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


class TestASecondRun:
    @pytest.fixture
    def done(self, dataset, out):
        run(batch_plan(dataset, out))
        return batch_plan(dataset, out)

    def test_takes_a_new_image(self, done, dataset, out):
        phantom_dataset(dataset, {"sub-09_T2w": "ok"})
        _, decided = run(batch_plan(dataset, out))
        assert [stem for stem, one in decided.items() if one.act == "do"] == ["sub-09_T2w"]

    def test_takes_a_changed_image(self, done, dataset):
        (dataset / KEY.format(2)).write_text("warn")
        assert reasons(done)["sub-02_T2w"] == ("do", "the image changed")

    def test_leaves_an_image_whose_time_alone_changed(self, done, dataset):
        os.utime(dataset / KEY.format(2), (1, 1))
        assert reasons(done)["sub-02_T2w"] == ("keep", "done before")

    def test_takes_what_is_missing(self, done, out):
        next(out.rglob("sub-03*_csa.csv")).unlink()
        assert reasons(done)["sub-03_T2w"] == (
            "do",
            "sub-03_label-SC_desc-T2w_csa.csv is missing",
        )

    def test_takes_all_for_another_model_or_parameter(self, dataset, out, done):
        other = batch_plan(dataset, out, digest="another")
        assert reasons(other)["sub-01_T2w"] == ("do", "another model (digest, now another)")
        stricter = batch_plan(dataset, out, settings=WorkerSettings(threshold=0.7))
        assert reasons(stricter)["sub-01_T2w"] == ("do", "threshold was 0.5, is 0.7")
        assert run(stricter)[0].done == 5
        assert {row["turn"] for row in table(out / "images.tsv")} == {"2"}

    def test_takes_an_image_whose_discs_are_labelled_changed_or_removed(self, dataset, out):
        """The levels, and the areas of C2-C3 and of a region, come from them."""
        with_levels = WorkerSettings(threshold=0.5, levels=True)
        discs = dataset / "derivatives/labels/sub-02/anat/sub-02_T2w_label-discs.nii.gz"
        discs.parent.mkdir(parents=True)

        def decided(settings=with_levels):
            return reasons(batch_plan(dataset, out, settings=settings))

        run(batch_plan(dataset, out, settings=with_levels))
        for text, why in (
            ("three discs, as an image", "its discs were labelled"),
            ("four discs, as an image", "the labelled discs changed"),
            ("", "the labelled discs were removed"),
        ):
            assert set(decided().values()) == {("keep", "done before")}
            if text:
                discs.write_text(text)
            else:
                discs.unlink()
            found = decided()
            assert found.pop("sub-02_T2w") == ("do", why)
            assert set(found.values()) == {("keep", "done before")}
            without = decided(WorkerSettings(threshold=0.5))
            assert set(without.values()) == {("keep", "done before")}
            assert run(batch_plan(dataset, out, settings=with_levels))[0].done == 1

    def test_takes_a_failed_image_whose_discs_were_mended(self, dataset, out):
        with_levels = WorkerSettings(threshold=0.5, levels=True)
        discs = dataset / "derivatives/labels/sub-02/anat/sub-02_T2w_label-discs.nii.gz"
        discs.parent.mkdir(parents=True)
        discs.write_text("discs out of order")
        (dataset / KEY.format(2)).write_text("refuse")
        run(batch_plan(dataset, out, settings=with_levels))
        plan = batch_plan(dataset, out, settings=with_levels)
        assert reasons(plan)["sub-02_T2w"][0] == "keep"
        discs.write_text("discs in order")
        assert reasons(plan)["sub-02_T2w"] == ("do", "the labelled discs changed")

    def test_measures_an_edited_mask_again_with_other_levels(self, done, dataset, out):
        """Else its area would be of the levels that an earlier run asked for."""
        mask = next(out.rglob("sub-03*_mask.nii.gz"))
        mask.write_text("corrected by hand")
        run(batch_plan(dataset, out))
        for region in ((), (2, 3), (4, 5)):
            settings = WorkerSettings(threshold=0.5, levels=True, region=region)
            plan = batch_plan(dataset, out, settings=settings)
            assert reasons(plan)["sub-03_T2w"][0] == "measure"
            run(plan)
            assert reasons(plan)["sub-03_T2w"][0] == "keep"
        assert mask.read_text() == "corrected by hand"

    def test_measures_a_mask_that_was_edited_and_keeps_it(self, done, dataset, out):
        mask = next(out.rglob("sub-03*_mask.nii.gz"))
        mask.write_text("corrected by hand")
        assert reasons(done)["sub-03_T2w"] == ("measure", f"{mask.name} was edited since")
        summary, _ = run(done)
        assert (summary.ok, summary.edited, summary.done) == (4, 1, 1)
        rows = {row["participant_id"]: row for row in table(out / "images.tsv")}
        assert (rows["sub-03"]["status"], rows["sub-03"]["mean_area"]) == ("edited", "50")
        assert mask.read_text() == "corrected by hand"
        kept = ("keep", "its mask was edited, and measured before")
        assert reasons(done)["sub-03_T2w"] == kept
        next(out.rglob("sub-03*_csa.csv")).unlink()
        assert reasons(done)["sub-03_T2w"][0] == "measure"
        run(batch_plan(dataset, out))
        mask.write_text("corrected again")
        assert reasons(done)["sub-03_T2w"][0] == "measure"

    @pytest.mark.parametrize("overwrite", [Overwrite(), Overwrite(own=True)])
    def test_replaces_an_edited_mask_only_by_its_name(self, overwrite, done, dataset, out):
        mask = next(out.rglob("sub-03*_mask.nii.gz"))
        mask.write_text("corrected by hand")
        stricter = WorkerSettings(threshold=0.7)
        for _ in range(2):  # measured first, then left out
            summary, decided = run(
                batch_plan(dataset, out, settings=stricter, overwrite=overwrite, rerun="all")
            )
            assert mask.read_text() == "corrected by hand"
        assert decided["sub-03_T2w"].act == "blocked"
        assert "edited since" in summary.blocked[0][1]
        assert summary.edited == 1
        named = Overwrite(own=True, names=(mask.name,))
        _, decided = run(batch_plan(dataset, out, settings=stricter, overwrite=named))
        assert decided["sub-03_T2w"].reason == f"-overwrite {mask.name}"
        assert mask.read_text() != "corrected by hand"

    def test_replaces_an_edited_table_where_all_may_be_replaced(self, done, dataset, out):
        areas = next(out.rglob("sub-03*_csa.csv"))
        areas.write_text("rounded")
        stricter = WorkerSettings(threshold=0.7)
        plan = batch_plan(dataset, out, settings=stricter)
        assert reasons(plan)["sub-03_T2w"][0] == "blocked"
        plan = replace(plan, overwrite=Overwrite(own=True))
        assert reasons(plan)["sub-03_T2w"][0] == "do"

    def test_keeps_the_rows_of_images_of_another_filter(self, out, dataset, done):
        phantom_dataset(dataset, {"sub-01_T1w": "ok"})
        run(batch_plan(dataset, out, filters=Filters(contrasts=("T1w",))))
        assert len(table(out / "images.tsv")) == 6

    @pytest.mark.parametrize("entry", ["sub-02", "sub-02_T2w.nii.gz", "*-02_*", KEY.format(2)])
    def test_takes_what_is_left_out_by_name_out_of_the_tables(self, entry, out, dataset, done):
        """Until a run takes it again; filters of what is run say nothing of it."""
        said = []
        left_out = batch_plan(dataset, out, filters=Filters(exclude=(entry,)))
        batch.run(left_out, pool_options(), Listener(on_warning=said.append))
        rest = ["sub-01", "sub-03", "sub-04", "sub-05"]
        for name, rows in (("images.tsv", rest), ("csa.tsv", [who for who in rest for _ in "ab"])):
            assert [row["participant_id"] for row in table(out / name)] == rows
        (sentence,) = said
        assert sentence.startswith("1 image of earlier runs left out by -exclude, taken out of")
        assert KEY.format(2) in sentence
        batch.run(left_out, pool_options(), Listener(on_warning=said.append))
        assert len(said) == 1
        run(batch_plan(dataset, out, filters=Filters(("01",))))
        assert len(table(out / "images.tsv")) == 4
        assert batch.join(out).images == 4
        assert run(done)[0].kept == 5
        assert len(table(out / "images.tsv")) == 5

    def test_takes_an_image_that_is_left_out_and_gone_out_of_the_tables(self, out, dataset, done):
        (dataset / KEY.format(5)).unlink()
        run(batch_plan(dataset, out))
        assert len(table(out / "images.tsv")) == 5
        run(batch_plan(dataset, out, filters=Filters(exclude=("sub-05",))))
        assert len(table(out / "images.tsv")) == 4

    @pytest.mark.parametrize("sidecar", [None, {"GeneratedBy": [{"Name": "sct_deepseg"}]}])
    def test_leaves_a_mask_that_the_batch_did_not_write(self, sidecar, dataset, out):
        mask = out / "sub-01/anat/sub-01_label-SC_desc-T2w_mask.nii.gz"
        mask.parent.mkdir(parents=True)
        mask.write_text("drawn by hand")
        if sidecar:
            (mask.parent / mask.name.replace(".nii.gz", ".json")).write_text(json.dumps(sidecar))
        summary, decided = run(batch_plan(dataset, out))
        assert decided["sub-01_T2w"].act == "blocked"
        assert mask.read_text() == "drawn by hand"
        assert summary.done == 4
        act, reason = reasons(batch_plan(dataset, out, overwrite=Overwrite(own=True)))["sub-01_T2w"]
        assert act == "blocked"
        assert ("is of another program" if sidecar else "has no sidecar") in reason
        named = Overwrite(own=True, names=(str(mask),))
        assert reasons(batch_plan(dataset, out, overwrite=named))["sub-01_T2w"][0] == "do"
