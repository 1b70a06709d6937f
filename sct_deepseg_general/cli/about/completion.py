"""`completion`: the script that completes subcommands, flags and their values in a shell.

The script holds all words, so that completing does not start Python.
"""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import click

from sct_deepseg_general.cli._click import PROGRAM, SctCommand, takes

__all__ = ["command", "script", "words_of"]

BIDS_APP = "sct-deepseg-general"
_EPILOG = f"""\
Examples:
  {PROGRAM} completion bash > ~/.local/share/bash-completion/completions/{PROGRAM}
  {PROGRAM} completion zsh >> ~/.zshrc
  {PROGRAM} completion fish > ~/.config/fish/completions/{PROGRAM}.fish
"""


@dataclass(frozen=True)
class CompletionOptions:
    """The shell to complete in."""

    shell: Literal["bash", "zsh", "fish"]


class _ShellCommand(SctCommand):
    """A command that takes the shell as a plain word."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return click.Command.parse_args(self, ctx, args)


@click.command(cls=_ShellCommand, epilog=_EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@takes(CompletionOptions)
def command(options: CompletionOptions) -> int:
    """Print the script that completes subcommands, flags and their values in a shell."""
    print(script(options.shell), end="")
    return 0


@dataclass(frozen=True)
class Words:
    """What may follow a command: flags with their help, the values of some flags, subcommands."""

    flags: dict[str, str] = field(default_factory=dict)
    values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    subcommands: dict[str, str] = field(default_factory=dict)


def script(shell: str) -> str:
    """The completion script for "bash", "zsh" or "fish".

    Examples
    --------
    >>> script("fish").splitlines()[0]
    '# Completion of sct_deepseg_sc_general and sct-deepseg-general in fish.'
    """
    words = words_of()
    head = f"# Completion of {PROGRAM} and {BIDS_APP} in {shell}."
    if shell == "fish":
        lines = [head, *_fish(words)]
    else:
        lines = [head, *_posix(words, _ZSH if shell == "zsh" else _BASH)]
    return "\n".join(lines) + "\n"


def words_of() -> dict[str, Words]:
    """What may follow each command, by its words: "" for the main one, "batch", "models list"."""
    from sct_deepseg_general.cli import SUBCOMMANDS, module_of

    found: dict[str, Words] = {}
    for name in SUBCOMMANDS:
        try:
            module: Any = importlib.import_module(module_of(name))
        except ImportError:  # a command of an extra that is not installed
            continue
        found.update(_of_command(name, module.command))
    main = found["segment"]
    return {**found, "": Words(main.flags, main.values, dict(SUBCOMMANDS))}


def _of_command(name: str, made: click.Command) -> Iterator[tuple[str, Words]]:
    nested = dict(getattr(made, "commands", {}))
    options = [one for one in made.params if isinstance(one, click.Option) and not one.hidden]
    flags = {flag: _first(one.help) for one in options for flag in one.opts}
    values = {
        flag: tuple(map(str, one.type.choices))
        for one in options
        for flag in one.opts
        if isinstance(one.type, click.Choice)
    }
    short = {key: _first(one.get_short_help_str()) for key, one in nested.items()}
    yield name, Words({**flags, "-h": "Help."}, values, short)
    for key, one in nested.items():
        yield from _of_command(f"{name} {key}", one)


def _first(text: str | None) -> str:
    """The first sentence of a help text."""
    return " ".join((text or "").split()).partition(". ")[0].rstrip(".")


def _app_flags() -> list[str]:
    from sct_deepseg_general.cli.bids_app import arguments

    usage = arguments().format_help()
    return sorted({word.strip(",") for word in usage.split() if word.startswith("--")})


@dataclass(frozen=True)
class _Shell:
    """How bash and zsh name the words of the line, and offer words and files."""

    word: str
    before: str
    first_two: str
    place: str
    """The number of the word that is completed; the command is 0."""
    offer: str
    files: str
    setup: tuple[str, ...]
    use: str


_BASH = _Shell(
    word="${COMP_WORDS[COMP_CWORD]}",
    before="${COMP_WORDS[COMP_CWORD-1]}",
    first_two="${COMP_WORDS[1]} ${COMP_WORDS[2]}",
    place="$COMP_CWORD",
    offer='COMPREPLY=($(compgen -W "$1" -- "${COMP_WORDS[COMP_CWORD]}"))',
    files='COMPREPLY=($(compgen -f -- "$word"))',
    setup=(),
    use="complete -o filenames -F",
)
_ZSH = _Shell(
    word="${words[CURRENT]}",
    before="${words[CURRENT-1]}",
    first_two="${words[2]} ${words[3]}",
    place="$((CURRENT-1))",
    offer="compadd -- ${=1}",
    files="_files",
    setup=("(( $+functions[compdef] )) || { autoload -U +X compinit && compinit -u; }",),
    use="compdef",
)


def _posix(words: dict[str, Words], shell: _Shell) -> Iterator[str]:
    yield from shell.setup
    yield "_sct_words() {"
    yield f"  {shell.offer}"
    yield "}"
    yield "_sct_deepseg_sc_general() {"
    yield f'  local word="{shell.word}" before="{shell.before}" place='
    yield f'  case "{shell.first_two}" in'
    for name in sorted(filter(None, words), key=len, reverse=True):
        pattern = f'"{name}"*' if " " in name else f'"{name} "*'
        yield f'    {pattern}) place="{name}" ;;'
    yield "  esac"
    yield from _cases(words, shell)
    yield "}"
    yield "_sct_deepseg_general_app() {"
    yield f'  local word="{shell.word}"'
    yield f'  case "{shell.place}:$word" in'
    yield f'    *:-*) _sct_words "{" ".join(_app_flags())}" ;;'
    yield '    3:*) _sct_words "participant group" ;;'
    yield f"    *) {shell.files} ;;"
    yield "  esac"
    yield "}"
    yield f"{shell.use} _sct_deepseg_sc_general {PROGRAM}"
    yield f"{shell.use} _sct_deepseg_general_app {BIDS_APP}"


def _cases(words: dict[str, Words], shell: _Shell) -> Iterator[str]:
    """Values after a flag, then flags, then subcommands, then files."""
    yield '  case "$place $before" in'
    for name, one in words.items():
        for flag, values in one.values.items():
            yield f'    "{name} {flag}") _sct_words "{" ".join(values)}"; return ;;'
    yield "  esac"
    yield '  case "$place:$word" in'
    for name, one in words.items():
        yield f'    "{name}":-*) _sct_words "{" ".join(one.flags)}"; return ;;'
    yield "  esac"
    yield f'  case "{shell.place}:$place" in'
    yield f'    1:*) _sct_words "{" ".join(words[""].subcommands)}" ;;'
    for name, one in words.items():
        if name and one.subcommands:
            yield f'    2:"{name}"*) _sct_words "{" ".join(one.subcommands)}" ;;'
    yield f"    *) {shell.files} ;;"
    yield "  esac"


def _fish(words: dict[str, Words]) -> Iterator[str]:
    names = " ".join(words[""].subcommands)
    none = f"not __fish_seen_subcommand_from {names}"
    for name, text in words[""].subcommands.items():
        yield f"complete -c {PROGRAM} -n {shlex.quote(none)} -a {name} -d {shlex.quote(text)}"
    for name, one in words.items():
        seen = [f"__fish_seen_subcommand_from {word}" for word in name.split()]
        where = shlex.quote("; and ".join(seen) if seen else none)
        for inner, text in one.subcommands.items() if name else ():
            yield f"complete -c {PROGRAM} -n {where} -a {inner} -d {shlex.quote(text)}"
        for flag, text in one.flags.items():
            values = one.values.get(flag, ())
            given = f" -xa {shlex.quote(' '.join(values))}" if values else ""
            kind = "-l" if flag.startswith("--") else "-o"
            bare = flag.lstrip("-")
            described = f" -d {shlex.quote(text)}" if text else ""
            yield f"complete -c {PROGRAM} -n {where} {kind} {bare}{given}{described}"
    for flag in _app_flags():
        yield f"complete -c {BIDS_APP} -l {flag[2:]}"
    yield f"complete -c {BIDS_APP} -a 'participant group'"
