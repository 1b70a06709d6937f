"""What can be checked before a disc network is trained: recipe, table, images and centrelines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from sct_deepseg_general.content import check_content
from sct_deepseg_general.errors import DatasetError, OutputError
from sct_deepseg_general.level_training.centrelines import read_curves
from sct_deepseg_general.level_training.recipe import LevelRecipe, read_recipe
from sct_deepseg_general.level_training.table import KnownDiscs, file_below, read_table
from sct_deepseg_general.levels.numbering import FIRST, LAST
from sct_deepseg_general.levels.record import RECORD, Certainty, Limits

__all__ = ["check_empty", "check_levels"]


def check_levels(path: Path, folders: Sequence[Path]) -> LevelRecipe:
    """Check that a disc network can be trained, without reading an image.

    Parameters
    ----------
    path
        The recipe's file.
    folders
        Folders in which the disc table and its images lie.

    Returns
    -------
    LevelRecipe
        The recipe.

    Raises
    ------
    DatasetError
        The recipe is not valid; the table, an image or a centreline is missing; an image has
        fewer than two discs, or discs whose numbers are not known; or no image is left.
    MissingContentError
        An image is a placeholder of git-annex or Git LFS.

    Examples
    --------
    >>> from pathlib import Path
    >>> check_levels(Path("recipe.json"), [Path("data")]).seed  # doctest: +SKIP
    0
    """
    recipe = read_recipe(path)
    _check_numbers(recipe, path)
    wanted = [
        discs
        for discs in read_table(file_below(recipe.table, folders))
        if recipe.source_of(discs.image) is not None
    ]
    if not wanted:
        raise DatasetError(
            f"{path} leaves no image to train on: none of {recipe.table} matches its sources."
        )
    for discs in wanted:
        check_content(file_below(discs.image, folders))
        _check_discs(discs, recipe.table)
    if recipe.centrelines:
        _check_centrelines(path.parent / recipe.centrelines, wanted)
    return recipe


def check_empty(folder: Path) -> None:
    """Check that a folder is missing, empty, or holds a disc network, which is replaced.

    Raises
    ------
    OutputError
        It holds something else.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / RECORD).is_file():
        raise OutputError(
            f"{folder} is not empty and holds no disc network: choose a new folder with -o."
        )


def _check_numbers(recipe: LevelRecipe, path: Path) -> None:
    """The recipe's numbers are in range, and its limits are known ones."""
    positive = ("iterations", "batch", "rate")
    wrong = [f"{name} must be above 0" for name in positive if not getattr(recipe, name) > 0]
    shares = asdict(recipe.mix)
    wrong += [f"mix.{name} must be 0 to 1" for name, one in shares.items() if not 0 <= one <= 1]
    if not all(source.share > 0 for source in recipe.sources):
        wrong.append("each source's share must be above 0")
    for what, given, kind in (
        ("limit", recipe.limits, Limits),
        ("weight", recipe.certainty, Certainty),
    ):
        unknown = sorted(set(given) - {field.name for field in fields(kind)})
        wrong += [f"there is no {what} '{name}'" for name in unknown]
    if wrong:
        raise DatasetError(f"{path}: {'; '.join(wrong)}.")


def _check_discs(discs: KnownDiscs, table: str) -> None:
    numbers = discs.numbers
    if numbers.size < 2 or numbers.min() < FIRST or numbers.max() > LAST:
        raise DatasetError(
            f"{table}: {discs.image} needs two or more discs numbered {FIRST} (C2/C3) to {LAST}, "
            f"found {', '.join(map(str, numbers.tolist()))}."
        )
    if np.unique(numbers).size != numbers.size:
        raise DatasetError(f"{table}: {discs.image} has a disc twice.")


def _check_centrelines(path: Path, wanted: Sequence[KnownDiscs]) -> None:
    curves = read_curves(path)
    missing = [discs.image for discs in wanted if discs.image not in curves]
    if missing:
        raise DatasetError(
            f"{path} has no centreline of {', '.join(missing)}: take the field 'centrelines' out "
            "of the recipe to have the cords found."
        )
