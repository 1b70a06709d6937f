"""The settings of a run as a TOML file, from which the run can be repeated."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sct_deepseg_general import __version__
from sct_deepseg_general.errors import DatasetError, SchemaError
from sct_deepseg_general.job.outputs import PROGRAM
from sct_deepseg_general.text_files import read_text

__all__ = ["RunSettings", "as_toml", "read_toml"]

_FILES, _IMAGE, _VALUES = "files", "image", "settings"


@dataclass(frozen=True)
class RunSettings:
    """The flags of a run without their dash."""

    files: Mapping[str, Any]
    """Those with paths."""
    values: Mapping[str, Any]
    image: Mapping[str, Any] = field(default_factory=dict)
    """Those that hold for the image of the run only, such as its slices."""


def as_toml(settings: RunSettings, folder: Path) -> str:
    """The settings as the text of a TOML file in a folder.

    Parameters
    ----------
    settings : RunSettings
        Flags with their values: str, int, float, bool, Path, or lists of them.
    folder : Path
        Where the file will lie; paths are written as seen from there.

    Returns
    -------
    str
        The text, with the tables "files", "image" and "settings".

    Examples
    --------
    >>> print(as_toml(RunSettings({"i": [Path("data/t2.nii.gz")]}, {"thr": 0.5}), Path("out")))
    ... # doctest: +ELLIPSIS
    # Settings of sct_deepseg_sc_general ...
    # Repeat the run with: sct_deepseg_sc_general -config THIS_FILE
    <BLANKLINE>
    [files]
    i = [
        "../data/t2.nii.gz",
    ]
    <BLANKLINE>
    [settings]
    thr = 0.5
    <BLANKLINE>
    """
    import tomli_w

    content = {
        _FILES: {flag: _written(value, folder) for flag, value in settings.files.items()},
        **({_IMAGE: dict(settings.image)} if settings.image else {}),
        _VALUES: {flag: _written(value, folder) for flag, value in settings.values.items()},
    }
    heading = (
        f"# Settings of {PROGRAM} {__version__}\n"
        f"# Repeat the run with: {PROGRAM} -config THIS_FILE\n\n"
    )
    return heading + str(tomli_w.dumps(content))


def read_toml(path: Path) -> RunSettings:
    """The settings in a TOML file, with its paths as seen from here.

    Parameters
    ----------
    path : Path
        A file that `as_toml` wrote, or one with the same two tables.

    Returns
    -------
    RunSettings
        The flags with their values.

    Raises
    ------
    SchemaError
        The file cannot be read, or is no such file.

    Examples
    --------
    >>> written = as_toml(RunSettings({"i": [Path("t2.nii.gz")]}, {"thr": 0.4}), Path())
    >>> size = Path("run.toml").write_text(written)
    >>> read_toml(Path("run.toml")).values
    {'thr': 0.4}
    """
    try:
        content = _parsed(read_text(path))
    except (DatasetError, ValueError) as error:
        raise SchemaError(f"Cannot read settings from {path}: {error}.") from error
    unknown = sorted(set(content) - {_FILES, _IMAGE, _VALUES})
    tables = [content.get(name, {}) for name in (_FILES, _VALUES, _IMAGE)]
    if unknown or not all(isinstance(table, dict) for table in tables):
        raise SchemaError(
            f"{path} holds no settings of {PROGRAM}: it needs the tables [{_FILES}] and [{_VALUES}]"
            + (f", and holds {', '.join(unknown)}." if unknown else ".")
        )
    files = {flag: _seen_from(value, path.parent) for flag, value in tables[0].items()}
    return RunSettings(files, tables[1], tables[2])


def _written(value: Any, folder: Path) -> Any:
    if isinstance(value, (list, tuple)):
        return [_written(one, folder) for one in value]
    if not isinstance(value, Path):
        return value
    try:
        seen = Path(os.path.relpath(value, folder)).as_posix()
    except ValueError:  # another drive of Windows
        seen = value.absolute().as_posix()
    return f"{seen}/" if os.path.isdir(value) else seen  # noqa: PTH112 - false for a bad name


def _seen_from(value: Any, folder: Path) -> Any:
    """Paths of a file in `folder` as paths of the working folder; what is no text stays."""
    if isinstance(value, list):
        return [_seen_from(one, folder) for one in value]
    if not isinstance(value, str):
        return value
    return os.path.normpath(folder / value) + ("/" if value.endswith("/") else "")


def _parsed(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return dict(tomllib.loads(text))
