"""A DICOM series as NIfTI, through dcm2niix."""

from __future__ import annotations

import gzip
import subprocess
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from sct_deepseg_general.dicom.series import Series
from sct_deepseg_general.errors import BackendError, ImageError
from sct_deepseg_general.files import write_whole

__all__ = ["converted"]

_LONGEST = 600
"""Seconds after which a conversion is given up."""
_TEXTS = ((4, 32), (148, 252), (328, 344))
"""Bytes of data_type and db_name, of descrip and aux_file, and of intent_name in the header."""


def converted(series: Series, path: Path) -> Path:
    """The series as one NIfTI file.

    Parameters
    ----------
    series
        Images of one series.
    path
        The file to write (.nii.gz). Its header holds no name and no date.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    BackendError
        dcm2niix is not installed or failed.
    ImageError
        The series makes no image, or several.
    OutputError
        The file cannot be written.
    """
    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch) / "dicom", Path(scratch) / "nifti"
        source.mkdir()
        target.mkdir()
        for index, file in enumerate(series.files):
            (source / f"{index:06d}.dcm").symlink_to(file.resolve())
        _run(source, target)
        made = sorted(target.glob("*.nii.gz"))
        if len(made) != 1:
            raise ImageError(
                f"Series {series.number} ({series.description}) makes {len(made)} images instead "
                "of one: convert it with dcm2niix and give the one that is wanted."
            )
        with write_whole(path) as temporary:
            temporary.write_bytes(_without_words(made[0].read_bytes()))
    return path


def _without_words(packed: bytes) -> bytes:
    """A NIfTI-1 file (gzip) without its texts, in which dcm2niix keeps the time of the scan."""
    raw = bytearray(gzip.decompress(packed))
    for start, stop in _TEXTS:
        raw[start:stop] = bytes(stop - start)
    return gzip.compress(bytes(raw), mtime=0)


def _run(source: Path, target: Path) -> None:
    command = [_program(), "-z", "y", "-b", "n", "-f", "image", "-o", str(target), str(source)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_LONGEST, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BackendError(f"dcm2niix could not be run: {error}.") from error
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise BackendError(f"dcm2niix failed: {words[-1] if words else 'no message'}.")


def _program() -> str:
    """The program of the Python package, or the one on the path."""
    if find_spec("dcm2niix") is not None:
        return str(import_module("dcm2niix").bin)
    found = which("dcm2niix")
    if found is None:
        raise BackendError(
            "Reading DICOM needs dcm2niix: pip install 'sct-deepseg-general[dicom]'."
        )
    return found
