"""A command receives its options as one frozen dataclass, checked field by field."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import Any, Literal

import click
import pytest

from sct_deepseg_general.cli._click import (
    PATH,
    SctCommand,
    SctGroup,
    flag,
    option,
    options_of,
    run,
    takes,
)


@dataclass(frozen=True)
class Shared:
    slices: tuple[int, ...] | None
    smooth: float


@dataclass(frozen=True)
class Example:
    image: Path
    overwrite: bool
    fit: Literal["linear", "bspline"]
    shared: Shared


VALUES: dict[str, Any] = {
    "image": Path("t2.nii.gz"),
    "overwrite": 1,
    "fit": "linear",
    "slices": (1, 2),
    "smooth": 30,
}


def test_values_become_a_frozen_dataclass_with_shared_options_inside() -> None:
    made = options_of(Example, VALUES)
    assert made == Example(Path("t2.nii.gz"), True, "linear", Shared((1, 2), 30.0))
    assert type(made.overwrite) is bool
    assert type(made.shared.smooth) is float
    with pytest.raises(FrozenInstanceError):
        made.overwrite = False  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image", "t2.nii.gz"),
        ("overwrite", 2),
        ("fit", "nurbs"),
        ("slices", (1, "2")),
        ("slices", [1]),
        ("smooth", True),
        ("smooth", None),
    ],
)
def test_a_value_of_another_type_is_refused(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=name):
        options_of(Example, {**VALUES, name: value})


def test_fields_and_options_must_be_the_same() -> None:
    with pytest.raises(TypeError, match="extra"):
        options_of(Example, {**VALUES, "extra": 1})
    with pytest.raises(TypeError, match="smooth"):
        options_of(Example, {name: value for name, value in VALUES.items() if name != "smooth"})


@dataclass(frozen=True)
class OfCommand:
    image: Path
    overwrite: bool


def test_a_command_takes_its_options_as_one_value() -> None:
    received: list[OfCommand] = []

    @click.command(cls=SctCommand)
    @option("-i", to="image", required=True, type=PATH)
    @flag("-overwrite")
    @takes(OfCommand)
    def command(options: OfCommand) -> int:
        """Do nothing."""
        received.append(options)
        return 3

    assert command.main(["-i", "a.nii", "-overwrite"], standalone_mode=False) == 3
    assert received == [OfCommand(Path("a.nii"), True)]
    assert command.help == "Do nothing."


def test_the_help_gives_the_range_of_a_number_but_not_of_a_switch() -> None:
    @click.command(cls=SctCommand)
    @option("-csa", default=1, type=click.IntRange(0, 1), help="Write areas.")
    @option("-jobs", type=click.IntRange(1), help="Processes.")
    def command(csa: int, jobs: int) -> None: ...

    shown = command.get_help(click.Context(command))
    assert "-csa 0|1" in shown
    assert "Write areas.  [default: 1]" in shown
    assert "Processes.  [x>=1]" in shown


@pytest.mark.parametrize("sentence", ["write 2:9", "write 2:9."])
def test_a_sentence_on_wrong_usage_ends_before_the_next(
    sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command(cls=SctCommand)
    def command() -> None:
        raise click.UsageError(sentence)

    with pytest.raises(SystemExit):
        run(command, "csa", [])
    assert "Error: write 2:9. See" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [SctCommand, SctGroup])
def test_the_lines_of_the_examples_are_kept(kind: type[click.Command]) -> None:
    examples = "Examples:\n  program -i t2.nii.gz\n  program -i t1.nii.gz\n"
    command = kind("program", epilog=examples)
    assert examples.rstrip() in command.get_help(click.Context(command))
