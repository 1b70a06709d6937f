"""N BIDS datasets become nnU-Net raw datasets; the traps of the study, each tested to be closed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from phantoms import Convention, affine_of, cylinder, phantom_bids, shared, softened, write_nifti

from sct_deepseg_general.datasets.build import Built, build
from sct_deepseg_general.datasets.conversion import label_reason
from sct_deepseg_general.datasets.manifest import read_manifest
from sct_deepseg_general.datasets.recipe import Dataset, Recipe, SplitRule, read, write
from sct_deepseg_general.errors import DatasetError, OutputError
from sct_deepseg_general.files import sha256
from sct_deepseg_general.image.companion import corner_distance
from sct_deepseg_general.image.volume import Grid, Segmentation, Volume

PEOPLE = tuple(f"{i:02}" for i in range(1, 6))
SMALL = {"people": PEOPLE, "shape": (16, 14, 4)}
CONVENTIONS = {
    "plain": Convention(**SMALL, unlabelled=("05",)),
    "sessions": Convention(
        **SMALL, sessions=("1", "2"), runs=("1", "2"), contrasts=("T2star",), codes="RPI",
        label_suffix="_label-SC_seg", extension=".nii",
    ),
    "soft": Convention(
        **SMALL, contrasts=("acq-MTon_MTS", "acq-MToff_MTS"), soft=True, codes="SAL",
        label_suffix="_label-SC_softseg", derivatives="labels_softseg",
    ),
    "far": Convention(
        people=("01", "02"), shape=(16, 14, 4), datatype="func",
        contrasts=("task-rest_desc-mean_bold",),
    ),
}  # fmt: skip
RECIPE = Recipe(
    "study",
    (
        Dataset("plain"),
        Dataset("sessions", trust=0.5),
        Dataset("soft", label="soft", derivatives="labels_softseg"),
        Dataset("far", role="unseen"),
    ),
    split=SplitRule(
        test=0.25,
        assigned={"plain/sub-02": "test", "sessions/sub-03": "test", "soft/sub-01": "test"},
    ),
)


def phantoms_in(root: Path) -> Path:
    for name, convention in CONVENTIONS.items():
        phantom_bids(root / name, convention)
    return root


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Datasets that the test may change."""
    return phantoms_in(tmp_path / "data")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Datasets that no test changes, converted in `built`."""
    return phantoms_in(tmp_path_factory.mktemp("shared") / "data")


@pytest.fixture(scope="module")
def built(source: Path) -> Built:
    return build(RECIPE, [source], source.parent / "out")


def snapshot(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): sha256(path)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def made(data: Path, output: Path, recipe: Recipe = RECIPE) -> Built:
    return build(recipe, [data], output)


def names_in(folder: Path) -> set[str]:
    subset = "_0000.nii.gz" if folder.name.startswith("images") else ".nii.gz"
    return {path.name.removesuffix(subset) for path in folder.iterdir()}


def test_every_labelled_case_is_converted_and_paired_by_name(built: Built) -> None:
    """Traps: counters restarted per dataset; only one session was read."""
    assert len(built.entries) == 4 + 5 * 4 + 5 * 2 + 2
    general = built.raw("general")
    for subset in ("Tr", "Ts"):
        assert names_in(general / f"images{subset}") == names_in(general / f"labels{subset}")
    train = {one.name for one in built.entries if one.part == "train"}
    assert names_in(general / "imagesTr") == train
    assert names_in(general / "imagesTs") == {one.name for one in built.entries} - train
    assert "sessions_sub-02_ses-2_run-1_T2star" in train
    assert "far_sub-01_task-rest_desc-mean_bold" in names_in(general / "imagesTs")


def test_specific_datasets_come_from_the_same_split(built: Built) -> None:
    general = built.raw("general")
    for subset in ("Tr", "Ts"):
        parts = [names_in(built.raw(one.name) / f"images{subset}") for one in built.recipe.seen]
        unseen = {n for n in names_in(general / f"images{subset}") if n.startswith("far_")}
        assert set.union(*parts) | unseen == names_in(general / f"images{subset}")
        assert sum(map(len, parts)) == len(set.union(*parts))
    path = "imagesTr/plain_sub-01_T2w_0000.nii.gz"
    assert (built.raw("plain") / path).samefile(general / path)


def test_sources_are_never_written(data: Path, tmp_path: Path) -> None:
    """Trap: label links were opened for writing, and the ground truth was overwritten."""
    label = data / "plain/derivatives/labels/sub-01/anat/sub-01_T2w_seg-manual.nii.gz"
    elsewhere = label.rename(data / "annexed.nii.gz")
    label.symlink_to(elsewhere)
    before = snapshot(data)
    times = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    made(data, tmp_path / "out")
    made(data, tmp_path / "out")
    assert snapshot(data) == before
    assert times == {path: path.stat().st_mtime_ns for path in data.rglob("*")}


def test_one_threshold_for_all_labels(built: Built, source: Path) -> None:
    """Trap: soft masks binarised at 1e-8 in one converter dilate, and CSA is biased."""
    general = built.raw("general")
    entry = next(one for one in built.entries if one.dataset == "soft" and one.part == "train")
    original = nib.load(source / "soft" / entry.label)
    hard = nib.load(general / "labelsTr" / f"{entry.name}.nii.gz")
    assert hard.get_data_dtype() == np.uint8
    assert np.asarray(hard.dataobj).sum() == (np.asarray(original.dataobj) > 0.5).sum()
    assert np.asarray(hard.dataobj).sum() < (np.asarray(original.dataobj) > 1e-8).sum()
    soft = np.asarray(nib.load(general / "softlabelsTr" / f"{entry.name}.nii.gz").dataobj)
    assert soft.dtype == np.float32
    assert soft.sum() == pytest.approx(np.asarray(original.dataobj).sum())
    assert names_in(general / "softlabelsTr") < names_in(general / "labelsTr")


def test_dataset_json_is_written_for_each_model_and_counts_its_cases(built: Built) -> None:
    """Trap: edited by hand after merging, with a channel named T2w for all contrasts."""
    for model in built.recipe.models:
        content = json.loads((built.raw(model) / "dataset.json").read_text())
        assert content["channel_names"] == {"0": "MRI"}
        assert content["labels"] == {"background": 0, "sc": 1}
        assert content["image_orientation"] == "LPI"
        assert content["numTraining"] == len(names_in(built.raw(model) / "imagesTr"))


def test_folds_are_by_person(built: Built) -> None:
    person = {one.name: one.person for one in built.entries}
    for model in built.recipe.models:
        splits = json.loads((built.raw(model) / "splits_final.json").read_text())
        train = names_in(built.raw(model) / "imagesTr")
        assert len(splits) == 5
        for fold in splits:
            assert set(fold["train"]) | set(fold["val"]) == train
            assert not {person[n] for n in fold["train"]} & {person[n] for n in fold["val"]}


def test_a_second_run_converts_nothing_and_changes_nothing(data: Path, tmp_path: Path) -> None:
    """Trap: a second run failed on existing links."""
    first = made(data, tmp_path / "out")
    before = snapshot(tmp_path / "out")
    second = made(data, tmp_path / "out")
    assert (first.converted, second.converted) == (len(first.entries), 0)
    assert snapshot(tmp_path / "out") == before
    assert first.entries == second.entries


def test_a_changed_source_is_converted_again_and_a_removed_one_disappears(
    data: Path, tmp_path: Path
) -> None:
    first = made(data, tmp_path / "out")
    label = data / "plain/derivatives/labels/sub-01/anat/sub-01_T2w_seg-manual.nii.gz"
    mask = cylinder((16, 14, 4), (1, 1, 3), 2.0)
    write_nifti(label, mask.astype(np.uint8), affine_of("LAS", (1, 1, 3), mask.shape))
    (data / "sessions/sub-02/ses-1/anat/sub-02_ses-1_run-1_T2star.nii").unlink()
    second = made(data, tmp_path / "out")
    assert second.converted == 1
    written = second.raw("plain") / "labelsTr/plain_sub-01_T2w.nii.gz"
    assert np.asarray(nib.load(written).dataobj).sum() == mask.sum()
    gone = {one.name for one in first.entries} - {one.name for one in second.entries}
    assert gone == {"sessions_sub-02_ses-1_run-1_T2star"}
    for model in ("general", "sessions"):
        assert not gone & names_in(second.raw(model) / "imagesTr")
        assert not gone & names_in(second.raw(model) / "labelsTr")


def test_images_and_labels_keep_their_place_and_spacing_on_ras_axes(
    built: Built, source: Path
) -> None:
    """Trap: orientation was left to the user, in place."""
    for one in built.entries:
        subset = "Tr" if one.part == "train" else "Ts"
        image = nib.load(built.raw("general") / f"images{subset}" / f"{one.name}_0000.nii.gz")
        label = nib.load(built.raw("general") / f"labels{subset}" / f"{one.name}.nii.gz")
        original = nib.load(source / one.dataset / one.image)
        assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
        assert np.array_equal(image.affine, label.affine)
        canonical = nib.as_closest_canonical(original)
        assert np.allclose(canonical.affine, image.affine)
        assert np.array_equal(np.asarray(canonical.dataobj), np.asarray(image.dataobj))


def test_the_manifest_maps_every_name_to_its_file_and_hash(built: Built, source: Path) -> None:
    entries = read_manifest(built.folder / "cases.tsv")
    assert entries == built.entries
    for one in entries:
        assert sha256(source / one.dataset / one.image) == one.image_sha256
        assert sha256(source / one.dataset / one.label) == one.label_sha256
    row = next(one for one in entries if one.name == "sessions_sub-03_ses-2_run-1_T2star")
    assert (row.person, row.session, row.run, row.contrast) == (
        "sessions/sub-03", "ses-2", "run-1", "T2star",
    )  # fmt: skip
    assert (row.part, row.fold, row.trust, row.shape, row.spacing) == (
        "test", -1, 0.5, "16x14x4", "1x1x3",
    )  # fmt: skip


def test_what_was_left_out_is_reported(built: Built) -> None:
    assert [(o.dataset, o.reason) for o in built.excluded] == [("plain", "no label")]
    assert "| plain | no label | 1 |" in (built.folder / "report.md").read_text()
    assert (
        "plain\tsub-05/anat/sub-05_T2w.nii.gz\tno label"
        in (built.folder / "skipped.tsv").read_text()
    )


MASK = cylinder((16, 14, 4), (1, 1, 3), 3.0)
AFFINE = affine_of("LAS", (1, 1, 3), MASK.shape)
MOVED = AFFINE.copy()
MOVED[2, 3] += 1.5


@pytest.mark.parametrize(
    ("label", "affine", "reason"),
    [
        (MASK[:, :, :3], AFFINE, "voxels"),
        (MASK, MOVED, "1.50 mm off"),
        (MASK, affine_of("RAS", (1, 1, 3), MASK.shape) + 0.3, "sheared"),
        (MASK * 255, AFFINE, "values from 0 to 255"),
        (MASK * -1.0, AFFINE, "values from -1"),
        (MASK * 0, AFFINE, "empty"),
        (MASK * 0.4, AFFINE, "empty"),
        (np.where(MASK, np.nan, 0), AFFINE, "NaN"),
    ],
)
def test_a_label_that_does_not_fit_is_left_out_with_the_reason(
    data: Path, tmp_path: Path, label: np.ndarray, affine: np.ndarray, reason: str
) -> None:
    """Trap: image and label geometry was never checked."""
    path = data / "plain/derivatives/labels/sub-01/anat/sub-01_T2w_seg-manual.nii.gz"
    write_nifti(path, label.astype(np.float32), affine)
    recipe = Recipe("one", (Dataset("plain"),), split=SplitRule(test=0.0))
    built = made(data, tmp_path / "out", recipe)
    (left,) = (one for one in built.excluded if "sub-01" in one.path)
    assert reason in left.reason
    assert "plain_sub-01_T2w" not in names_in(built.raw("general") / "imagesTr")
    assert made(data, tmp_path / "out", recipe).converted == 0


def test_a_label_on_other_axes_but_in_place_is_used() -> None:
    grid = Grid(MASK.shape, AFFINE)
    label = Segmentation(MASK.astype(np.uint8), grid).reoriented(("P", "S", "R"))
    image = Volume(MASK.astype(np.float32), grid)
    assert label_reason(image.grid, label) == ""
    assert corner_distance(grid, grid.cropped(grid.box)) == 0


@pytest.mark.parametrize(
    ("broken", "reason"), [(b"", "empty (0 bytes)"), (b"no image at all", "NIfTI")]
)
def test_a_damaged_image_is_left_out_with_the_reason(
    data: Path, tmp_path: Path, broken: bytes, reason: str
) -> None:
    (data / "plain/sub-01/anat/sub-01_T2w.nii.gz").write_bytes(broken)
    built = made(data, tmp_path / "out")
    assert any("sub-01" in one.path and reason in one.reason for one in built.excluded)


def test_the_split_is_stored_and_stays_when_people_come(data: Path, tmp_path: Path) -> None:
    """Trap: adding a person reshuffled train and test."""
    first = made(data, tmp_path / "out")
    stored = read(tmp_path / "out" / "recipe.json")
    assert stored == first.recipe
    assert {one.person: one.part for one in first.entries if one.part != "unseen"}.items() <= (
        stored.split.assigned.items()
    )
    phantom_bids(data / "plain", replace(CONVENTIONS["plain"], people=("00", "99")))
    second = made(data, tmp_path / "out")
    before = {one.name: (one.part, one.fold) for one in first.entries}
    after = {one.name: (one.part, one.fold) for one in second.entries}
    assert len(after) == len(before) + 2
    assert before.items() <= after.items()


def test_one_image_under_two_names_on_both_sides_is_an_error(data: Path, tmp_path: Path) -> None:
    source = (data / "plain/sub-01/anat/sub-01_T2w.nii.gz").read_bytes()
    (data / "plain/sub-02/anat/sub-02_T2w.nii.gz").write_bytes(source)
    with pytest.raises(DatasetError, match="same_person"):
        made(data, tmp_path / "out")


def _without_usable_labels(dataset: Path) -> None:
    for label in dataset.glob("derivatives/**/*.nii.gz"):
        image = nib.load(label)
        nib.save(nib.Nifti1Image(np.full(image.shape, 7, np.uint8), image.affine), label)


@pytest.mark.parametrize("before", [(), ("new",), ("new", "deeper")])
def test_refused_datasets_leave_no_folder(
    data: Path, tmp_path: Path, before: tuple[str, ...]
) -> None:
    _without_usable_labels(data / "plain")
    with pytest.raises(DatasetError, match="No usable training case is left of 'plain'"):
        made(data, (tmp_path / "out").joinpath(*before))
    assert not (tmp_path / "out").exists()


def test_refused_datasets_leave_what_was_there(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "notes.txt").write_text("mine")
    source = (data / "plain/sub-01/anat/sub-01_T2w.nii.gz").read_bytes()
    other = data / "plain/sub-02/anat/sub-02_T2w.nii.gz"
    own = other.read_bytes()
    other.write_bytes(source)
    with pytest.raises(DatasetError, match="same_person"):
        made(data, output)
    assert [path.name for path in output.iterdir()] == ["notes.txt"]
    other.write_bytes(own)
    made(data, output)
    kept = {name for name in snapshot(output) if name.startswith("nnUNet_raw/Dataset101")}
    other.write_bytes(source)
    with pytest.raises(DatasetError, match="same_person"):
        made(data, output)
    assert kept <= set(snapshot(output))


def test_the_output_may_not_lie_in_a_dataset(data: Path) -> None:
    with pytest.raises(OutputError, match="inside the dataset"):
        made(data, data / "plain" / "derivatives" / "nnunet")


def test_a_foreign_folder_is_not_touched(data: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "out/nnUNet_raw/Dataset101_general/imagesTr/mine.nii.gz"
    foreign.parent.mkdir(parents=True)
    foreign.touch()
    with pytest.raises(OutputError, match="not made by this command"):
        made(data, tmp_path / "out")
    assert foreign.exists()


def test_several_processes_give_the_same_files(data: Path, tmp_path: Path) -> None:
    made(data, tmp_path / "one")
    seen = []
    build(RECIPE, [data], tmp_path / "two", jobs=2, progress=lambda *n: seen.append(n))
    assert seen == [(i, 36) for i in range(1, 37)]
    one, two = snapshot(tmp_path / "one"), snapshot(tmp_path / "two")
    assert {k: v for k, v in one.items() if ".receipts" not in k} == {
        k: v for k, v in two.items() if ".receipts" not in k
    }


def test_a_killed_run_started_again_ends_with_the_same_files(data: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.json"
    write(RECIPE, recipe)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from sct_deepseg_general.datasets import build as dataset, recipe\n"
        "moved = []\n"
        "def die_before_the_sixth(event, words):\n"
        "    if event == 'os.rename' and '.receipts' in str(words[1]):\n"
        "        moved.append(words)\n"
        "        if len(moved) == 6: os.kill(os.getpid(), 9)\n"
        "sys.addaudithook(die_before_the_sixth)\n"
        "r, d, o = map(Path, sys.argv[1:]); dataset.build(recipe.read(r), [d], o)"
    )
    command = [sys.executable, "-c", code, str(recipe), str(data), str(tmp_path / "killed")]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert len(list((tmp_path / "killed/.receipts").glob("[!.]*.json"))) == 5
    assert not (tmp_path / "killed/cases.tsv").exists()
    again = made(data, tmp_path / "killed")
    made(data, tmp_path / "whole")
    assert again.converted < len(again.entries)
    assert snapshot(tmp_path / "killed") == snapshot(tmp_path / "whole")


def test_soft_phantoms_are_soft() -> None:
    assert ((softened(MASK) > 0.01) & (softened(MASK) < 0.5)).any()


@pytest.mark.slow
def test_the_published_datasets_are_converted(tmp_path: Path) -> None:
    data = shared("data")
    names = ("montreal", "gmchallenge", "tutorial", "spinegeneric", "lesion", "epi", "template")
    recipe = Recipe(
        "all",
        tuple(Dataset(name, folder=f"train/{name}") for name in names),
        same_person=(("lesion/sub-fakelesion", "lesion/sub-hyperintensity"),),
        split=SplitRule(test=0.0),
    )
    built = build(recipe, [data], tmp_path)
    assert len(built.entries) == 25
    assert {one.reason for one in built.excluded} == {"no label"}
