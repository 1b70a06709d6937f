"""The area table of SCT's own command, `sct_process_segmentation`.

SCT pins its own Python and numpy, so it is called and never imported.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from sct_deepseg_general.csa.aggregate import Table
from sct_deepseg_general.csa.measure import CsaRequest
from sct_deepseg_general.csa.table import read
from sct_deepseg_general.errors import BackendError
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Volume

__all__ = ["COMMAND", "command_path", "measured"]

COMMAND = "sct_process_segmentation"
LIMIT_S = 1800
_NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


def command_path(name: str) -> str | None:
    """Where one of SCT's commands is: on the PATH, or in $SCT_DIR/bin."""
    folder = os.environ.get("SCT_DIR")
    beside = shutil.which(name, path=str(Path(folder) / "bin")) if folder else None
    return shutil.which(name) or beside


def measured(segmentation: Volume, request: CsaRequest) -> Table:
    """The CSA table that SCT makes of a mask.

    Raises
    ------
    BackendError
        SCT is not installed, its command failed, or a soft area was requested.
    """
    if request.soft is not None:
        raise BackendError("SCT has no soft area: leave -soft out, or use -backend native.")
    command = _required(COMMAND)
    with tempfile.TemporaryDirectory(prefix="sct-") as name:
        folder = Path(name)
        mask, table = folder / "mask.nii.gz", folder / "csa.csv"
        nifti.save(segmentation, mask)
        arguments = ["-i", str(mask), "-o", str(table), "-v", "0"]
        arguments += [*_settings(request), *_regions(request), *_files(request, folder)]
        _run(command, arguments, folder)
        return read(table)


def _required(name: str) -> str:
    path = command_path(name)
    if path is None:
        raise BackendError(
            f"{name} was not found on the PATH or in $SCT_DIR/bin: install the Spinal Cord "
            "Toolbox, or use -backend native, which gives the same numbers."
        )
    return path


def _settings(request: CsaRequest) -> Iterator[str]:
    yield from ("-angle-corr", str(int(request.angle_correction)))
    yield from ("-centerline-algo", request.fit.algorithm)
    yield from ("-centerline-smooth", f"{request.fit.smooth:.0f}")
    if request.only_on_centreline:
        yield from ("-centerline-exclude-missing", "1")
    if request.to_pam50:
        yield from ("-normalize-PAM50", "1")
    if request.person is not None:
        yield from ("-normalize", "sex", f"{request.person.sex:g}")
        yield from ("brain-volume", repr(request.person.brain_volume))
        if request.person.thalamus_volume is not None:
            yield from ("thalamus-volume", repr(request.person.thalamus_volume))


def _regions(request: CsaRequest) -> Iterator[str]:
    selection = request.selection
    yield from ("-perslice", str(int(selection.per_slice or request.to_pam50)))
    yield from ("-perlevel", str(int(selection.per_level)))
    for name, numbers in (("-z", selection.slices), ("-vert", selection.levels)):
        if numbers:
            yield from (name, ",".join(str(number) for number in numbers))
    if request.pmj_distance is not None:
        yield from ("-pmj-distance", repr(request.pmj_distance))
        yield from ("-pmj-extent", repr(request.pmj_extent))


def _files(request: CsaRequest, folder: Path) -> Iterator[str]:
    for name, volume in (
        ("-vertfile", request.level_map),
        ("-discfile", request.discs),
        ("-pmj", request.pmj),
        ("-anat", request.image),
        ("-centerline", request.centreline),
    ):
        if volume is not None:
            path = folder / f"{name[1:]}.nii.gz"
            nifti.save(volume, path)
            yield from (name, str(path))


def _run(command: str, arguments: Sequence[str], folder: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in _NOT_INHERITED}
    name = Path(command).name
    try:
        done = subprocess.run(
            [command, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BackendError(f"{name} could not be run: {error}.") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise BackendError(f"{name} failed with exit code {done.returncode}: {said}")
