from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytest

from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.json_schema import as_json, from_json


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    size: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Outer:
    name: str
    kind: Literal["a", "b"] = "a"
    items: tuple[Inner, ...] = ()
    inner: Inner = Inner()
    table: Mapping[str, float] = field(default_factory=dict)
    flag: bool = False


FULL = Outer("x", "b", (Inner(1.0), Inner(2.0, (1, 2, 3))), Inner(3.0), {"k": 0.25}, True)


@pytest.mark.parametrize("value", [Outer("x"), FULL])
def test_what_is_written_is_read_back(value: Outer) -> None:
    assert from_json(Outer, as_json(value), "file") == value


def test_defaults_are_left_out() -> None:
    assert as_json(Outer("x", items=(Inner(),))) == {"name": "x", "items": [{}]}


def test_a_whole_number_serves_as_a_number() -> None:
    assert from_json(Inner, {"rate": 2}, "file").rate == 2.0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "file must be an object"),
        ({}, "'name' is missing"),
        ({"name": "x", "flagg": True}, "did you mean 'flag'"),
        ({"name": "x", "zzz": 1}, "known are name"),
        ({"name": 1}, "name must be text"),
        ({"name": "x", "kind": "c"}, "kind must be 'a' or 'b'"),
        ({"name": "x", "flag": 1}, "flag must be true or false"),
        ({"name": "x", "items": {}}, "items must be a list"),
        ({"name": "x", "items": [{"rate": "fast"}]}, r"items\[0\]: rate must be a number"),
        ({"name": "x", "inner": {"rate": True}}, "rate must be a number"),
        ({"name": "x", "inner": {"size": [1, 2]}}, "size must be a list of 3"),
        ({"name": "x", "inner": {"size": [1, 2, 2.5]}}, r"size\[2\] must be a whole number"),
        ({"name": "x", "table": [1]}, "table must be an object"),
        ({"name": "x", "table": {"k": None}}, "table.k must be a number"),
    ],
)
def test_what_is_wrong_is_named(content: object, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        from_json(Outer, content, "file")
