"""Existing masks in place of a model: files that are measured as they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from sct_deepseg_general.bids.names import LABEL_SUFFIXES
from sct_deepseg_general.content import check_content
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.evaluation.cases import EvaluationCase
from sct_deepseg_general.evaluation.evaluate import Candidate

__all__ = ["existing_masks"]

_SUFFIXES = ("_seg", *LABEL_SUFFIXES, "_label-*_seg")
_SHOWN = 3


def existing_masks(folder: Path, cases: Sequence[EvaluationCase]) -> Candidate:
    """The masks in a folder as a candidate for `evaluate_models`; needs no network.

    Parameters
    ----------
    folder : Path
        Folder that holds, at any depth, a mask of each image: the image's name and "_seg", or an
        ending that labels have.
    cases : sequence of EvaluationCase
        The images to be measured.

    Returns
    -------
    Candidate
        It is named after the folder. What the masks' author has seen is not known.

    Raises
    ------
    DatasetError
        An image has no mask there, or several, or two images of one file name have the same.
    ContentMissingError
        The content of a mask is not on this machine.
    """
    files: Mapping[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*.nii*")):
        files[path.name.split(".", 1)[0]].append(path)
    found = {case.name: _masks_of(case, files) for case in cases}
    missing = [name for name, paths in found.items() if not paths]
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise DatasetError(
            f"{folder} has no mask of {', '.join(missing[:_SHOWN])}{more}: add them, or leave "
            f"these images out with -exclude."
        )
    for name, paths in found.items():
        if len(paths) > 1:
            raise DatasetError(f"{folder} has several masks of {name}: {paths[0]}, {paths[1]}.")
        check_content(paths[0])
    owners: dict[Path, str] = {}
    for name, (path,) in found.items():
        if path in owners:
            raise DatasetError(
                f"{path} would be the mask of {owners[path]} and of {name}: evaluate datasets "
                "whose images have the same names one after the other."
            )
        owners[path] = name
    return Candidate(folder.resolve().name, masks={name: one[0] for name, one in found.items()})


def _masks_of(case: EvaluationCase, files: Mapping[str, list[Path]]) -> list[Path]:
    """The masks of an image: those with the best ending of which there are any."""
    stem = case.image.name.split(".", 1)[0]
    for suffix in _SUFFIXES:
        names = [name for name in files if fnmatchcase(name, stem + suffix)]
        paths = [path for name in names for path in files[name] if path != case.label]
        if paths:
            return paths
    return []
