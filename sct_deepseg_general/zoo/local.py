"""Models that a user names by a path or an address: folders, archives, nnU-Net results, URLs.

nnU-Net results are converted once and kept in the model cache under the hash of their content.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.files import sha256
from sct_deepseg_general.zoo.cache import ModelCache
from sct_deepseg_general.zoo.download import check_url
from sct_deepseg_general.zoo.index import file_entry
from sct_deepseg_general.zoo.install import FetchOptions, convert, fetch, install_file
from sct_deepseg_general.zoo.model import MANIFEST, RECORD, Model

__all__ = ["CROP_FILE", "USED_IN_RESULTS", "is_path", "is_url", "local_model", "url_model"]

CROP_FILE = "crop_metadata.json"
USED_IN_RESULTS = re.compile(
    rf"(^|.*/)(plans\.json|dataset\.json|{re.escape(CROP_FILE)}|fold_\w+/checkpoint_(final|best)\.pth)"
)
"""The files of nnU-Net results that are used, by their path in the archive or folder."""


def is_url(name: str) -> bool:
    """Whether a model is named by an address."""
    return re.match(r"https?://", name) is not None


def is_path(name: str) -> bool:
    """Whether a model is named by the path of a folder or a zip archive."""
    return "/" in name or "\\" in name or name.endswith(".zip") or Path(name).is_dir()


def local_model(path: Path, cache: ModelCache, options: FetchOptions) -> Model:
    """The model in a folder or zip archive: this program's own, or nnU-Net results.

    Parameters
    ----------
    path : Path
        A model folder, an archive of one, nnU-Net results, or an archive of such.
    cache : ModelCache
        Where converted results are kept.
    options : FetchOptions
        `converter` converts results that are not in the cache yet.

    Raises
    ------
    ModelError
        There is nothing, or nothing that is a model.
    """
    if not path.exists():
        raise ModelError(f"There is no model {path}: no such folder or file.")
    if path.is_dir() and (path / MANIFEST).is_file():
        return Model.load(path)
    if not path.is_dir() and not zipfile.is_zipfile(path):
        raise ModelError(f"{path} is not a model: give a folder or a zip archive.")
    if not path.is_dir() and _is_bundle(path):
        return install_file(path, None, cache, replace(options, trust=True))
    key = f"local-{_content_hash(path)[:12]}"
    known = cache.load(f"{key}@0")
    if known is not None:
        return known
    options.say(f"Converting {path}; the result is kept in the model cache as {key}@0.")
    entry = replace(file_entry(key, "0"), title=path.name)
    return convert((path,), entry, cache, options)


def url_model(url: str, cache: ModelCache, options: FetchOptions) -> Model:
    """The model in an archive of nnU-Net results at an address; downloaded and converted once.

    Raises
    ------
    ModelError
        The address is not https, needs trust, or gives no such archive.
    """
    check_url(url)
    key = f"url-{hashlib.sha256(url.encode()).hexdigest()[:12]}"
    known = cache.load(f"{key}@0")
    if known is not None:
        return known
    entry = replace(file_entry(key, "0"), title=url.rpartition("/")[2] or url, urls=(url,))
    return fetch(entry, cache, options)


def _is_bundle(path: Path) -> bool:
    """Whether a zip holds a model of this program: its record and manifest at the top."""
    with zipfile.ZipFile(path) as archive:
        return {RECORD, MANIFEST} <= set(archive.namelist())


def _content_hash(path: Path) -> str:
    """A hash of what is used of nnU-Net results; of an archive, of all of it."""
    if path.is_file():
        return sha256(path)
    used = sorted(_used(path))
    if not any(name.endswith(".pth") for name, _ in used):
        raise ModelError(
            f"{path} is not a model folder: it has neither the {MANIFEST} of this program's models "
            "nor the plans.json and fold_*/checkpoint_final.pth of nnU-Net results."
        )
    lines = [f"{name} {sha256(file)}" for name, file in used]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _used(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if USED_IN_RESULTS.fullmatch(name) and path.is_file():
            yield name, path
