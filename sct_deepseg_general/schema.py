"""JSON records as frozen dataclasses: read, validated against the annotations, written back.

A dataclass is the schema of a record. Its annotations say which JSON types are valid; `Pattern`,
`Range`, `Length` and `Increasing` in an `Annotated` type narrow the values further. Supported are
`str`, `int`, `float`, `bool`, `Any`, `Literal`, unions, tuples, mappings with text keys, and other
dataclasses.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from difflib import get_close_matches
from math import inf, isfinite
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar

from sct_deepseg_general.errors import DatasetError, DeepsegError, SchemaError
from sct_deepseg_general.text_files import decoded_text

__all__ = [
    "LARGEST",
    "Increasing",
    "Length",
    "Pattern",
    "Range",
    "as_json",
    "from_json",
    "raising",
    "read_json",
    "read_record",
]

LARGEST = 16 << 20
"""Size in bytes of the largest JSON file that is read; records are a thousand times smaller."""

T = TypeVar("T")
_PLAIN = {str: "text", int: "a whole number", bool: "true or false"}


@dataclass(frozen=True)
class Pattern:
    """Text must match this regular expression as a whole."""

    regex: str
    meaning: str
    """What the text is, for messages: "a date, YYYY-MM-DD"."""

    def accepts(self, value: Any) -> bool:
        """Whether the text `value` matches."""
        return re.fullmatch(self.regex, value) is not None

    def __str__(self) -> str:
        return self.meaning


@dataclass(frozen=True)
class Range:
    """A number must lie in [least, most], or in (least, most] if `open_below`."""

    least: float = -inf
    most: float = inf
    open_below: bool = False

    def accepts(self, value: Any) -> bool:
        """Whether the number `value` lies in the range."""
        above = value > self.least if self.open_below else value >= self.least
        return bool(above and value <= self.most)

    def __str__(self) -> str:
        if self.most == inf:
            return f"{'above' if self.open_below else 'at least'} {self.least:g}"
        return f"{'above' if self.open_below else 'from'} {self.least:g} to {self.most:g}"


@dataclass(frozen=True)
class Length:
    """A list must have at least this many items."""

    least: int

    def accepts(self, value: Any) -> bool:
        """Whether the list `value` is long enough."""
        return len(value) >= self.least

    def __str__(self) -> str:
        return f"a list of at least {self.least}"


@dataclass(frozen=True)
class Increasing:
    """Numbers of a list must not decrease."""

    def accepts(self, value: Any) -> bool:
        """Whether no number of the list `value` is smaller than the one before it."""
        return list(value) == sorted(value)

    def __str__(self) -> str:
        return "numbers in increasing order"


def read_json(path: Path) -> Mapping[str, Any]:
    """Read the JSON object in a file.

    Parameters
    ----------
    path : Path
        A UTF-8 text file of at most `LARGEST` bytes.

    Returns
    -------
    Mapping[str, Any]
        The object as Python values. All numbers are finite.

    Raises
    ------
    SchemaError
        The file is missing, too large, not one JSON object, or gives a field twice.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise SchemaError(f"{path} is too large for a record: {path.stat().st_size} bytes.")
        text = decoded_text(path.read_bytes(), str(path))
        content = json.loads(text, object_pairs_hook=_distinct, parse_constant=_not_finite)
    except DatasetError as error:
        raise SchemaError(str(error)) from error
    except OSError as error:
        raise SchemaError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"{path} is not valid JSON: {error}.") from error
    if not isinstance(content, dict):
        raise SchemaError(f"{path} must hold one JSON object, found {content!r:.60}.")
    return content


def from_json(kind: type[T], content: Any, where: str) -> T:
    """Convert decoded JSON to a dataclass.

    Parameters
    ----------
    kind : type
        The dataclass that is the schema.
    content : Any
        The decoded JSON object.
    where : str
        The name of the file or object, for messages.

    Returns
    -------
    kind
        The record; lists have become tuples.

    Raises
    ------
    SchemaError
        A field is unknown, missing, of another type or out of range; the message names it.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Voxel:
    ...     size: tuple[float, float, float]
    ...     unit: str = "mm"
    >>> from_json(Voxel, {"size": [1, 1, 2.5]}, "voxel.json")
    Voxel(size=(1.0, 1.0, 2.5), unit='mm')
    """
    value: T = _record(kind, content, where)
    return value


def read_record(kind: type[T], path: Path) -> T:
    """Read a file that holds one record; `read_json` and `from_json` in one step."""
    return from_json(kind, read_json(path), str(path))


def as_json(value: Any) -> Any:
    """Convert a dataclass to JSON content, fields in order; fields at their default are omitted."""
    if is_dataclass(value):
        named = ((field, getattr(value, field.name)) for field in fields(value))
        return {field.name: as_json(one) for field, one in named if one != _default(field)}
    if isinstance(value, Mapping):
        return {key: as_json(one) for key, one in value.items()}
    return [as_json(one) for one in value] if isinstance(value, (tuple, list)) else value


@contextmanager
def raising(error: type[DeepsegError]) -> Iterator[None]:
    """Raise a `SchemaError` of the block as another error of the package, with the same text."""
    try:
        yield
    except SchemaError as problem:
        raise error(str(problem)) from problem


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a field is given twice")
    return content


def _not_finite(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number in JSON")


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _record(kind: type[Any], content: Any, where: str) -> Any:
    if not isinstance(content, Mapping):
        _wrong(where, "an object with named fields", content)
    hints = typing.get_type_hints(kind, include_extras=True)
    known = {field.name: field for field in fields(kind)}
    for name in content:
        if name not in known:
            _unknown(name, list(known), where)
    for name, field in known.items():
        if name not in content and _default(field) is MISSING:
            raise SchemaError(f"{where}: '{name}' is missing; add it.")
    return kind(
        **{name: _value(hints[name], content[name], f"{where}: {name}") for name in content}
    )


def _value(kind: Any, content: Any, where: str) -> Any:
    origin = typing.get_origin(kind)
    if kind is Any:
        return content
    if is_dataclass(kind) and isinstance(kind, type):
        return _record(kind, content, where)
    if origin is None:
        return _number(content, where) if kind is float else _plain(kind, content, where)
    return _composed(origin, kind, content, where)


def _composed(origin: Any, kind: Any, content: Any, where: str) -> Any:
    """The value of a kind with arguments, such as a list of numbers."""
    if origin is Annotated:
        return _narrowed(kind, content, where)
    arguments = typing.get_args(kind)
    if origin in {typing.Union, types.UnionType}:
        return _union(arguments, content, where)
    if origin is Literal:
        return _choice(arguments, content, where)
    if origin is tuple:
        return _sequence(arguments, content, where)
    return _mapping(arguments[1], content, where)


def _narrowed(kind: Any, content: Any, where: str) -> Any:
    inner, *limits = typing.get_args(kind)
    value = _value(inner, content, where)
    for limit in limits:
        if not limit.accepts(value):
            _wrong(where, str(limit), content)
    return value


def _union(kinds: tuple[Any, ...], content: Any, where: str) -> Any:
    """The value as the first kind that it fits; null fits `None` only."""
    if content is None and type(None) in kinds:
        return None
    given = [kind for kind in kinds if kind is not type(None)]
    for kind in given[:-1]:
        try:
            return _value(kind, content, where)
        except SchemaError:
            continue
    return _value(given[-1], content, where)


def _choice(allowed: tuple[Any, ...], content: Any, where: str) -> Any:
    if not any(type(content) is type(one) and content == one for one in allowed):
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
    raise SchemaError(f"{where}: there is no field '{name}'; {hint}")


def _wrong(where: str, expected: str, found: Any) -> NoReturn:
    raise SchemaError(f"{where} must be {expected}, found {found!r:.60}.")
