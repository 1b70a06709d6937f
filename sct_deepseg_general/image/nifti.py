"""NIfTI files: images are checked when they are read, and files are written whole."""

from __future__ import annotations

import gzip
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy, is_proxy
from nibabel.imageglobals import logger as nibabel_logger
from nibabel.spatialimages import HeaderDataError

from sct_deepseg_general.content import check_content
from sct_deepseg_general.errors import ImageError, OutputError
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.image.geometry import checked_affine
from sct_deepseg_general.image.kinds import binary_mask, check_is_probability
from sct_deepseg_general.image.nifti_checks import (
    averaged,
    check_extent,
    check_size,
    check_values,
    checked_shape,
    defined,
    one_volume,
)
from sct_deepseg_general.image.volume import Array, Grid, Probability, Segmentation, Volume

__all__ = [
    "image_of",
    "load",
    "load_map",
    "load_probability",
    "load_segmentation",
    "map_of",
    "nibabel_of",
    "probability_of",
    "save",
    "volume_of",
]

_MOST_BEHIND = 64 << 20  # bytes after the voxels, before it is taken for a bomb
_LEVEL = 4

_Reduction = Callable[[Array, tuple[int, ...], str], tuple[Array, int]]


def load(path: Path, *, nan_background: bool = True) -> Volume:
    """Read an image file; a 4D series is averaged over time.

    Parameters
    ----------
    path : Path
        A NIfTI file (.nii or .nii.gz) with three or four axes.
    nan_background : bool
        Take NaN for background. If false, as for labels, an image with NaN is refused.

    Returns
    -------
    Volume
        `data` (x, y, z) in the axis order and type of the file, `grid` with the affine to mm
        (RAS+), the file's `header`, `frames`, the number of volumes that were averaged, and
        `undefined`, the number of NaN, which become the lowest intensity.

    Raises
    ------
    ImageError
        The file is missing, not NIfTI, damaged, not 3D or 4D, empty or constant, holds infinite
        values, or has an affine that no scanner makes.

    Examples
    --------
    >>> volume = load(Path("t2.nii.gz"))
    >>> volume.data.ndim, volume.frames
    (3, 1)
    """
    path = Path(path)
    return image_of(_opened(path), str(path), nan_background=nan_background)


def image_of(image: Any, name: str = "the image", *, nan_background: bool = True) -> Volume:
    """A nibabel image as a `Volume` (x, y, z), with header, affine and intensities checked.

    NaN marks background in some images (UNIT1, images that were masked): with `nan_background` it
    becomes the lowest intensity, and `Volume.undefined` counts it.

    Raises
    ------
    ImageError
        As `load`.
    """
    volume = volume_of(image, name)
    data, undefined = defined(volume.data) if nan_background else (volume.data, 0)
    check_values(data, name)
    return replace(volume, data=data, undefined=undefined)


def load_segmentation(
    path: Path, threshold: float = 0.5, volume: int | None = None
) -> Segmentation:
    """A mask as 0/1, uint8 (x, y, z): cord where the file's value is above `threshold`, in the
    file's own unit (0 to 1 for a probability).

    Unlike an image it may be empty. `volume` chooses one of a 4D mask, from 0.

    Raises
    ------
    ImageError
        As `load_map` and `kinds.binary_mask`.
    """
    return binary_mask(load_map(path, volume), str(path), threshold)


def load_probability(path: Path, volume: int | None = None) -> Probability:
    """A soft mask (x, y, z) as float32 in [0, 1]; it may be empty, and NaN is background.

    Raises
    ------
    ImageError
        As `load_map`; or its values go beyond 0 to 1.
    """
    return probability_of(load_map(path, volume), str(path))


def probability_of(read: Volume, name: str) -> Probability:
    """The values of a map (x, y, z) as a probability, float32 in [0, 1]; NaN is background.

    Raises
    ------
    ImageError
        As `load_probability`.
    """
    check_is_probability(read, name)
    data = np.clip(np.nan_to_num(read.data.astype(np.float32)), 0, 1)
    return Probability(data, read.grid, read.header)


def load_map(path: Path, volume: int | None = None, choose: str = "-mask-volume") -> Volume:
    """A mask, a soft mask or a map (x, y, z) with the values it has; it may be empty.

    `volume` chooses one volume of a 4D file, from 0. A 4D file whose volumes are all alike needs
    no choice; the mean of masks that differ is no mask. `choose` is the flag that messages name,
    "" if there is none.

    Raises
    ------
    ImageError
        As `load`, but for the content; or the volumes differ and none is chosen, or there is no
        such volume.
    """
    return map_of(_opened(Path(path)), str(path), volume, choose)


def map_of(
    image: Any, name: str, volume: int | None = None, choose: str = "-mask-volume"
) -> Volume:
    """A nibabel image of a mask or a map as a `Volume` (x, y, z), as `load_map` reads a file.

    Raises
    ------
    ImageError
        As `load_map`.
    """

    def chosen(data: Array, shape: tuple[int, ...], name: str) -> tuple[Array, int]:
        return one_volume(data, shape, name, (volume, choose)), 1

    return _volume(image, name, chosen)


def volume_of(image: Any, name: str = "the image") -> Volume:
    """A nibabel image as a `Volume` (x, y, z), with its header and affine checked.

    Raises
    ------
    ImageError
        As `load`, except that the intensities are not checked.
    """
    return _volume(image, name, averaged)


def _volume(image: Any, name: str, reduced: _Reduction) -> Volume:
    """As `volume_of`; `reduced` makes three axes of four and counts the volumes averaged."""
    if image.header.get_data_dtype().names is not None or _is_complex(image):
        raise ImageError(f"{name} holds colours or complex numbers: give a magnitude image.")
    shape = checked_shape(tuple(int(n) for n in image.shape), name)
    affine = checked_affine(image, name)
    check_size(image, shape, name)
    check_extent(Grid((shape[0], shape[1], shape[2]), affine), name)
    data, frames = reduced(_read(image, name), shape, name)
    return Volume(data, Grid(data.shape, affine), _nifti1(image.header, name), frames)


def save(volume: Volume, path: Path, dtype: type | None = None) -> None:
    """Write a volume as a NIfTI file, with the geometry of its header to the byte.

    Parameters
    ----------
    volume : Volume
        `data` (x, y, z) on its grid. Shape, sform, qform, their codes, voxel sizes and units are
        those of `volume.header` if it has one; intensities, descriptions and extensions are not
        carried over.
    path : Path
        The file to write (.nii or .nii.gz). It appears whole or not at all.
    dtype : type, optional
        The type to store; by default uint8 for a segmentation and float32 for all else, without
        scaling.

    Returns
    -------
    None

    Raises
    ------
    OutputError
        The file cannot be written, or the header and the grid disagree about the place of the
        voxels.

    Examples
    --------
    >>> save(load_segmentation(Path("t2_seg.nii.gz")), Path("copy.nii.gz"))
    """
    image = nibabel_of(volume, dtype)
    _check_written(image, volume.grid, path)
    with write_whole(Path(path)) as temporary:
        if temporary.name.endswith(".gz"):
            # no name and no time in the gzip header: the same mask gives the same bytes
            with (
                temporary.open("wb") as raw,
                gzip.GzipFile("", "wb", compresslevel=_LEVEL, fileobj=raw, mtime=0) as stream,
            ):
                stream.write(image.to_bytes())
        else:
            temporary.write_bytes(image.to_bytes())


def nibabel_of(volume: Volume, dtype: type | None = None) -> nib.Nifti1Image:
    """A volume (x, y, z) as a nibabel image, with the geometry that `save` writes.

    `dtype` is the type of the voxels; by default uint8 for a segmentation, else float32.
    """
    kind = dtype or (np.uint8 if isinstance(volume, Segmentation) else np.float32)
    with _without_remarks():
        return nib.Nifti1Image(np.asarray(volume.data, kind), None, _header_for(volume, kind))


def _check_written(image: Any, grid: Grid, path: Path) -> None:
    """No file is written whose header would move the anatomy."""
    within = 1e-3 + 1e-6 * float(np.abs(grid.affine).max())  # single precision far from the origin
    affine = image.header.get_best_affine()
    if image.shape != grid.shape or not np.allclose(affine, grid.affine, 0, within):
        raise OutputError(f"Cannot write {path}: its header and its voxels lie apart.")


def _header_for(volume: Volume, kind: Any) -> nib.Nifti1Header:
    header = nib.Nifti1Header()
    header.set_data_dtype(kind)
    header.set_data_shape(volume.grid.shape)
    source = volume.header
    if source is None:
        header.set_zooms(volume.grid.spacing)
        header.set_xyzt_units("mm")
        header.set_sform(volume.grid.affine, 2)
        header.set_qform(volume.grid.affine, 0)
        return header
    geometry = ["qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x"]
    geometry += ["qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z", "xyzt_units"]
    for name in geometry:
        header[name] = source[name]
    header["pixdim"][:4] = source["pixdim"][:4]
    return header


def _opened(path: Path) -> Any:
    check_content(path)
    try:
        exists, is_file = path.exists(), path.is_file()
    except OSError as error:  # a name too long, a folder that may not be entered
        raise ImageError(f"{path} cannot be opened: {error.strerror}.") from error
    if not exists:
        raise ImageError(f"{path} does not exist: check the path.")
    if not is_file:
        raise ImageError(f"{path} is not a file: give a NIfTI image (.nii or .nii.gz).")
    if not path.name.endswith((".nii", ".nii.gz")):
        raise ImageError(f"{path} is not a NIfTI image: its name must end in .nii or .nii.gz.")
    try:
        with _without_remarks():
            image = nib.load(path)
    except PermissionError:
        raise ImageError(f"{path} may not be read: check its permissions.") from None
    except Exception as error:
        raise ImageError(f"{path} is not a readable NIfTI image ({_brief(error)}).") from error
    if not isinstance(image, nib.Nifti1Image):
        raise ImageError(f"{path} is not a NIfTI image but {type(image).__name__}: convert it.")
    return image


@contextmanager
def _without_remarks() -> Iterator[None]:
    """Keep nibabel and numpy from printing remarks about an odd header: the error names it."""
    before = nibabel_logger.disabled
    nibabel_logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        nibabel_logger.disabled = before


def _read(image: Any, name: str) -> Array:
    try:
        with _without_remarks():
            return _voxels(image)
    except (OSError, EOFError, ValueError, OverflowError, zlib.error) as error:
        raise ImageError(
            f"{name} is damaged or incomplete ({_brief(error)}): copy or export it again."
        ) from error
    except MemoryError as error:
        raise ImageError(f"{name} of shape {image.shape} does not fit into memory.") from error


def _voxels(image: Any) -> Array:
    path, proxy = image.get_filename(), image.dataobj
    if not str(path).endswith(".gz") or not is_proxy(proxy):
        return np.asanyarray(proxy)
    spec = (proxy.shape, proxy.dtype, proxy.offset, proxy.slope, proxy.inter)
    with gzip.open(path) as stream:
        data: Array = np.asanyarray(ArrayProxy(stream, spec))
        for _ in range(_MOST_BEHIND >> 20):
            if not stream.read(1 << 20):
                return data  # the checksum, which nibabel does not look at, stands at the end
    raise ValueError("it unpacks to far more than its header says")


def _nifti1(header: Any, name: str) -> nib.Nifti1Header:
    """The header as NIfTI-1, whose geometry fields NIfTI-2 has in double precision."""
    if type(header) is nib.Nifti1Header:
        return header.copy()
    try:
        with _without_remarks():
            return nib.Nifti1Header.from_header(header, check=False)
    except HeaderDataError as error:
        raise ImageError(
            f"{name} does not fit a NIfTI-1 file ({_brief(error)}): crop it."
        ) from error


def _is_complex(image: Any) -> bool:
    return bool(image.header.get_data_dtype().kind == "c")


def _brief(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text[:120] or type(error).__name__
