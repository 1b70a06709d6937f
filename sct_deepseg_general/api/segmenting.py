"""`segment`: the cord in an image, with its areas, in one call."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from numpy.typing import ArrayLike

from sct_deepseg_general.api.arguments import (
    Discs,
    ImageLike,
    image_argument,
    is_array,
    label_argument,
    level_map,
    level_request,
    named,
    points_argument,
)
from sct_deepseg_general.api.centiles import norm_argument, norm_sentences
from sct_deepseg_general.api.models import LoadedModel, load
from sct_deepseg_general.api.result import CordResult, Parts, SavePlace
from sct_deepseg_general.api.typed import typed
from sct_deepseg_general.api.words import python_words
from sct_deepseg_general.csa.measure import CsaRequest, Measured
from sct_deepseg_general.csa.selection import Selection
from sct_deepseg_general.errors import ArgumentError, ImageError
from sct_deepseg_general.files import clear_abandoned, sha256
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.inference.pipeline import Options
from sct_deepseg_general.inference.predictor import Predictor
from sct_deepseg_general.job.analysis import analysed
from sct_deepseg_general.job.inputs import result_reason
from sct_deepseg_general.job.labels import has_no_cord, label_paths, main_suffix, wanted_labels
from sct_deepseg_general.job.outputs import check_writable, outputs_for
from sct_deepseg_general.job.overwrite import Overwrite
from sct_deepseg_general.job.values import Done, Job, Request
from sct_deepseg_general.job.writing import write
from sct_deepseg_general.norms.assess import NormRequest

__all__ = ["segment"]


@dataclass(frozen=True, eq=False)
class _Companions:
    """What goes with an image, as it was given."""

    levels: Literal["auto"] | ImageLike | None
    discs: Discs | None
    disc_at: tuple[int, int] | None
    pmj: ImageLike | None


@typed(
    threshold="a number above 0, up to 1",
    age="a number of years",
    sex='"F" or "M"',
    contrast='"T1w" or "T2w"',
    model="a name, or the result of load",
)
def segment(  # noqa: PLR0913 - the keywords of the public function
    image: ImageLike,
    *,
    affine: ArrayLike | None = None,
    model: str | os.PathLike[str] | LoadedModel | None = None,
    device: str = "auto",
    engine: str = "auto",
    label: str | None = None,
    channels: Sequence[ImageLike] = (),
    threshold: float | None = None,
    largest: bool = True,
    fill_holes: bool = True,
    exact: bool = False,
    uncertainty: bool = False,
    levels: Literal["auto"] | ImageLike | None = None,
    discs: Discs | None = None,
    disc_at: tuple[int, int] | None = None,
    pmj: ImageLike | None = None,
    age: float | None = None,
    sex: str | None = None,
    contrast: str | None = None,
    offline: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> CordResult:
    """Segment the spinal cord in an MR image of any contrast, and measure its area.

    Nothing is written; `CordResult.save` writes the files that the command writes.

    Parameters
    ----------
    image : path, nibabel image, array or Volume
        The image, with axes (x, y, z) in any order; a 4D series is averaged.
    affine : array_like, optional
        Of an array: the (4, 4) matrix from voxel indices to mm (RAS+).
    model : str, path or LoadedModel, optional
        A model's name or folder, or the result of `load`; by default the embedded model.
    device : str
        "auto", "cpu", "cuda", "cuda:N" or "mps", where `model` is not loaded yet.
    engine : str
        "auto", "openvino", "torch" or "nnunet", where `model` is not loaded yet.
    label : str, optional
        The one label to segment of a model with several.
    channels : sequence of paths, images or arrays
        Further images of a model that takes several together.
    threshold : float, optional
        The probability, above 0 and up to 1, above which a voxel is cord; by default the model's.
    largest : bool
        Keep only the largest object.
    fill_holes : bool
        Fill holes in the cord.
    exact : bool
        Segment the whole image, without cropping around the cord.
    uncertainty : bool
        Also segment six altered copies of the image, for the quality check (7 times slower).
    levels : "auto", path, image or array, optional
        "auto" finds the vertebral levels in the image; or a map with the number of the level in
        each voxel.
    discs : path, image, array or dict, optional
        Single voxels with the number of the disc (3 is disc C2/C3), or the voxel of each disc by
        its number: {3: (26, 30, 41)}.
    disc_at : tuple of int, optional
        A known disc as slice and number, such as (41, 3), from which the others are found.
    pmj : path, image or array, optional
        One voxel at the pontomedullary junction.
    age, sex, contrast : float, str and str, optional
        The person's age in years and sex ("F" or "M"), for centiles among healthy people
        (`CordResult.centiles`), and the contrast of the image ("T1w" or "T2w"; by default the last
        word of the file's name). Levels are then found as with levels="auto".
    offline : bool
        Never use the network to fetch a model.
    progress : callable, optional
        Called with the number of patches done and of all patches.

    Returns
    -------
    CordResult
        The mask, the probability, the areas with their interval, the status and its reasons.

    Raises
    ------
    ImageError
        The image, or a file that goes with it, cannot be used.
    ModelError, BackendError
        The model is missing or damaged, or cannot be run.
    ArgumentError
        An argument has a value that it cannot have. It is a `ValueError` too.

    Examples
    --------
    >>> from sct_deepseg_general import segment
    >>> result = segment("neck.nii.gz", levels="auto")
    >>> result.status, result.mask.shape
    ('ok', (20, 70, 97))
    >>> round(result.mean_area(level=(2, 3)), 1)
    68.9
    """
    loaded = model if isinstance(model, LoadedModel) else load(
        model, device=device, engine=engine, offline=offline
    )  # fmt: skip
    with python_words():
        options = Options(
            None if threshold is None else float(threshold),
            bool(largest),
            bool(fill_holes),
            bool(exact),
            bool(uncertainty),
            label,
        )
        if label is not None:
            loaded.predictor.model.scheme.label(label)
        read = _read(image, affine)
        others = [
            image_argument(one, "channels", affine if is_array(one) else None) for one in channels
        ]
        norms = norm_argument(age, sex, contrast, named(image, ""))
        request = _request(read, options, _Companions(levels, discs, disc_at, pmj), norms)
        done = analysed(read, _job(image), loaded.predictor, request, progress, others)
        return _result(done, loaded.predictor, request)


def _read(image: ImageLike, affine: ArrayLike | None) -> Volume:
    reason = result_reason(Path(image)) if isinstance(image, (str, os.PathLike)) else ""
    if reason:
        raise ImageError(f"{named(image, 'image')} is not an image to segment: {reason}.")
    return image_argument(image, "image", affine)


def _request(
    image: Volume, options: Options, given: _Companions, norms: NormRequest | None
) -> Request:
    """What to measure: every slice, with what goes with the image."""
    wanted = level_request(given.levels, given.discs, given.disc_at, also=norms is not None)
    grid, discs, pmj = image.grid, given.discs, given.pmj
    measures = CsaRequest(
        selection=Selection(per_slice=True),
        level_map=level_map(given.levels, grid),
        discs=None if discs is None else points_argument(discs, "discs", grid),
        pmj=None if pmj is None else label_argument(pmj, "pmj", grid),
    )
    names = {"level_map": named(given.levels, "levels"), "discs": named(discs, "discs")}
    names["pmj"] = named(pmj, "pmj")
    return Request(options=options, measures=measures, levels=wanted, names=names, norms=norms)


def _job(image: ImageLike) -> Job:
    """The image and the names of its outputs; the file as it is now, for the sidecar."""
    if isinstance(image, (str, os.PathLike)):
        path = Path(image)
        return Job(path, outputs_for(path), sha256=sha256(path))
    path = Path("image.nii.gz")
    return Job(path, outputs_for(path), sha256="")


def _result(done: Done, predictor: Predictor, request: Request) -> CordResult:
    answer, result, image = done.levels, done.result, done.job.image

    def save(place: SavePlace, measured: Measured) -> dict[str, Path]:
        return _saved(replace(done, measured=measured), predictor, request, place)

    wanted = wanted_labels(predictor.model, request.options.label)
    return CordResult(
        Parts(
            name=image.name if done.job.sha256 else "image",
            mask=result.segmentation,
            measured=done.measured,
            request=done.measures,
            quality=done.quality,
            save=save,
            probability=result.probability,
            image=result.image,
            labels=tuple((one.name, result.mask(one)) for one in wanted) if result.labels else (),
            warnings=(
                *done.sentences,
                *(answer.warnings if answer else ()),
                *norm_sentences(done.norms),
            ),
            withheld=answer.withheld if answer else (),
            norms=done.norms,
        )
    )


def _saved(done: Done, predictor: Predictor, request: Request, place: SavePlace) -> dict[str, Path]:
    """Write the outputs into a folder, after the checks of the command."""
    model, label = predictor.model, request.options.label
    image = _named_image(place.name)
    outputs = outputs_for(image, place.folder, main_suffix(model, label))
    request = replace(request, soft=place.soft)
    done = replace(done, job=replace(done.job, outputs=outputs))
    words = ("",) if isinstance(place.overwrite, bool) else place.overwrite
    words = (words,) if isinstance(words, str) else tuple(words)
    overwrite = Overwrite.of_words(words if place.overwrite else ())
    files = _files(done, request, predictor)
    check_writable(tuple(files.values()), overwrite=overwrite.own)
    overwrite.check(outputs)
    clear_abandoned(place.folder)
    write(done, predictor, request)
    return files


def _named_image(name: str) -> Path:
    """The file name that outputs are named after.

    Raises
    ------
    ArgumentError
        The name is none, or has folders.
    """
    if not name or Path(name).name != name:
        raise ArgumentError(f"name={name!r} is no file name: give one without folders.")
    return Path(name if name.endswith((".nii", ".nii.gz")) else f"{name}.nii.gz")


def _files(done: Done, request: Request, predictor: Predictor) -> dict[str, Path]:
    """The files that are written, by what they are."""
    outputs, model, label = done.job.outputs, predictor.model, request.options.label
    files = {"mask": outputs.segmentation, "table": outputs.csa, "sidecar": outputs.sidecar}
    if request.soft:
        files["probability"] = outputs.soft
    files.update((f"labels {n}", path) for n, path in enumerate(label_paths(model, label, outputs)))
    files.update(("discs", path) for path in done.disc_file)
    if has_no_cord(model, label):
        del files["table"]
    return files
