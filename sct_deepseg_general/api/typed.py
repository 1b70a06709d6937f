"""Arguments of the public functions, checked against the types that their signatures name."""

from __future__ import annotations

import inspect
import os
import reprlib
from collections.abc import Callable, Sequence
from functools import wraps
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from sct_deepseg_general.errors import ArgumentError

__all__ = ["typed"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_WORDS: dict[Any, str] = {
    bool: "True or False",
    str: "a text",
    int: "a whole number",
    float: "a number",
    os.PathLike: "a path",
    Callable: "a function",
    Sequence: "a sequence",
    NoneType: "",
}
"""What a message calls the types that are checked; others are left to the function."""


def typed(**words: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Check the arguments whose types are simple, or have words, before the function is called.

    Parameters
    ----------
    words
        For the argument of this name: what to give, in place of the words for its type.

    Notes
    -----
    The types are read at the first call. Whether an argument is an image, or a mapping of discs, is
    checked where it is read.
    """

    def decorated(function: Callable[_P, _R]) -> Callable[_P, _R]:
        signature = inspect.signature(function)
        hints: dict[str, Any] = {}

        @wraps(function)
        def called(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            if not hints:
                hints.update(get_type_hints(function))
            given = signature.bind(*args, **kwargs).arguments
            for name, value in given.items():
                _check(name, value, hints.get(name, Any), words.get(name, ""))
            return function(*args, **kwargs)

        return called

    return decorated


def _check(name: str, value: object, hint: Any, words: str) -> None:
    """Check one argument.

    Raises
    ------
    ArgumentError
        Its value is of none of the types of `hint`, and there are words for what to give.
    """
    kinds = _kinds(hint)
    if (words or all(map(_is_simple, kinds))) and not any(_fits(value, kind) for kind in kinds):
        what = words or " or ".join(filter(None, map(_word, kinds)))
        raise ArgumentError(f"{name}={reprlib.repr(value)}: give {what}.")


def _kinds(hint: Any) -> tuple[Any, ...]:
    """The types of a hint, those of a union one by one, without their parameters."""
    if get_origin(hint) in (Union, UnionType):
        return tuple(kind for part in get_args(hint) for kind in _kinds(part))
    if get_origin(hint) is Literal:
        return (hint,)
    origin = get_origin(hint) or hint
    return (Callable if origin is get_origin(Callable[..., Any]) else origin,)


def _is_simple(kind: Any) -> bool:
    return kind in _WORDS or get_origin(kind) is Literal


def _word(kind: Any) -> str:
    if get_origin(kind) is Literal:
        *others, last = (f'"{one}"' for one in get_args(kind))
        return " or ".join(filter(None, [", ".join(others), last]))
    return _WORDS[kind]


def _fits(value: object, kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if kind is bool:
        return isinstance(value, (bool, np.bool_))
    if kind in (int, float):
        number = Integral if kind is int else Real
        return isinstance(value, number) and not isinstance(value, (bool, np.bool_))
    if kind is Callable:
        return callable(value)
    return isinstance(value, kind) and not (kind is Sequence and isinstance(value, str))
