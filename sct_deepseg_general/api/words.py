"""The library's sentences in Python's words: the name of an argument in place of a flag."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from sct_deepseg_general.errors import DeepsegError

__all__ = ["ARGUMENTS", "in_python", "python_words", "reworded"]

ARGUMENTS: Mapping[str, str] = {
    "-i": "image",
    "-o": "folder",
    "-m": "model",
    "-z": "slices",
    "-age": "age",
    "-channels": "channels",
    "-contrast": "contrast",
    "-device": "device",
    "-disc-at": "disc_at",
    "-discfile": "discs",
    "-engine": "engine",
    "-exact": "exact=True",
    "-mask-label": "label",
    "-mask-volume": "volume",
    "-overwrite": "overwrite=True",
    "-sex": "sex",
    "-trust": "trust=True",
    "-uncertainty": "uncertainty=True",
    "-vertfile": "levels",
}
"""The argument of `segment`, `measure`, `load` or `Result.save` for each flag that the library's
sentences name."""

_QUOTED = re.compile(r"'-overwrite ([^']*)'")
_VALUE = re.compile(r"(?<![\w'-])-(device|engine) (\w+)")
_DISC = re.compile(r"(?<![\w'-])-disc-at (\d+),(\d+)")
_COMMAND = re.compile(r"('[^']*')")
_FLAG = re.compile(r"(?<![\w-])--?[a-z][\w-]*")


def reworded(sentence: str) -> str:
    """A sentence of the library with the names of arguments in place of flags.

    Commands in quotation marks, such as 'models fetch -m NAME', stay as they are.
    """
    sentence = _QUOTED.sub(r'overwrite="\1"', sentence)
    sentence = _DISC.sub(r"disc_at=(\1, \2)", sentence)
    sentence = _VALUE.sub(r'\1="\2"', sentence)
    parts = _COMMAND.split(sentence)
    return "".join(part if part.startswith("'") else _argument(part) for part in parts)


def in_python(sentences: Iterable[str]) -> tuple[str, ...]:
    """Several sentences, each `reworded`."""
    return tuple(map(reworded, sentences))


@contextmanager
def python_words() -> Iterator[None]:
    """Raise the library's errors of this block with the names of arguments in place of flags.

    Raises
    ------
    DeepsegError
        The same kind of error as the library's, from which it is raised.
    """
    try:
        yield
    except DeepsegError as error:
        told = reworded(str(error))
        if told == str(error):
            raise
        raise type(error)(told) from error


def _argument(text: str) -> str:
    return _FLAG.sub(lambda found: ARGUMENTS.get(found[0], found[0]), text)
