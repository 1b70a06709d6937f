"""What can be checked before a training or a comparison begins: datasets, people, disk, folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from sct_deepseg_general.bids.cases import DatasetIndex
from sct_deepseg_general.datasets.build import check_output, with_stored_split
from sct_deepseg_general.datasets.recipe import Recipe
from sct_deepseg_general.datasets.sources import index_datasets
from sct_deepseg_general.datasets.split import Split, split_people
from sct_deepseg_general.errors import DatasetError, OutputError
from sct_deepseg_general.recipes.estimate import Estimate, estimate

__all__ = ["check_disk", "check_model_name", "check_test_people", "check_training"]


def check_training(
    recipe: Recipe, data: Sequence[Path], output: Path, model: str | None = "general"
) -> Estimate:
    """Check that a training can begin, without reading an image or writing a file.

    Parameters
    ----------
    recipe : Recipe
        What is to be trained.
    data : sequence of Path
        Folders in which the recipe's datasets lie.
    output : Path
        Folder that the training writes to.
    model : str or None
        The model that is trained, "general" or the name of a dataset; None stands for all models,
        which also need people to test on.

    Returns
    -------
    Estimate
        Images, disk, memory and time that the training needs.

    Raises
    ------
    DatasetError
        The recipe has no such model, a dataset is missing, or there is nobody to train or test on.
    OutputError
        `output` lies inside a dataset, was made by another program, or the disk is too full.

    Examples
    --------
    >>> from pathlib import Path
    >>> from shutil import copyfile
    >>> anat = Path("data/ours/sub-01/anat")
    >>> labels = Path("data/ours/derivatives/labels/sub-01/anat")
    >>> for folder in (anat, labels):
    ...     folder.mkdir(parents=True)
    >>> _ = copyfile("t2.nii.gz", anat / "sub-01_T2w.nii.gz")
    >>> _ = copyfile("t2_seg.nii.gz", labels / "sub-01_T2w_seg-manual.nii.gz")
    >>> from sct_deepseg_general.datasets.recipe import Dataset, Recipe, SplitRule
    >>> from sct_deepseg_general.recipes.checks import check_training
    >>> recipe = Recipe("study", (Dataset("ours"),), split=SplitRule(test=0.0))
    >>> check_training(recipe, [Path("data")], Path("trained")).images
    1
    """
    if model is not None:
        check_model_name(recipe, model)
    indexes = index_datasets(recipe, data)
    check_output(output, indexes)
    split = split_people(with_stored_split(recipe, output), indexes)
    if model is None:
        check_test_people(recipe, indexes, split)
    needs = estimate(recipe, indexes, 1 if model is not None else len(recipe.models))
    check_disk(output, needs.disk)
    return needs


def check_model_name(recipe: Recipe, model: str) -> None:
    """Check that a recipe has a model of this name.

    Raises
    ------
    DatasetError
        It has none; the message names those that it has.
    """
    if model not in recipe.models:
        near = get_close_matches(model, recipe.models, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(recipe.models)}."
        raise DatasetError(f"The recipe '{recipe.name}' has no model '{model}': {hint}")


def check_test_people(recipe: Recipe, indexes: Sequence[DatasetIndex], split: Split) -> None:
    """Check that somebody is left to test on.

    Raises
    ------
    DatasetError
        All labelled people are trained on.
    """
    unseen = {one.name for one in recipe.unseen}
    labelled = any(one.labelled for one in indexes if one.dataset in unseen)
    if not labelled and "test" not in split.parts.values():
        raise DatasetError(
            "Nobody is left to test on: all labelled people are trained on. Raise split.test, or "
            "add an unseen dataset."
        )


def check_disk(folder: Path, needed: int) -> None:
    """Check that the disk of a folder, which need not exist yet, has so many bytes free.

    Raises
    ------
    OutputError
        It has not.
    """
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise OutputError(
            f"{folder} needs about {needed / 1e9:.1f} GB, but its disk has {free / 1e9:.1f} GB "
            f"free: make room, or choose another folder."
        )
