"""`measure`: the areas of any mask, in one call."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from sct_deepseg_general.api.arguments import (
    Discs,
    ImageLike,
    image_argument,
    label_argument,
    level_map,
    level_request,
    mask_argument,
    named,
    points_argument,
)
from sct_deepseg_general.api.centiles import norm_argument, norm_sentences
from sct_deepseg_general.api.result import CordResult, Parts, SavePlace
from sct_deepseg_general.api.typed import typed
from sct_deepseg_general.api.words import python_words
from sct_deepseg_general.csa.companions import centreline_aside, on_grid_of
from sct_deepseg_general.csa.measure import CsaRequest, Measured, measured
from sct_deepseg_general.csa.selection import Selection
from sct_deepseg_general.csa.table import write as write_csa
from sct_deepseg_general.errors import ArgumentError
from sct_deepseg_general.files import stem_of
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Segmentation, Volume
from sct_deepseg_general.job.levels import with_levels
from sct_deepseg_general.job.mask_table import MaskNorms, MaskStatus, status_path, write_status
from sct_deepseg_general.job.outputs import PRODUCER, check_writable
from sct_deepseg_general.levels.answer import Given, LevelAnswer, LevelRequest, answered
from sct_deepseg_general.levels.responses import embedded_network
from sct_deepseg_general.norms.assess import NormRequest
from sct_deepseg_general.norms.made_by import model_of_mask
from sct_deepseg_general.quality.assess import assess_mask

__all__ = ["measure"]


@typed(
    label="a whole number",
    volume="a whole number from 0",
    age="a number of years",
    sex='"F" or "M"',
    contrast='"T1w" or "T2w"',
)
def measure(  # noqa: PLR0913 - the keywords of the public function
    mask: ImageLike,
    *,
    affine: ArrayLike | None = None,
    label: int | None = None,
    volume: int | None = None,
    image: ImageLike | None = None,
    probability: ImageLike | None = None,
    levels: Literal["auto"] | ImageLike | None = None,
    discs: Discs | None = None,
    disc_at: tuple[int, int] | None = None,
    pmj: ImageLike | None = None,
    centreline: ImageLike | None = None,
    angle_correction: bool = True,
    age: float | None = None,
    sex: str | None = None,
    contrast: str | None = None,
    model: str | None = None,
) -> CordResult:
    """Measure the area and shape of the cord in a mask of any origin.

    Parameters
    ----------
    mask : path, nibabel image, array or Volume
        A mask or soft mask, with axes (x, y, z) in any order.
    affine : array_like, optional
        Of an array: the (4, 4) matrix from voxel indices to mm (RAS+).
    label : int, optional
        The label of the cord in a map of labels.
    volume : int, optional
        The number of the volume of a 4D mask, from 0.
    image : path, image or array, optional
        The image of the mask: adds the quarters and the symmetry of each slice, and levels can be
        found in it. An array is on the grid of the mask.
    probability : path, image or array, optional
        The probability of cord: adds the area by fractions of voxels ("area_soft").
    levels, discs, disc_at, pmj
        As for `segment`; "auto" and `disc_at` need `image`.
    centreline : path, image or array, optional
        A mask whose centreline gives the angles in place of the mask's own.
    angle_correction : bool
        Measure perpendicular to the centreline rather than in the slice.
    age, sex, contrast : float, str and str, optional
        As for `segment`: adds centiles, which need the levels, and the model that made the mask.
    model : str, optional
        That model's name; by default the one that the JSON file beside the mask names.

    Returns
    -------
    CordResult
        The areas, the status of the mask and its reasons. The interval is None: it is known for
        masks of `segment` only.

    Raises
    ------
    ImageError
        The mask, or a file that goes with it, cannot be used.
    ArgumentError
        An argument has a value that it cannot have. It is a `ValueError` too.
    NormsError
        It is not known which model made the mask.

    Examples
    --------
    >>> from sct_deepseg_general import measure
    >>> result = measure("t2_seg.nii.gz")
    >>> result.status, round(result.mean_area(), 1), len(result.table())
    ('ok', 75.7, 55)
    """
    with python_words():
        read = mask_argument(mask, "mask", affine, label, volume)
        grid = read.grid
        soft = _optional(probability, "probability", read)
        given = CsaRequest(
            selection=Selection(per_slice=True),
            angle_correction=angle_correction,
            level_map=level_map(levels, grid),
            discs=None if discs is None else points_argument(discs, "discs", grid),
            pmj=None if pmj is None else label_argument(pmj, "pmj", grid),
            image=_optional(image, "image", read),
            centreline=_optional(centreline, "centreline", read),
            soft=None if soft is None else nifti.probability_of(soft, "probability"),
        )
        names = {"level_map": levels, "discs": discs, "pmj": pmj, "image": image}
        names |= {"centreline": centreline, "soft": probability}
        called = {
            field: named(value, _ARGUMENT.get(field, field)) for field, value in names.items()
        }
        name = named(mask, "mask")
        request, sentences = on_grid_of(read, given, name, called)
        if request.centreline is not None:
            aside = centreline_aside(request.centreline, read, called["centreline"])
            sentences = (*sentences, *filter(None, [aside]))
        norms = _norms(norm_argument(age, sex, contrast, Path(name).name), mask, model)
        wanted = level_request(levels, discs, disc_at, also=norms is not None)
        return _result(Path(name).name, read, request, wanted, sentences, norms)


def _norms(asked: NormRequest | None, mask: ImageLike, model: str | None) -> MaskNorms | None:
    if asked is None:
        if model is not None:
            raise ArgumentError("model is for centiles: give age and sex too.")
        return None
    if model is None:
        if not isinstance(mask, (str, os.PathLike)):
            raise ArgumentError("Centiles need to know the model that made the mask: give model.")
        model = model_of_mask(Path(mask))
    return MaskNorms.of_model(asked, model)


_ARGUMENT = {"level_map": "levels", "soft": "probability"}


def _optional(value: ImageLike | None, argument: str, mask: Volume) -> Volume | None:
    """An image that goes with the mask; an array is on the mask's grid."""
    if value is None:
        return None
    affine = mask.grid.affine if isinstance(value, np.ndarray) else None
    if argument == "image":
        return image_argument(value, argument, affine)
    return mask_argument(value, argument, affine)


def _result(
    name: str,
    mask: Volume,
    request: CsaRequest,
    wanted: LevelRequest | None,
    sentences: tuple[str, ...],
    norms: MaskNorms | None,
) -> CordResult:
    answer = _answer(mask, request, wanted)
    cord = Segmentation((mask.data > 0).astype(np.uint8), mask.grid)
    request = with_levels(cord, request, answer)
    found = measured(mask, request)
    quality = assess_mask(mask, found.morphometrics, request.image)
    placed = None if norms is None else norms.assessed(found)

    def save(place: SavePlace, rows: Measured) -> dict[str, Path]:
        return _saved(place, rows, MaskStatus(quality.status, quality.reasons), name)

    return CordResult(
        Parts(
            name=name,
            mask=mask,
            measured=found,
            request=request,
            quality=quality,
            save=save,
            probability=request.soft,
            image=request.image,
            warnings=(
                *sentences,
                *(answer.warnings if answer else ()),
                *norm_sentences(placed),
            ),
            withheld=answer.withheld if answer else (),
            norms=placed,
        )
    )


def _answer(mask: Volume, request: CsaRequest, wanted: LevelRequest | None) -> LevelAnswer | None:
    """The levels found in the image, or the user's, checked and completed there."""
    if wanted is None:
        return None
    if request.image is None:
        if request.discs is None and request.level_map is None:
            raise ArgumentError("levels are found in an image: give image, discs or a map.")
        return None
    given = Given(request.discs, request.level_map, wanted.anchor)
    return answered(request.image, mask, embedded_network(), given)


def _saved(place: SavePlace, rows: Measured, status: MaskStatus, name: str) -> dict[str, Path]:
    """Write the table of areas and the status of the mask, as `csa` does."""
    if place.soft:
        raise ArgumentError("soft=True is for results of segment: measure writes no images.")
    path = place.folder / f"{stem_of(Path(place.name))}_csa.csv"
    files = {"table": path, "status": status_path(path)}
    check_writable(tuple(files.values()), overwrite=bool(place.overwrite))
    write_csa(
        path, rows.table, name, PRODUCER,
        status=status.status, reasons=status.reasons,
    )  # fmt: skip
    write_status(files["status"], Path(name), rows.table, status)
    return files
