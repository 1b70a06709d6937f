"""NIfTI files as scanners, programs and strangers make them: one strategy a class of input.

`CLASSES` maps the name of a class to a strategy of `Input`: a file name and its bytes. Most are
half right: what the law says of them (a valid volume, or one error) is for the tests.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from hypothesis import strategies as st

Strategy = st.SearchStrategy
NUMBERS = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]
ODD = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    1e-30,
    1e30,
    -1e30,
    3e38,
    float("nan"),
    float("inf"),
    -float("inf"),
]
VERSIONS = {1: nib.Nifti1Image, 2: nib.Nifti2Image}
PLACES = {  # where NIfTI-1 and NIfTI-2 keep a field, and how one number is written
    "dim": ((40, "h"), (16, "q")),
    "datatype": ((70, "h"), (12, "h")),
    "bitpix": ((72, "h"), (14, "h")),
    "pixdim": ((76, "f"), (104, "d")),
    "vox_offset": ((108, "f"), (168, "q")),
    "slope": ((112, "f"), (176, "d")),
    "units": ((123, "B"), (500, "i")),
    "qform_code": ((252, "h"), (344, "i")),
    "sform_code": ((254, "h"), (348, "i")),
    "quatern": ((256, "f"), (352, "d")),
    "srow": ((280, "f"), (400, "d")),
    "extension": ((348, "B"), (540, "B")),
    "magic": ((344, "B"), (4, "B")),
}


@dataclass(frozen=True)
class Input:
    """A file to give to the program."""

    name: str
    content: bytes

    def __repr__(self) -> str:
        return f"Input({self.name!r}, {len(self.content)} bytes)"


def voxels(shape: tuple[int, ...], dtype: str = "i2", seed: int = 0) -> np.ndarray:
    """A bright rod in noise, along the longest axis."""
    rng = np.random.default_rng(seed)
    data = rng.integers(0, 60, shape).astype(np.float64)
    middle = tuple(slice(n // 3, max(n // 3 + 1, 2 * n // 3)) for n in shape[:2])
    data[middle] += 60
    return data.astype(dtype)


def made(
    data: np.ndarray, affine: Any = None, version: int = 1, order: str = "<", **changes: Any
) -> bytes:
    """The bytes of an image; `changes` overwrite fields of the header as they stand in `PLACES`."""
    kind = VERSIONS[version]
    header = kind.header_class(endianness=order)
    dtype = data.dtype
    header.set_data_dtype(dtype.newbyteorder(order) if dtype.names is None else dtype)
    content = bytearray(
        kind(data, np.diag([1, 1, 2, 1.0]) if affine is None else affine, header).to_bytes()
    )
    for field, (first, values) in changes.items():
        place, letter = PLACES[field][version - 1]
        size = struct.calcsize(letter)
        for number, value in enumerate(values):
            packed = _packed(order + letter, value)
            start = place + (first + number) * size
            content[start : start + size] = packed
    return bytes(content)


def _packed(kind: str, value: Any) -> bytes:
    """A number as the field can hold it: wrapped or rounded where it does not fit."""
    if kind[-1] in "fd":
        with np.errstate(over="ignore"):
            return np.array(value, kind[0] + ("f4" if kind[-1] == "f" else "f8")).tobytes()
    size = struct.calcsize(kind)
    number = int(value) if np.isfinite(value) else 0
    order = "little" if kind[0] == "<" else "big"
    return (number % (1 << (8 * size))).to_bytes(size, order)


shapes: Strategy = st.tuples(*[st.integers(2, 9)] * 3)
versions: Strategy = st.sampled_from([1, 2])
orders: Strategy = st.sampled_from("<>")
odd: Strategy = st.one_of(st.sampled_from(ODD), st.floats(width=32), st.integers(-9, 9))
whole: Strategy = st.one_of(
    st.sampled_from([0, 1, -1, 2, 3, 4, 7, 8, 255, 32767, -32768, 65535, 1 << 31, 1 << 40]),
    st.integers(-20, 300),
)


def named(content: bytes, zipped: bool = False) -> Input:
    return Input("in.nii.gz", gzip.compress(content, 1)) if zipped else Input("in.nii", content)


def image(**more: Strategy) -> Strategy:
    """An image of any size, order and version with fields changed by `more`."""

    def build(shape: Any, version: int, order: str, zipped: bool, **changes: Any) -> Input:
        return named(made(voxels(shape), None, version, order, **changes), zipped)

    return st.builds(
        build, shape=shapes, version=versions, order=orders, zipped=st.booleans(), **more
    )


def at(first: int | Strategy, values: Strategy, most: int = 1) -> Strategy:
    first = st.just(first) if isinstance(first, int) else first
    return st.tuples(first, st.lists(values, min_size=1, max_size=most))


@st.composite
def numbers(draw: Callable[..., Any]) -> Input:
    data = voxels(draw(shapes), draw(st.sampled_from(NUMBERS)))
    return named(made(data, None, draw(versions), draw(orders)), draw(st.booleans()))


@st.composite
def affines(draw: Callable[..., Any]) -> Input:
    """Any 3 x 4 matrix, sheared, flipped, singular or tiny, in the sform."""
    cells = st.one_of(st.floats(-3, 3), odd)
    rows = draw(st.lists(cells, min_size=12, max_size=12))
    changes = {"srow": (0, rows), "sform_code": (0, [draw(st.integers(0, 5))])}
    return named(made(voxels(draw(shapes)), None, draw(versions), draw(orders), **changes))


@st.composite
def forms(draw: Callable[..., Any]) -> Input:
    """qform only, sform only, neither, and both disagreeing; negative pixdim and qfac."""
    sizes = [draw(st.sampled_from([1.0, -1.0, 0.0])), *draw(st.tuples(*[st.floats(-4, 4)] * 3))]
    changes = {
        "qform_code": (0, [draw(st.integers(-1, 6))]),
        "sform_code": (0, [draw(st.integers(-1, 6))]),
        "quatern": (0, draw(st.lists(st.floats(-1.2, 1.2), min_size=6, max_size=6))),
        "pixdim": (0, sizes),
    }
    return named(made(voxels(draw(shapes)), None, draw(versions), draw(orders), **changes))


@st.composite
def voxel_sizes(draw: Callable[..., Any]) -> Input:
    """From 0.01 mm to a metre, as in micrometres or metres that were not said."""
    sizes = draw(st.tuples(*[st.sampled_from([1e-5, 0.01, 0.05, 0.3, 1, 6, 50, 250, 1000])] * 3))
    units = {"units": (0, [draw(st.integers(0, 63))])}
    return named(made(voxels(draw(shapes)), np.diag([*map(float, sizes), 1.0]), **units))


@st.composite
def series(draw: Callable[..., Any]) -> Input:
    more = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    return named(made(voxels((*draw(shapes), *more)), None, draw(versions)), draw(st.booleans()))


@st.composite
def colours(draw: Callable[..., Any]) -> Input:
    """RGB, RGBA and complex numbers."""
    kinds = [[("R", "u1"), ("G", "u1"), ("B", "u1")], "c8", "c16"]
    kinds += [[("R", "u1"), ("G", "u1"), ("B", "u1"), ("A", "u1")]]
    return named(made(np.zeros(draw(shapes), np.dtype(draw(st.sampled_from(kinds))))))


@st.composite
def contents(draw: Callable[..., Any]) -> Input:
    """NaN, infinity, constants and numbers near the end of their type."""
    data = voxels(draw(shapes), "f8")
    places = draw(st.lists(st.integers(0, data.size - 1), max_size=4))
    data.ravel()[places] = draw(odd)
    if draw(st.booleans()):
        data[...] = data.ravel()[0]
    with np.errstate(over="ignore"):
        return named(made(data.astype(draw(st.sampled_from(["f4", "f8"])))), draw(st.booleans()))


@st.composite
def thin(draw: Callable[..., Any]) -> Input:
    """Axes of one voxel, and 1,000 slices."""
    shape = draw(
        st.sampled_from(
            [(1, 1, 1), (1, 1, 9), (1, 9, 9), (9, 9, 1), (9, 1, 9), (2, 2, 1000), (1000, 2, 3)]
        )
    )
    sizes = draw(st.sampled_from([(1, 1, 1), (0.05, 0.05, 0.05), (1, 1, 0.05), (50, 50, 50)]))
    return named(made(voxels(shape), np.diag([*map(float, sizes), 1.0])), draw(st.booleans()))


@st.composite
def extensions(draw: Callable[..., Any]) -> Input:
    """An extension whose size or code lies, before the voxels or where they should be."""
    content = bytearray(made(voxels((4, 5, 6))))
    text = draw(st.binary(max_size=64))
    size = draw(st.sampled_from([len(text) + 8, 16, 0, 1, -16, 1 << 30, 2**31 - 1]))
    block = struct.pack("<ii", size, draw(st.sampled_from([0, 2, 4, 6, -1, 99]))) + text
    content[348:352] = b"\x01\0\0\0"
    if draw(st.booleans()):
        offset = 352 + len(block) + (-len(block)) % 16
        content[108:112] = struct.pack("<f", offset)
        content[352:352] = block.ljust(offset - 352, b"\0")
    else:
        content[352 : 352 + len(block)] = block
    return named(bytes(content), draw(st.booleans()))


@st.composite
def cut(draw: Callable[..., Any]) -> Input:
    """Truncated anywhere, plain or zipped."""
    one = named(made(voxels((6, 7, 8)), None, draw(versions)), draw(st.booleans()))
    return Input(one.name, one.content[: draw(st.integers(0, len(one.content) - 1))])


@st.composite
def corrupted_gzip(draw: Callable[..., Any]) -> Input:
    """Bytes of the zipped file changed; members repeated; something after the end."""
    content = bytearray(gzip.compress(made(voxels((6, 7, 8))), 6))
    for place, value in draw(
        st.dictionaries(st.integers(0, len(content) - 1), st.integers(0, 255), max_size=5)
    ).items():
        content[place] = value
    return Input("in.nii.gz", bytes(content) + draw(st.sampled_from([b"", b"x", bytes(content)])))


@st.composite
def any_header(draw: Callable[..., Any]) -> Input:
    """Bytes of the header changed anywhere."""
    content = bytearray(made(voxels(draw(shapes)), None, draw(versions), draw(orders)))
    changes = st.dictionaries(st.integers(0, 539), st.binary(min_size=1, max_size=4), max_size=8)
    for place, new in draw(changes).items():
        content[place : place + len(new)] = new
    return named(bytes(content), draw(st.booleans()))


@st.composite
def claims(draw: Callable[..., Any]) -> Input:
    """Gigabytes claimed by a file of a kilobyte."""
    sides = draw(st.lists(st.sampled_from([1, 64, 512, 1024, 4096, 32767]), min_size=3, max_size=6))
    version, zipped = draw(versions), draw(st.booleans())
    changes = {"dim": (0, [len(sides), *sides])}
    content = made(voxels((4, 4, 4)), None, version, **changes)[: draw(st.integers(540, 1000))]
    return named(content, zipped)


def strange(kind: Strategy) -> Strategy:
    """Contents that are no NIfTI under a name that says so."""
    names = st.sampled_from(["in.nii", "in.nii.gz", "in.img", "in.hdr", "in.dcm", "in", "in.mgz"])
    return st.builds(Input, names, kind)


DICOM = bytes(128) + b"DICM" + struct.pack("<HHHH", 2, 0, 0x4C55, 4) + bytes(600)

CLASSES: dict[str, Strategy] = {
    "number types, both byte orders": numbers(),
    "any header bytes": any_header(),
    "scl_slope and scl_inter": image(slope=at(0, odd, 2)),
    "qform, sform, pixdim": forms(),
    "affines, sheared and singular": affines(),
    "voxel sizes and units": voxel_sizes(),
    "pixdim": image(pixdim=at(st.integers(0, 5), odd, 4)),
    "dim lies": image(dim=at(st.integers(0, 7), whole, 4)),
    "datatype and bitpix lie": image(datatype=at(0, whole), bitpix=at(0, whole)),
    "vox_offset lies": image(vox_offset=at(0, st.one_of(odd, whole))),
    "magic lies": image(magic=at(0, st.integers(0, 255), 4)),
    "4D and more": series(),
    "colours and complex": colours(),
    "values": contents(),
    "one-voxel axes, 1000 slices": thin(),
    "extensions": extensions(),
    "truncated": cut(),
    "corrupted gzip": corrupted_gzip(),
    "gigabytes claimed": claims(),
    "text": strange(st.text(max_size=400).map(str.encode)),
    "DICOM": strange(st.integers(0, 700).map(lambda size: DICOM[:size])),
    "random bytes": strange(st.binary(max_size=700)),
}
