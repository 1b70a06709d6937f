"""JSON read into frozen dataclasses and written from them; the type annotations are the schema.

Understood are nested dataclasses, `str`, `int`, `float`, `bool`, `Literal`, `X | None`,
`tuple[X, ...]`, `tuple[X, Y]` and `Mapping[str, X]`. A field with a default may be left out; a
field that the class does not have is an error.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from difflib import get_close_matches
from math import isfinite
from typing import Any, Literal, NoReturn, TypeVar

from sct_deepseg_general.errors import DatasetError

__all__ = ["as_json", "from_json"]

T = TypeVar("T")
_PLAIN = {str: "text", int: "a whole number", bool: "true or false"}


def from_json(kind: type[T], content: Any, where: str) -> T:
    """A value of dataclass `kind` from decoded JSON; `where` names the file in messages.

    Raises:
        DatasetError: a field is unknown, missing or of the wrong type; the message says which.
    """
    value: T = _record(kind, content, where)
    return value


def as_json(value: Any) -> Any:
    """A dataclass as JSON content, fields in order; those that equal their default left out."""
    if is_dataclass(value):
        named = ((field, getattr(value, field.name)) for field in fields(value))
        return {field.name: as_json(one) for field, one in named if one != _default(field)}
    if isinstance(value, Mapping):
        return {key: as_json(one) for key, one in value.items()}
    return [as_json(one) for one in value] if isinstance(value, (tuple, list)) else value


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _record(kind: type[Any], content: Any, where: str) -> Any:
    if not isinstance(content, Mapping):
        _wrong(where, "an object with named fields", content)
    hints = typing.get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}
    for name in content:
        if name not in known:
            _unknown(name, list(known), where)
    for name, field in known.items():
        if name not in content and _default(field) is MISSING:
            raise DatasetError(f"{where}: '{name}' is missing; add it.")
    return kind(
        **{name: _value(hints[name], content[name], f"{where}: {name}") for name in content}
    )


def _value(kind: Any, content: Any, where: str) -> Any:
    origin = typing.get_origin(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        return _record(kind, content, where)
    if origin in {typing.Union, types.UnionType}:
        return _optional(kind, content, where)
    if origin is Literal:
        return _choice(typing.get_args(kind), content, where)
    if origin is tuple:
        return _sequence(typing.get_args(kind), content, where)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(typing.get_args(kind)[1], content, where)
    return _number(content, where) if kind is float else _plain(kind, content, where)


def _optional(kind: Any, content: Any, where: str) -> Any:
    if content is None:
        return None
    (inner,) = (one for one in typing.get_args(kind) if one is not type(None))
    return _value(inner, content, where)


def _choice(allowed: tuple[Any, ...], content: Any, where: str) -> Any:
    if content not in allowed:
        _wrong(where, " or ".join(repr(one) for one in allowed), content)
    return content


def _sequence(kinds: tuple[Any, ...], content: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(content, (list, tuple)):
        _wrong(where, "a list", content)
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(content)
    if len(kinds) != len(content):
        _wrong(where, f"a list of {len(kinds)}", content)
    pairs = enumerate(zip(kinds, content, strict=True))
    return tuple(_value(kind, one, f"{where}[{i}]") for i, (kind, one) in pairs)


def _mapping(kind: Any, content: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        _wrong(where, "an object", content)
    return {str(key): _value(kind, one, f"{where}.{key}") for key, one in content.items()}


def _number(content: Any, where: str) -> float:
    if isinstance(content, bool) or not isinstance(content, (int, float)) or not isfinite(content):
        _wrong(where, "a number", content)
    return float(content)


def _plain(kind: Any, content: Any, where: str) -> Any:
    if type(content) is not kind:
        _wrong(where, _PLAIN[kind], content)
    return content


def _unknown(name: str, known: list[str], where: str) -> NoReturn:
    near = get_close_matches(str(name), known, 1)
    hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}."
    raise DatasetError(f"{where}: there is no field '{name}'; {hint}")


def _wrong(where: str, expected: str, found: Any) -> NoReturn:
    raise DatasetError(f"{where} must be {expected}, found {found!r:.60}.")
