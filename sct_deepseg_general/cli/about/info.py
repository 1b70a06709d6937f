"""`info`: versions, models and devices of this installation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from sct_deepseg_general.cli._click import PROGRAM, SctCommand, flag, printable

__all__ = ["command"]

_EPILOG = f"""\
Examples:
  {PROGRAM} info
  {PROGRAM} info --json

Include this output in a bug report.
"""


@click.command(cls=SctCommand, epilog=_EPILOG)
@flag("-json", "--json", to="as_json", help="Print one line of JSON (schema info-1).")
def command(as_json: bool) -> int:
    """Show the versions, models and devices of this installation."""
    from sct_deepseg_general.provenance.info import info_record

    record = info_record()
    if as_json:
        print(json.dumps(record, ensure_ascii=False))
    else:
        print(*map(printable, _lines(record)), sep="\n")
    return 0


def _lines(record: Mapping[str, Any]) -> Iterator[str]:
    yield f"{record['Program']} {record['Version']}, Python {record['Python']}"
    yield record["Platform"]
    installed = [f"{name} {one}" for name, one in record["Libraries"].items() if one]
    missing = [name for name, one in record["Libraries"].items() if not one]
    yield f"Libraries: {', '.join(installed)}"
    if missing:
        yield f"Not installed: {', '.join(missing)}"
    for device in record["Devices"]:
        threads = f", {device['Threads']} threads" if device["Threads"] else ""
        yield f"Device {device['Name']}: {device['Description']}{threads}"
    for model in record["Models"]:
        if model["State"] != "available":
            default = ", the default" if model["Default"] else ""
            yield f"Model {model['Name']}: {model['State']}, {model['Check']}{default}"
    more = sum(model["State"] == "available" for model in record["Models"])
    yield f"{more} more models can be fetched: '{PROGRAM} models list'"
    sct = record["SCT"]
    yield f"SCT {sct['Version']} in {sct['Folder']}" if sct else "SCT: not found (SCT_DIR not set)"
