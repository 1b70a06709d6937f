"""Models of one's own, installed from their folder under a name of one's choice."""

from __future__ import annotations

import shutil
from pathlib import Path

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.schema import read_json
from sct_deepseg_general.zoo.archive import seal, sync, sync_folder
from sct_deepseg_general.zoo.cache import clear
from sct_deepseg_general.zoo.model import RECORD, Model, split_key
from sct_deepseg_general.zoo.zoo import Zoo, standard_zoo

__all__ = ["check_name", "install_folder"]


def check_name(key: str, zoo: Zoo | None = None) -> str:
    """Check that a model can be installed under the name id@version; return the version.

    Raises
    ------
    ModelError
        The name has no version, is one of the package's index, or is taken.
    """
    zoo = zoo or standard_zoo()
    name, version = split_key(key)
    if version is None:
        raise ModelError(f"'{key}' has no version: give a name such as {name}@1.0.")
    if zoo.index.versions(name):
        raise ModelError(f"{name} is a model of the package's index: choose another name.")
    if zoo.cache.load(key) is not None:
        raise ModelError(f"{key} is installed already: run 'models remove -m {key}', or count on.")
    return version


def install_folder(folder: Path, key: str, zoo: Zoo | None = None) -> Model:
    """Install a model folder, as training leaves it, under a name of one's own.

    Parameters
    ----------
    folder : Path
        The model's folder; it is copied and stays as it is.
    key : str
        The name, id@version. No other model may have it.
    zoo : Zoo, optional
        Index and cache; the user's own if left out.

    Returns
    -------
    Model
        The installed model, which every command takes by its id or id@version.

    Raises
    ------
    ModelError
        The folder is not a whole model, or the name cannot be used.
    """
    zoo = zoo or standard_zoo()
    version = check_name(key, zoo)
    source = Model.load(folder, full=True)
    root = zoo.cache.writable()
    scratch = root / f".{key}.local"
    clear(scratch)
    try:
        scratch.mkdir(parents=True)
        for name in source.files:
            shutil.copyfile(source.folder / name, scratch / name)
        record = {k: v for k, v in read_json(source.folder / RECORD).items() if k != "files"}
        seal(scratch, {**record, "id": split_key(key)[0], "version": version, "replaces": None})
        sync_folder(scratch)
        scratch.replace(root / key)
        sync(root)
    finally:
        clear(scratch)
    return Model.load(root / key)
