"""A folder in nnU-Net's raw format, from the entries of a manifest and converted files."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sct_deepseg_general.datasets.manifest import ManifestRow
from sct_deepseg_general.datasets.split import training_folds
from sct_deepseg_general.files import write_whole

__all__ = ["files_of", "write_raw"]


def write_raw(folder: Path, source: Path, entries: Sequence[ManifestRow], folds: int) -> None:
    """The raw dataset of `entries` in `folder`, with files linked from the one in `source`.

    Files of other cases are removed; `dataset.json` and `splits_final.json` are written whole.
    """
    expected = {path for one in entries for path in files_of(one)}
    for path in sorted(expected):
        _link(source / path, folder / path)
    _remove_stale(folder, expected)
    people = {one.name: one.person for one in entries if one.part == "train"}
    fold_of = {one.person: one.fold for one in entries if one.part == "train"}
    _write_json(folder / "dataset.json", _dataset_json(folder.name, len(people)))
    _write_json(folder / "splits_final.json", training_folds(fold_of, people, folds))


def files_of(entry: ManifestRow) -> Iterator[str]:
    """The files of a case, relative to its raw dataset."""
    subset = "Tr" if entry.part == "train" else "Ts"
    yield f"images{subset}/{entry.name}_0000.nii.gz"
    yield f"labels{subset}/{entry.name}.nii.gz"
    if entry.label_kind == "soft":
        yield f"softlabels{subset}/{entry.name}.nii.gz"


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and target.samefile(source):
        return
    temporary = target.with_name(f".part-{target.name}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, temporary)
    temporary.replace(target)


def _remove_stale(folder: Path, expected: set[str]) -> None:
    for kind in ("images", "labels", "softlabels"):
        for subset in ("Tr", "Ts"):
            place = folder / (kind + subset)
            for path in sorted(place.iterdir()) if place.is_dir() else ():
                if path.relative_to(folder).as_posix() not in expected:
                    path.unlink()


def _dataset_json(name: str, count: int) -> dict[str, Any]:
    return {
        "name": name,
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, "sc": 1},
        "numTraining": count,
        "file_ending": ".nii.gz",
        "image_orientation": "LPI",
        "overwrite_image_reader_writer": "NibabelIO",
    }


def _write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_whole(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
