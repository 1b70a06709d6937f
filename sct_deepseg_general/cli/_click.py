"""click with SCT's flags: single-dash words, lists, lazy heavy imports, clear ends.

click splits `-ofoo` into `-o foo` and reads the typo `-qcc` as `-q cc`; here a flag is the
whole word or an error with the nearest one. A list after a flag (`-i a.nii.gz b.nii.gz`) is
spelled out as a repeated flag before click sees it.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import wraps
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

import click

from sct_deepseg_general import __version__
from sct_deepseg_general.errors import DeepsegError, library_error

__all__ = [
    "PATH",
    "OptionalValues",
    "SctCommand",
    "SctGroup",
    "fail",
    "flag",
    "option",
    "options_of",
    "printable",
    "run",
    "takes",
]

PROGRAM = "sct_deepseg_sc_general"


class _GivenPath(click.Path):
    """A path that is not empty: "" would be the working directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the path is empty: is a variable of the shell not set?", param, ctx)
        return super().convert(value, param, ctx)


PATH = _GivenPath(path_type=Path)
SETTINGS = {"help_option_names": ["-h", "-help", "--help"], "max_content_width": 100}

_RANGE = re.compile(r"; 0<=x<=\d+")
_NUMBER = re.compile(r"-\d*\.?\d+([eE][-+]?\d+)?$")
_F = TypeVar("_F", bound=Callable[..., Any])
_O = TypeVar("_O")


def option(name: str, *further: str, **settings: Any) -> Callable[[_F], _F]:
    """An option `-name` whose parameter is `name` with underscores; `further` names it too."""
    parameter = settings.pop("to", name.lstrip("-").replace("-", "_"))
    settings.setdefault("show_default", True)
    kind = settings.get("type")
    if isinstance(kind, click.FloatRange):
        settings.setdefault("metavar", "NUMBER")
    if isinstance(kind, click.IntRange) and kind.max is not None and kind.max <= 2:
        settings.setdefault("metavar", "|".join(map(str, range((kind.min or 0), kind.max + 1))))
    settings.setdefault("cls", ShownOption)
    return click.option(name, *further, parameter, **settings)


def flag(name: str, *further: str, **settings: Any) -> Callable[[_F], _F]:
    """A switch `-name`; SCT's `-name 1` and `-name 0` are understood too."""
    return option(name, *further, is_flag=True, show_default=False, **settings)


def takes(kind: type[_O]) -> Callable[[Callable[[_O], int]], Callable[..., int]]:
    """Call the command with one value, a frozen dataclass of all its options' values.

    The decorator stands directly above the function and below its options:

        @click.command(cls=SctCommand)
        @option("-i", to="image", required=True, type=PATH)
        @flag("-overwrite")
        @takes(ExampleOptions)
        def command(options: ExampleOptions) -> int: ...
    """

    def decorated(command: Callable[[_O], int]) -> Callable[..., int]:
        @wraps(command)
        def called(**values: Any) -> int:
            return command(options_of(kind, values))

        return called

    return decorated


def options_of(kind: type[_O], values: Mapping[str, Any]) -> _O:
    """The values of a command's options as the dataclass `kind`, by the names of its fields.

    A field whose type is a dataclass takes its own fields from the same values, so that options
    which several commands share are one value. 0 and 1 become a bool where the field is one.

    Raises
    ------
    TypeError
        A field has no option, an option has no field, or a value is not of the field's type.
    """
    unknown = sorted(set(values) - set(_field_names(kind)))
    if unknown:
        raise TypeError(f"{kind.__name__} has no field for the options {', '.join(unknown)}.")
    return _built(kind, values)


def _field_names(kind: Any) -> Iterator[str]:
    for name, hint in get_type_hints(kind).items():
        yield from _field_names(hint) if is_dataclass(hint) else (name,)


def _built(kind: type[_O], values: Mapping[str, Any]) -> _O:
    hints = get_type_hints(kind)
    made: dict[str, Any] = {}
    for name in (field.name for field in fields(kind)):  # type: ignore[arg-type]
        if is_dataclass(hints[name]):
            made[name] = _built(hints[name], values)
        elif name not in values:
            raise TypeError(f"There is no option for the field {name} of {kind.__name__}.")
        else:
            made[name] = _typed(values[name], hints[name], f"{kind.__name__}.{name}")
    return kind(**made)


def _typed(value: Any, hint: Any, where: str) -> Any:
    """The value as the type `hint`; 0 and 1 are a bool, a whole number may be a float."""
    if hint is bool and value in (0, 1):
        return bool(value)
    if hint is float and type(value) is int:
        return float(value)
    if not _fits(value, hint):
        raise TypeError(f"{where} is {value!r}, which is not of the type {hint}.")
    return value


def _fits(value: Any, hint: Any) -> bool:
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(one, parts[0]) for one in value)
    return hint is Any or (isinstance(value, hint) and (hint is bool) == isinstance(value, bool))


class ShownOption(click.Option):
    """An option whose help leaves out the range that its metavar (0|1) tells."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The names and the help, for one row of the page."""
        row = super().get_help_record(ctx)
        return None if row is None else (row[0], _RANGE.sub("", row[1]))


class OptionalValues(ShownOption):
    """An option that may stand alone, or be followed by values.

    Alone, and with SCT's 1, its value is an empty word; with 0 it is as if it were not given.
    """


class SctCommand(click.Command):
    """A command whose flags are whole words and whose lists need no repeated flag."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        settings.setdefault("context_settings", SETTINGS)
        super().__init__(*args, **settings)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(_spelled_out(args, self, ctx)))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The epilog as it is written: examples keep their lines."""
        _write_epilog(self.epilog, formatter)


class SctGroup(click.Group):
    """Subcommands of a subcommand (`models list`), with the same flags."""

    command_class = SctCommand

    def __init__(self, *args: Any, **settings: Any) -> None:
        settings.setdefault("context_settings", SETTINGS)
        super().__init__(*args, **settings)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The epilog as it is written: examples keep their lines."""
        _write_epilog(self.epilog, formatter)


def _write_epilog(epilog: str | None, formatter: click.HelpFormatter) -> None:
    if epilog:
        formatter.write_paragraph()
        formatter.write(epilog.rstrip() + "\n")


def run(command: click.Command, name: str, words: Sequence[str]) -> NoReturn:
    """The command with these words; ends the process with 0, 1 or 2 and one sentence."""
    program = PROGRAM if name == "segment" else f"{PROGRAM} {name}"
    try:
        result = command.main(list(words), prog_name=program, standalone_mode=False)
    except click.UsageError as error:
        fail(f"{error.format_message().rstrip('.')}. See {program} -h.")
    except click.Abort:
        fail("Interrupted: nothing was left half-written.", code=1)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except DeepsegError as error:
        fail(str(error), code=1)
    except KeyboardInterrupt:
        fail("Interrupted: nothing was left half-written.", code=1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        fail(f"The system refused ({error}).", code=1)
    except ImportError as error:  # also what the loader says where memory is short
        fail(str(library_error(error)), code=1)
    except MemoryError:
        fail("There is not enough memory: crop the image, or close other programs.", code=1)
    sys.exit(result if isinstance(result, int) else 0)


def fail(sentence: str, code: int = 2) -> NoReturn:
    """One sentence on standard error, then the exit code."""
    print(f"Error: {printable(sentence)}", file=sys.stderr)
    sys.exit(code)


def printable(text: object) -> str:
    """A text on one line, without characters of a file name that could control the terminal."""
    return "".join(one if one.isprintable() else "?" for one in str(text))


def print_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        print(f"{PROGRAM} {__version__}")
        ctx.exit()


def _spelled_out(words: Sequence[str], command: click.Command, ctx: click.Context) -> Iterator[str]:
    """The words with lists repeated (`-i a b` as `-i a -i b`) and `-flag 0|1` resolved."""
    options = _by_name(command, ctx)
    rest = list(words)
    while rest:
        word = rest.pop(0)
        found = options.get(word)
        if found is None:
            _complain(word, options, ctx)
        elif getattr(found, "is_flag", False):
            yield from _switch(word, rest)
        elif isinstance(found, OptionalValues):
            yield from _optional_values(word, rest, options)
        elif found.nargs != 1:
            yield from [word, *(rest.pop(0) for _ in range(min(found.nargs, len(rest))))]
        else:
            yield from _values(word, rest, options, many=found.multiple)


def _by_name(command: click.Command, ctx: click.Context) -> dict[str, Any]:
    parameters = command.get_params(ctx)
    return {name: one for one in parameters for name in (*one.opts, *one.secondary_opts)}


def _switch(word: str, rest: list[str]) -> Iterator[str]:
    value = rest.pop(0) if rest and rest[0] in ("0", "1") else "1"
    if value == "1":
        yield word


def _values(word: str, rest: list[str], options: dict[str, Any], *, many: bool) -> Iterator[str]:
    if not rest or _is_flag(rest[0], options):
        raise click.UsageError(f"The flag '{word}' needs a value.")
    yield from (word, rest.pop(0))
    while many and rest and not _is_flag(rest[0], options):
        yield from (word, rest.pop(0))


def _optional_values(word: str, rest: list[str], options: dict[str, Any]) -> Iterator[str]:
    values = []
    while rest and not _is_flag(rest[0], options):
        values.append(rest.pop(0))
    for value in values or [""]:
        if value != "0":
            yield from (word, "" if value == "1" else value)


def _is_flag(word: str, options: dict[str, Any]) -> bool:
    return word in options or (word.startswith("-") and len(word) > 1 and not _NUMBER.match(word))


def _complain(word: str, options: dict[str, Any], ctx: click.Context) -> NoReturn:
    if not word.startswith("-"):
        raise click.UsageError(f"'{word}' belongs to no flag: there are no positional arguments.")
    near = difflib.get_close_matches(word, [name for name in options if name[:2] != "--"], n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise click.UsageError(f"There is no flag '{word}'.{hint}", ctx=ctx)
