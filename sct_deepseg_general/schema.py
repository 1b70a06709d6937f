"""Reading a JSON record field by field, with a sentence for whatever is wrong in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

from sct_deepseg_general.errors import ModelError

__all__ = ["LARGEST", "Fields", "read_json"]

LARGEST = 16 << 20
"""Bytes of the largest JSON file read: plans and recipes are a thousand times smaller."""


def read_json(path: Path) -> Mapping[str, Any]:
    """The JSON object in a file; numbers must be finite and no field may be given twice.

    Raises:
        ModelError: the file is missing, larger than `LARGEST`, or not one JSON object.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise ModelError(f"{path} is too large for a record: {path.stat().st_size} bytes.")
        text = path.read_text(encoding="utf-8")
        content = json.loads(text, object_pairs_hook=_distinct, parse_constant=_not_finite)
    except OSError as error:
        raise ModelError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not valid JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} must hold one JSON object, found {_kind(content)}.")
    return content


class Fields:
    """A JSON object whose fields are taken one by one; what is left at the end is an error.

    Each method takes a field by name and gives its value, typed.

    Raises:
        ModelError: a field is missing, of another type, out of range or unknown.
    """

    def __init__(self, content: Any, where: str) -> None:
        self._where = where
        if not isinstance(content, dict):
            raise ModelError(f"{where} must be a JSON object, found {_kind(content)}.")
        self._left = dict(content)

    def text(self, name: str, pattern: str = r"(?s).*") -> str:
        value = self.any(name)
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            self._wrong(name, "text" + (f" like {pattern}" if "(?s)" not in pattern else ""), value)
        return value

    def text_or_none(self, name: str, pattern: str = r"(?s).*") -> str | None:
        return None if self._null(name) else self.text(name, pattern)

    def choice(self, name: str, *allowed: Any) -> Any:
        value = self.any(name)
        if value not in allowed or type(value) not in {type(one) for one in allowed}:
            self._wrong(name, " or ".join(repr(one) for one in allowed), value)
        return value

    def flag(self, name: str) -> bool:
        return bool(self.choice(name, True, False))

    def whole(self, name: str, least: int = 0) -> int:
        value = self.any(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            self._wrong(name, f"a whole number of at least {least}", value)
        return value

    def whole_or_none(self, name: str, least: int = 0) -> int | None:
        return None if self._null(name) else self.whole(name, least)

    def number(self, name: str, least: float = 0.0, most: float = float("inf")) -> float:
        value = self.any(name)
        if not _is_number(value) or not least <= value <= most:
            self._wrong(name, f"a number from {least} to {most}", value)
        return float(value)

    def range(self, name: str) -> tuple[float, float]:
        """The least and the largest value of something."""
        value = self.any(name)
        if not _is_list(value, 2) or not all(map(_is_number, value)) or value[0] > value[1]:
            self._wrong(name, "two numbers, the smaller first", value)
        return (float(value[0]), float(value[1]))

    def spacing(self, name: str) -> tuple[float, float, float]:
        """Three positive lengths in millimetres."""
        value = self.any(name)
        if not _is_list(value, 3) or not all(_is_number(v) and 0 < v < 1e3 for v in value):
            self._wrong(name, "three lengths in mm above 0", value)
        return (float(value[0]), float(value[1]), float(value[2]))

    def spacing_or_none(self, name: str) -> tuple[float, float, float] | None:
        return None if self._null(name) else self.spacing(name)

    def shape(self, name: str) -> tuple[int, int, int]:
        """Three counts of voxels, 1 to 4096."""
        value = self.any(name)
        if not _is_list(value, 3) or not all(type(v) is int and 1 <= v <= 4096 for v in value):
            self._wrong(name, "three whole numbers of voxels", value)
        return (value[0], value[1], value[2])

    def texts(self, name: str, pattern: str = r"(?s).+") -> tuple[str, ...]:
        value = self.any(name)
        if not isinstance(value, list) or not all(
            isinstance(one, str) and re.fullmatch(pattern, one) for one in value
        ):
            self._wrong(name, "a list of texts", value)
        return tuple(value)

    def labels(self, name: str) -> tuple[tuple[str, int], ...]:
        """Names of the labels with their values: background 0, the others 1, 2, 3..."""
        value = self.any(name)
        if not isinstance(value, dict) or sorted(map(repr, value.values())) != sorted(
            map(repr, range(len(value)))
        ):
            self._wrong(name, 'labels numbered from 0, such as {"background": 0, "sc": 1}', value)
        labels = tuple(sorted(value.items(), key=lambda item: item[1]))
        if len(labels) < 2 or labels[0][0] != "background":
            self._wrong(name, "background 0 and at least one more label", value)
        return labels

    def object(self, name: str) -> Fields:
        return Fields(self.any(name), f"{name} in {self._where}")

    def object_or_none(self, name: str) -> Fields | None:
        return None if self._null(name) else self.object(name)

    def objects(self, name: str) -> tuple[Fields, ...]:
        value = self.any(name)
        if not isinstance(value, list):
            self._wrong(name, "a list of objects", value)
        return tuple(
            Fields(one, f"{name}[{number}] in {self._where}") for number, one in enumerate(value)
        )

    def names(self) -> tuple[str, ...]:
        """The fields not yet taken."""
        return tuple(self._left)

    def any(self, name: str) -> Any:
        if name not in self._left:
            raise ModelError(f"{self._where} lacks the field '{name}'.")
        return self._left.pop(name)

    def done(self) -> None:
        if self._left:
            raise ModelError(
                f"{self._where} has the unknown field '{next(iter(self._left))}': "
                "it may come from a newer version of this program."
            )

    def _null(self, name: str) -> bool:
        """Whether the field is there and null, which takes it."""
        return self._left.get(name, 0) is None and self.any(name) is None

    def _wrong(self, name: str, wanted: str, found: Any) -> NoReturn:
        raise ModelError(f"'{name}' in {self._where} must be {wanted}, found {found!r:.80}.")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a field is given twice")
    return content


def _not_finite(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number JSON knows")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def _is_list(value: Any, length: int) -> bool:
    return isinstance(value, list) and len(value) == length


def _kind(value: Any) -> str:
    return {list: "a list", str: "text", type(None): "null"}.get(type(value), "a number")
