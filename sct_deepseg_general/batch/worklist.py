"""The images of a batch, from a BIDS dataset or a list, after the user's filters.

Every image has a unique key, its path below the common folder. The journal and the tables refer
to an image by its key.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from sct_deepseg_general.bids.cases import Case, DatasetSelection, case_of
from sct_deepseg_general.bids.dataset import index
from sct_deepseg_general.bids.names import is_mask_name, name_parts
from sct_deepseg_general.cluster.shards import Part
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.files import stem_of
from sct_deepseg_general.job.inputs import result_reason
from sct_deepseg_general.text_files import composed, existing, read_text

__all__ = [
    "Filters",
    "Item",
    "LeftOut",
    "Worklist",
    "from_bids",
    "from_list",
    "item_named",
    "read_list",
    "read_yaml",
]

DISC_SUFFIXES = ("_label-discs", "_label-discs_dlabel", "_label-disc", "_labels-disc*")
"""What follows the image's name in the name of its labelled discs, below derivatives/labels."""

_FIELD_MAPS = ("B0map", "fieldmap")
_NIFTI = (".nii", ".nii.gz")


@dataclass(frozen=True)
class Filters:
    """Which images are taken; an empty tuple takes all.

    `include` and `exclude` hold shell patterns, subjects ("sub-01", "sub-01/ses-1", "ses-1")
    and file names, as the lists of SCT do. An image that is in both is left out.
    """

    participants: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    contrasts: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def with_lists(self, include: Path | None, exclude: Path | None) -> Filters:
        """The filters together with the entries of YAML lists; None stands for no list.

        Raises
        ------
        DatasetError
            A list cannot be read.
        """
        included = read_yaml(include) if include else ()
        excluded = read_yaml(exclude) if exclude else ()
        return replace(self, include=(*self.include, *included), exclude=(*self.exclude, *excluded))


@dataclass(frozen=True)
class Item:
    """One image of a batch."""

    key: str
    """Its path below `Worklist.root`, with forward slashes: "sub-01/anat/sub-01_T2w.nii.gz"."""
    image: Path
    participant: str = ""
    """"sub-01", or "" if the name is not a BIDS name."""
    session: str = ""
    """"ses-1", or ""."""
    contrast: str = ""
    """The last word of the BIDS name ("T2w"), "MTon" or "MToff", or ""."""
    discs: Path | None = None
    """A label map of the image's discs among the dataset's derivatives."""

    @property
    def stem(self) -> str:
        """The file name without `.nii.gz`."""
        return stem_of(self.key)

    @property
    def owner(self) -> str:
        """What the part is chosen by, so that the images of a participant stay together."""
        return self.participant or self.key


@dataclass(frozen=True)
class LeftOut:
    """A file that was left out although the filters take it, and the reason."""

    key: str
    reason: str
    missing: bool = False
    """Whether it is a folder whose content is not on this machine."""


@dataclass(frozen=True)
class Worklist:
    """The images of a batch of the dataset `name`, sorted by key."""

    root: Path
    """The common folder; keys are paths below it."""
    name: str
    items: tuple[Item, ...]
    left_out: tuple[LeftOut, ...] = ()
    """Files that are no images to segment; those that the filters leave out are not listed."""
    exclude: tuple[str, ...] = ()
    excluded: tuple[Item, ...] = ()
    """The images that the entries of `Filters.exclude` leave out."""

    def part(self, part: Part) -> Worklist:
        """The images of one part."""
        return replace(self, items=tuple(item for item in self.items if part.holds(item.owner)))

    def excludes(self, key: str) -> bool:
        """Whether the entries of `exclude` name an image, of this list or of an earlier run."""
        return bool(self.exclude) and _any(item_named(self.root, key), self.exclude)


def from_bids(root: Path, filters: Filters | None = None, *, bids_names: bool = True) -> Worklist:
    """The images of a BIDS dataset, from its `anat`, `func` and `dwi` folders.

    The labelled discs that its derivatives hold go with their images.

    Parameters
    ----------
    root
        The folder that holds the `sub-*` folders.
    filters
        Which images to take; by default all. Masks and field maps are never taken.
    bids_names
        Whether to leave out files without a BIDS name, which the outputs are named after.

    Returns
    -------
    Worklist
        The images, also those whose content is not on this machine, and the files left out.

    Raises
    ------
    DatasetError
        The folder is missing or not a dataset, or no image matches the filters.

    Examples
    --------
    >>> anat = Path("study", "sub-01", "anat")
    >>> anat.mkdir(parents=True)
    >>> for name in ("sub-01_T2w.nii.gz", "sub-01_T2w_seg.nii.gz"):
    ...     _ = (anat / name).write_bytes(Path("t2.nii.gz").read_bytes())
    >>> worklist = from_bids(Path("study"))
    >>> [item.key for item in worklist.items]
    ['sub-01/anat/sub-01_T2w.nii.gz']
    >>> [(one.key, one.reason) for one in worklist.left_out]
    [('sub-01/anat/sub-01_T2w_seg.nii.gz', 'not an image (seg)')]
    """
    filters = filters or Filters()
    selection = DatasetSelection(
        label_suffixes=DISC_SUFFIXES,
        contrasts=filters.contrasts,
        participants=filters.participants,
        sessions=filters.sessions,
    )
    dataset = index(root, selection)
    items = [
        _item_of(case.image, case.image.relative_to(root).as_posix(), case)
        for case in (*dataset.cases, *dataset.missing)
    ]
    content = {case.image for case in dataset.missing}
    others = {
        one.reason: dataset.reasons[one.reason]
        for one in dataset.skipped
        if one.path not in content and one.reason != "no label"
    }

    def reason(item: Item) -> str:
        suffix = item.stem.rpartition("_")[2]
        if is_mask_name(item.stem) or suffix in _FIELD_MAPS:
            return f"not an image ({suffix})"
        if bids_names and name_parts(item.stem) is None:
            return "not a BIDS name"
        return ""

    worklist = _filtered(root, dataset.dataset, items, filters, others, reason)
    absent = [
        LeftOut(one.path.relative_to(root).as_posix(), one.reason, missing=True)
        for one in dataset.absent
    ]
    return replace(worklist, left_out=(*absent, *worklist.left_out))


def from_list(
    images: Sequence[Path], filters: Filters | None = None, root: Path | None = None
) -> Worklist:
    """The images of a list, each once.

    Parameters
    ----------
    images
        Paths of the images.
    filters
        Which images to take; by default all.
    root
        The common folder; by default the deepest folder that holds all images.

    Returns
    -------
    Worklist
        The images, and the files left out because they are results of a segmentation.

    Raises
    ------
    DatasetError
        No image is left, or one lies outside `root`.

    Examples
    --------
    >>> worklist = from_list([Path("t2.nii.gz"), Path("t2_seg.nii.gz")])
    >>> [item.key for item in worklist.items]
    ['t2.nii.gz']
    >>> [(one.key, one.reason) for one in worklist.left_out]
    [('t2_seg.nii.gz', 'it is named as a mask of t2.nii.gz')]
    """
    filters = filters or Filters()
    full = sorted({_full(image) for image in images})
    if not full:
        raise DatasetError("The list is empty: give at least one image.")
    root = _full(root or Path(os.path.commonpath([image.parent for image in full])))
    items = []
    for image in full:
        if not image.is_relative_to(root):
            raise DatasetError(f"{image} is not below {root}: give another -root.")
        items.append(_item_of(image, image.relative_to(root).as_posix()))
    wanted = [item for item in items if _named(item, filters)]
    others = _count("not selected", items, wanted)
    return _filtered(
        root, root.name, wanted, filters, others, lambda item: result_reason(item.image)
    )


def read_list(path: Path) -> tuple[Path, ...]:
    """Read a text file with one image path per line; lines that begin with `#` are comments.

    Relative paths are relative to the folder of the file.

    Raises
    ------
    DatasetError
        The file cannot be read.
    """
    lines = [line.strip() for line in read_text(path).split("\n")]
    names = [_unquoted(line) for line in lines if line and not line.startswith("#")]
    for name in names:
        if several := re.search(r"\.nii(?:\.gz)?[\"']?\s*([;,\t|])", name):
            raise DatasetError(
                f"{path} has several names in a line, separated by {several[1]!r}: write one path "
                "per line."
            )
    return tuple(_path_below(path.parent, name) for name in names)


def _path_below(folder: Path, name: str) -> Path:
    """The path that a line names, also where it was written on Windows or macOS."""
    path = existing(folder / name)
    if path.exists() or path.is_symlink() or "\\" not in name:
        return path
    return existing(folder / PureWindowsPath(name).as_posix())


def read_yaml(path: Path) -> tuple[str, ...]:
    """Read a YAML list of subjects and files, as SCT writes them; categories are joined.

    Raises
    ------
    DatasetError
        The file cannot be read, or does not hold lists of names.
    """
    entries = _parsed_yaml(path)
    groups = list(entries.values()) if isinstance(entries, dict) else [entries]
    names = [name for group in groups if isinstance(group, list) for name in group]
    if not all(isinstance(group, list) for group in groups) or not all(
        isinstance(name, str) for name in names
    ):
        raise DatasetError(
            f"{path} is not a list of subjects or files: write one name per line after '- '."
        )
    return tuple(dict.fromkeys(names))


def item_named(root: Path, key: str) -> Item:
    """The image that a key of an earlier run refers to."""
    return _item_of(root / key, key)


def _item_of(image: Path, key: str, case: Case | None = None) -> Item:
    if case is None and image.name.startswith("sub-"):
        case = case_of(image, "")
    if case is None or "sub" not in case.entities:
        return Item(key, image)
    return Item(key, image, case.participant, case.session, case.contrast, case.label)


def _filtered(
    root: Path,
    name: str,
    items: Collection[Item],
    filters: Filters,
    others: dict[str, int],
    reason: Callable[[Item], str],
) -> Worklist:
    """The worklist of what the filters take; `reason` says why an item is no image, or ""."""
    included = [item for item in items if not filters.include or _any(item, filters.include)]
    selected = [item for item in included if not _any(item, filters.exclude)]
    reasons = {item.key: reason(item) for item in selected}
    kept = [item for item in selected if not reasons[item.key]]
    left_out = [LeftOut(key, why) for key, why in sorted(reasons.items()) if why]
    if not kept:
        counts = {
            **others,
            **_count("not included", items, included),
            **_count("excluded", included, selected),
            **Counter(one.reason for one in left_out),
        }
        why = ", ".join(f"{count} {text}" for text, count in counts.items()) or "it is empty"
        raise DatasetError(f"No image in {root} matches ({why}): check the filters.")
    items = tuple(sorted(kept, key=lambda item: item.key))
    excluded = tuple(item for item in included if item.key not in reasons)
    return Worklist(root, name, items, tuple(left_out), filters.exclude, excluded)


def _count(reason: str, before: Collection[Item], after: Collection[Item]) -> dict[str, int]:
    return {reason: len(before) - len(after)} if len(before) > len(after) else {}


def _named(item: Item, filters: Filters) -> bool:
    return (
        _is_one(item.participant, "sub", filters.participants)
        and _is_one(item.session, "ses", filters.sessions)
        and (not filters.contrasts or item.contrast in filters.contrasts)
    )


def _is_one(value: str, key: str, wanted: Iterable[str]) -> bool:
    full = {composed(name if name.startswith(f"{key}-") else f"{key}-{name}") for name in wanted}
    return not full or composed(value) in full


def _any(item: Item, entries: Iterable[str]) -> bool:
    return any(_matches(item, entry) for entry in entries)


def _matches(item: Item, entry: str) -> bool:
    """Whether an entry of a list matches an image: as a file, a folder above it, or a pattern.

    A file matches by its name, its path, or the name of its mask (`_seg`).
    """
    entry = composed(entry.strip().rstrip("/"))
    key, stem, image = composed(item.key), composed(item.stem), composed(str(item.image))
    if entry.endswith(_NIFTI):
        name = PurePosixPath(entry.replace("\\", "/")).name
        same = entry in (key, image) or name == PurePosixPath(image).name
        return same or stem_of(name).removesuffix("_seg") == stem or fnmatchcase(key, entry)
    folders = key.rpartition("/")[0]
    place = f"/{folders}/{composed(item.participant)}/{composed(item.session)}/"
    return f"/{entry}/" in place or fnmatchcase(stem, entry) or fnmatchcase(key, entry)


def _parsed_yaml(path: Path) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise DatasetError(
            "Reading YAML lists needs PyYAML: install it with 'pip install pyyaml'."
        ) from error
    try:
        return yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise DatasetError(f"{path} is not YAML: {' '.join(str(error).split())}.") from error


def _unquoted(line: str) -> str:
    """A line without the quotes that a spreadsheet sets around a name with a separator in it."""
    quoted = len(line) > 1 and line[0] == line[-1] and line[0] in "\"'"
    return line[1:-1] if quoted else line


def _full(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve would follow the links of annexes
