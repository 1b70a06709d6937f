"""The flags of a run as settings for a TOML file, and a TOML file as flags."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sct_deepseg_general.provenance.settings import RunSettings

__all__ = ["flags_from_file", "given_settings", "settings_path", "write_settings"]

_NOT_KEPT = {
    "-config", "-h", "-help-all", "-install", "-json", "-offline", "-overwrite", "-strict", "-task",
    "-trust", "-v", "-version",
}  # fmt: skip
"""Flags that say how a command runs or ends, not what it makes; -task becomes -m."""
_FILES = {
    "-i", "-o", "-channels", "-vertfile", "-discfile", "-pmj", "-centerline", "-plot", "-report",
    "-earlier", "-qc", "-dicom-seg", "-dicom-sr",
}  # fmt: skip
"""Flags with paths."""
_IMAGE = {"-qc-dataset", "-qc-subject", "-series", "-disc-at", "-z", "-age", "-sex"}
"""Flags that hold for one image: with other images neither they nor the files are taken over."""


def given_settings(ctx: click.Context, model: str) -> RunSettings:
    """The values of all flags of a run, with the model that it used."""
    from sct_deepseg_general.provenance.settings import RunSettings

    values = {
        option.opts[0]: _plain(option, ctx.params[option.name])
        for option in ctx.command.get_params(ctx)
        if option.name in ctx.params and option.opts[0] not in _NOT_KEPT
    }
    values["-m"] = model
    kept = {flag: value for flag, value in values.items() if value not in (None, [], ())}
    if "-o" in kept:
        kept["-o"] = Path(kept["-o"])
    files = {flag.lstrip("-"): value for flag, value in kept.items() if flag in _FILES}
    image = {flag.lstrip("-"): value for flag, value in kept.items() if flag in _IMAGE}
    others = {
        flag.lstrip("-"): value for flag, value in kept.items() if flag not in _FILES | _IMAGE
    }
    return RunSettings(files, others, image)


def flags_from_file(ctx: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    """Take from a settings file what the command line does not say itself.

    Raises
    ------
    click.UsageError
        The file names a flag that the command does not have.
    """
    if path is None or ctx.resilient_parsing:
        return
    from sct_deepseg_general.provenance.settings import read_toml

    read = read_toml(path)
    others = "-i" in ctx.meta.get("words", ())
    taken = {**({} if others else {**read.files, **read.image}), **read.values}
    names = {option.opts[0].lstrip("-"): option.name for option in ctx.command.get_params(ctx)}
    unknown = sorted(set(taken) - set(names))
    if unknown:
        raise click.UsageError(f"{path} names no flags of this command: {', '.join(unknown)}.")
    ctx.default_map = {str(names[flag]): value for flag, value in taken.items()}


def settings_path(mask: Path) -> Path:
    """The settings file of a run, named after its first mask."""
    from sct_deepseg_general.files import stem_of

    return mask.with_name(f"{stem_of(mask)}.toml")


def write_settings(ctx: click.Context, model: str, path: Path) -> None:
    """Write the settings of a run, whole.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    from sct_deepseg_general.files import write_whole
    from sct_deepseg_general.provenance.settings import as_toml

    with write_whole(path) as temporary:
        temporary.write_text(as_toml(given_settings(ctx, model), path.parent), encoding="utf-8")


def _plain(option: click.Parameter, value: Any) -> Any:
    """A value as TOML holds it and the command line takes it back."""
    from sct_deepseg_general.csa.selection import number_list

    if option.type.name == "numbers" and value is not None:
        return number_list(value)
    if option.type.name == "slice,disc" and value is not None:
        return ",".join(map(str, value))
    return list(value) if isinstance(value, tuple) else value
