"""A proposed recipe holds all that the datasets hold, and is the recipe that is read back."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from phantoms import Convention, phantom_bids

from sct_deepseg_general.datasets.recipe import Recipe, Training, read
from sct_deepseg_general.datasets.sources import index_datasets
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.recipes.doubts import doubts
from sct_deepseg_general.recipes.proposal import Proposal, RecipeSettings, propose, summary
from sct_deepseg_general.recipes.recipe_text import recipe_text, write_proposal
from sct_deepseg_general.recipes.templates import settings_of

SMALL = {"shape": (12, 12, 3)}
TRAINING = Training(
    spacing=(1.0, 1.0, 2.0), patch=(32, 32, 32), features=(8, 16), weight_decay=1e-5,
    mix={"synthetic": 0.5}, whole=("old",),
)  # fmt: skip
SETTINGS = RecipeSettings(TRAINING, replace(TRAINING, space={"shift": 45.0}))


@pytest.fixture
def sites(tmp_path: Path) -> tuple[Path, Path, Path]:
    one = phantom_bids(
        tmp_path / "site_A", Convention(**SMALL, contrasts=("T1w", "T2w"), unlabelled=("03",))
    )
    two = phantom_bids(
        tmp_path / "b",
        Convention(
            **SMALL, people=("x1", "x2"), derivatives="manual", soft=True,
            label_suffix="_label-SC_softseg",
        ),
    )  # fmt: skip
    far = phantom_bids(tmp_path / "far", Convention(**SMALL, people=("f1",)))
    return one, two, far


def proposed(sites: tuple[Path, Path, Path]) -> Proposal:
    return propose(sites[:2], sites[2:], SETTINGS, "ours")


def test_contrasts_labels_and_folders_are_found(sites: tuple[Path, Path, Path]) -> None:
    one, two, far = proposed(sites).recipe.datasets
    assert (one.name, one.folder, one.contrasts) == ("site-A", "site_A", ("T1w", "T2w"))
    assert (one.derivatives, one.label, one.role) == ("labels", "hard", "seen")
    assert (two.name, two.folder, two.derivatives, two.label) == ("b", "", "manual", "soft")
    assert far.role == "unseen"


def test_everybody_has_a_part_and_each_dataset_somebody_to_train_on(
    sites: tuple[Path, Path, Path],
) -> None:
    recipe = proposed(sites).recipe
    assert len(recipe.split.assigned) == 5 + 2
    for name, people in (("site-A", 5), ("b", 2)):
        parts = [part for who, part in recipe.split.assigned.items() if who.startswith(f"{name}/")]
        assert len(parts) == people
        assert "train" in parts
    assert "test" in recipe.split.assigned.values()
    assert recipe.split.folds == 1


def test_the_text_is_commented_and_reads_as_the_same_recipe(
    sites: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    proposal = proposed(sites)
    write_proposal(proposal, tmp_path / "recipe.yaml", ("For a test.",))
    assert read(tmp_path / "recipe.yaml") == proposal.recipe
    text = (tmp_path / "recipe.yaml").read_text()
    assert text.startswith("# For a test.\n")
    assert "# 10 of 12 images are labelled, 5 people: T1w 5, T2w 5; voxels 1 x 1 x 3 mm" in text
    assert "weight_decay: 1.0e-05" in text
    for doubt in proposal.doubts:
        assert f"# - {doubt}\n" in text


def test_unlabelled_few_and_namesakes_are_doubts(sites: tuple[Path, Path, Path]) -> None:
    found = proposed(sites).doubts
    assert "site-A: 2 files are left out (no label)." in found
    assert "b: only 2 labelled people; results will depend on single people." in found
    phantom_bids(sites[1], Convention(**SMALL, people=("01",), derivatives="manual", soft=True,
                                      label_suffix="_label-SC_softseg"))  # fmt: skip
    assert any(
        "b and site-A have 1 participants of the same name" in d for d in proposed(sites).doubts
    )


def test_an_image_in_two_datasets_is_one_person(sites: tuple[Path, Path, Path]) -> None:
    image = "anat/sub-{}_T2w.nii.gz"
    shutil.copyfile(
        sites[0] / "sub-01" / image.format("01"), sites[1] / "sub-x1" / image.format("x1")
    )
    proposal = proposed(sites)
    assert proposal.recipe.same_person == (("b/sub-x1", "site-A/sub-01"),)
    assert not any("in common" in one for one in proposal.doubts)
    bare = replace(proposal.recipe, same_person=())
    assert any("b/sub-x1 and site-A/sub-01 have an image in common" in one
               for one in doubts(bare, proposal.indexes))  # fmt: skip


def test_an_image_to_train_on_must_not_be_in_an_unseen_dataset(
    sites: tuple[Path, Path, Path],
) -> None:
    image = "anat/sub-{}_T2w.nii.gz"
    shutil.copyfile(
        sites[0] / "sub-01" / image.format("01"), sites[2] / "sub-f1" / image.format("f1")
    )
    with pytest.raises(DatasetError, match="far/sub-f1 and site-A/sub-01 have an image in common"):
        proposed(sites)


def test_a_label_on_another_grid_is_a_doubt(sites: tuple[Path, Path, Path]) -> None:
    wide = phantom_bids(sites[2].parent / "wide", Convention(people=("f1",)))
    label = Path("derivatives/labels/sub-f1/anat/sub-f1_T2w_seg-manual.nii.gz")
    shutil.copyfile(wide / label, sites[2] / label)
    found = proposed(sites).doubts
    assert any(one.startswith("far: the label has another grid than its image in") for one in found)


def test_what_cannot_be_proposed_is_refused(sites: tuple[Path, Path, Path], tmp_path: Path) -> None:
    bare = phantom_bids(tmp_path / "bare", Convention(**SMALL, people=("01",), unlabelled=("01",)))
    with pytest.raises(DatasetError, match=r"No image of .*bare has a label"):
        propose([bare], [], SETTINGS, "ours")
    with pytest.raises(DatasetError, match="given twice"):
        propose([sites[0]], [sites[0]], SETTINGS, "ours")
    with pytest.raises(DatasetError, match="not a BIDS dataset"):
        propose([tmp_path / "b" / "sub-x1"], [], SETTINGS, "ours")


def test_templates_change_what_they_say() -> None:
    model = Recipe("model", (), training=TRAINING, locator=TRAINING)
    general, specific, tuned = (
        settings_of(name, model) for name in ("general", "specific", "fine-tune")
    )
    assert general.training == replace(TRAINING, whole=())
    assert general.locator == replace(TRAINING, whole=())
    assert specific.training.mix["synthetic"] == 0.0
    assert tuned.training.learning_rate == pytest.approx(TRAINING.learning_rate / 10)
    assert tuned.training.epochs == TRAINING.epochs // 5
    assert tuned.training.patch == TRAINING.patch
    assert tuned.limited(3).locator == replace(tuned.locator, minutes=3)  # type: ignore[type-var]


def test_a_summary_counts_images_and_people(sites: tuple[Path, Path, Path]) -> None:
    proposal = proposed(sites)
    (_, two, _) = index_datasets(proposal.recipe, [proposal.data])
    assert summary(two) == "2 of 2 images are labelled, 2 people: T2w 2; voxels 1 x 1 x 3 mm"
    assert "site_A" in recipe_text(proposal)
