"""The endings of the files that flags name: a picture is not written into a .txt file."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["PICTURE", "check_ending", "check_table"]

PICTURE = (".png",)
"""What a picture's name must end with."""
_NO_TABLE = (
    *(".xlsx", ".xls", ".ods", ".json", ".toml"),
    *(".png", ".jpg", ".jpeg", ".svg", ".pdf", ".html"),
)


def check_ending(flag: str, path: Path | None, endings: tuple[str, ...]) -> None:
    """Check that a file that a flag names, if it does, has one of the endings.

    Raises
    ------
    click.UsageError
        It has not.
    """
    if path is not None and path.suffix.lower() not in endings:
        raise click.UsageError(f"{flag} {path}: name a {' or '.join(endings)} file.")


def check_table(flag: str, path: Path) -> None:
    """Check that a table in CSV form does not get the ending of another form.

    Raises
    ------
    click.UsageError
        It would.
    """
    if path.suffix.lower() in _NO_TABLE:
        raise click.UsageError(f"{flag} {path}: the table is CSV, name a .csv file.")
