"""Files that are no usable image, each with what must be said of it."""

from __future__ import annotations

import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

Maker = Callable[[Path], Path]
SHAPE = (8, 9, 7)


def noise(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(3).normal(100, 20, shape).astype(np.float32)


def _saved(folder: Path, data: np.ndarray, affine: np.ndarray | None = None) -> Path:
    path = folder / "bad.nii.gz"
    nib.save(nib.Nifti1Image(data, np.eye(4) if affine is None else affine), path)
    return path


def _patched(folder: Path, changes: dict[int, bytes], size: int | None = None) -> Path:
    """An uncompressed image whose bytes at some places are others, cut to `size` bytes."""
    path = folder / "bad.nii"
    nib.save(nib.Nifti1Image(noise(), np.eye(4)), path)
    content = bytearray(path.read_bytes())
    for place, new in changes.items():
        content[place : place + len(new)] = new
    path.write_bytes(bytes(content[:size]))
    return path


def _dims(*numbers: int) -> dict[int, bytes]:
    return {40: struct.pack("<8h", *numbers, *[1] * (8 - len(numbers)))}


def _written(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def _truncated_gzip(folder: Path) -> Path:
    path = _saved(folder, noise((20, 20, 20)))
    path.write_bytes(path.read_bytes()[:-4000])
    return path


def _corrupted_gzip(folder: Path) -> Path:
    path = _saved(folder, noise((20, 20, 20)))
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 200] = b"\x00" * 200
    path.write_bytes(bytes(content))
    return path


def _lying_gzip(folder: Path) -> Path:
    lie = _patched(folder, _dims(3, 1024, 1024, 1024), 1000)
    path = folder / "bad.nii.gz"
    path.write_bytes(gzip.compress(lie.read_bytes()))
    lie.unlink()
    return path


def _with_value(value: float) -> Maker:
    def make(folder: Path) -> Path:
        data = noise().astype(np.float64)
        data[1, 2, 3] = value
        return _saved(folder, data)

    return make


def _with_affine(affine: np.ndarray) -> Maker:
    """An sform written as it is, whatever nibabel thinks of it."""

    def make(folder: Path) -> Path:
        rows = struct.pack("<12f", *affine[:3].ravel())
        return _patched(folder, {252: struct.pack("<2h", 0, 2), 280: rows})

    return make


def _circle(folder: Path) -> Path:
    (folder / "bad.nii").symlink_to("bad.nii")
    return folder / "bad.nii"


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "bad.nii")
    return folder / "bad.nii"


def _colours(folder: Path) -> Path:
    colour = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    return _saved(folder, np.zeros(SHAPE, colour))


def _dicom(folder: Path) -> Path:
    return _written(folder, "bad.nii", bytes(128) + b"DICM" + bytes(600))


def _directory(folder: Path) -> Path:
    (folder / "bad.nii.gz").mkdir()
    return folder / "bad.nii.gz"


SHEAR = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
NAN_AFFINE = np.where(np.eye(4) > 0, np.nan, 0)

BAD: dict[str, tuple[Maker, str]] = {
    "missing": (lambda folder: folder / "none.nii.gz", "does not exist"),
    "in a missing folder": (lambda folder: folder / "none" / "x.nii.gz", "does not exist"),
    "a name too long": (lambda folder: folder / f"{'x' * 300}.nii", "too long"),
    "directory": (_directory, "not a file"),
    "link to itself": (_circle, "does not exist"),
    "pipe": (_pipe, "not a file"),
    "other name": (lambda f: _written(f, "bad.mgz", b"x" * 400), "must end in .nii"),
    "text": (lambda f: _written(f, "bad.nii", b"hello\n" * 200), "not a readable NIfTI"),
    "nothing": (lambda f: _written(f, "bad.nii", b""), r"empty \(0 bytes\)"),
    "nothing, zipped": (lambda f: _written(f, "bad.nii.gz", b""), r"empty \(0 bytes\)"),
    "not zipped": (lambda f: _written(f, "bad.nii.gz", b"x" * 999), "not a readable NIfTI"),
    "dicom": (_dicom, "not a readable NIfTI"),
    "half a header": (lambda f: _patched(f, {}, 200), "not a readable NIfTI"),
    "truncated": (lambda f: _patched(f, {}, 700), "incomplete"),
    "truncated gzip": (_truncated_gzip, "damaged or incomplete"),
    "corrupted gzip": (_corrupted_gzip, "damaged or incomplete"),
    "claims 4 GB": (lambda f: _patched(f, _dims(3, 1024, 1024, 1024), 1000), "incomplete"),
    "claims 4 GB, zipped": (_lying_gzip, "incomplete"),
    "claims 2^40": (lambda f: _patched(f, _dims(3, 32767, 32767, 1024), 1000), r"2\^31"),
    "negative axis": (lambda f: _patched(f, _dims(3, -8, 9, 7)), "empty|readable"),
    "no axis": (lambda f: _patched(f, _dims(0)), r"1 dimensions \(0,\)"),
    "1D": (lambda f: _saved(f, noise((9,))), "1 dimensions"),
    "2D": (lambda f: _saved(f, noise((9, 9))), "2 dimensions"),
    "5D": (lambda f: _saved(f, noise((5, 5, 5, 2, 2))), "5 dimensions"),
    "5D, one volume": (lambda f: _saved(f, noise((5, 5, 5, 1, 3))), "5 dimensions"),
    "line": (lambda f: _saved(f, noise((9, 1, 1))), "line of voxels"),
    "empty": (lambda f: _patched(f, _dims(3, 8, 0, 7)), "empty"),
    "constant": (lambda f: _saved(f, np.full(SHAPE, 7, np.int16)), "constant: every voxel is 7"),
    "zeros": (lambda f: _saved(f, np.zeros(SHAPE, np.uint8)), "constant"),
    "NaN": (lambda f: _saved(f, np.full(SHAPE, np.nan, np.float32)), "NaN or infinite"),
    "Inf": (_with_value(-np.inf), "1 NaN or infinite"),
    "huge": (_with_value(-1e300), "rescale"),
    "complex": (lambda f: _saved(f, noise().astype(np.complex64)), "complex"),
    "colours": (_colours, "colours"),
    "singular affine": (_with_affine(SHEAR), "singular"),
    "affine of zeros": (_with_affine(np.zeros((4, 4))), "voxels of 0 x 0 x 0 mm"),
    "NaN affine": (_with_affine(NAN_AFFINE), "NaN"),
    "huge voxels": (_with_affine(np.diag([900.0, 1, 1, 1])), "900 x 1 x 1 mm"),
    "far away": (_with_affine(np.eye(4) + 1e30 * np.eye(4, k=3)), "a kilometre"),
    "coarse voxels": (_with_affine(np.diag([1.0, 25, 30, 1])), "too coarse to show a cord"),
    "as long as a house": (
        lambda f: _saved(f, noise((20, 3, 3)), np.diag([199.0, 1, 1, 1])),
        r"covers 3.98 x 0.003 x 0.003 m",
    ),
    "voxels said to begin beyond the end": (
        lambda f: _patched(f, {108: struct.pack("<f", 1e30)}),
        "incomplete",
    ),
    "tiny voxels": (_with_affine(np.diag([1e-3, 1e-3, 1e-3, 1])), "0.001 x 0.001 x 0.001 mm"),
}
