"""The flags for a segmentation that the main command and `batch` share, and their values."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sct_deepseg_general.cli._click import PATH, OptionalValues, flag, option, printable
from sct_deepseg_general.cli.options.csa import MeasureOptions
from sct_deepseg_general.cli.options.norms import NormOptions
from sct_deepseg_general.errors import required

__all__ = [
    "SegmentOptions",
    "choosing_imported",
    "converted",
    "ending",
    "fetch_options",
    "overwriting",
    "segmenting",
    "verbosity",
]

if TYPE_CHECKING:
    from sct_deepseg_general.release.nnunet_results import ImportOptions
    from sct_deepseg_general.zoo.index import IndexEntry
    from sct_deepseg_general.zoo.install import FetchOptions
    from sct_deepseg_general.zoo.model import Model

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class SegmentOptions:
    """The values of all options of the main command."""

    images: tuple[Path, ...]
    series: int | None
    output: str | None
    model: str | None
    device: str
    engine: str
    threshold: float | None
    largest: bool
    fill_holes: bool
    exact: bool
    soft: bool
    uncertainty: bool
    task: str | None
    label: str | None
    channels: tuple[Path, ...]
    remove_small: str | None
    trust: bool
    precision: str
    csa: bool
    measures: MeasureOptions
    among: NormOptions
    plot: Path | None
    reports: tuple[Path, ...]
    earlier: Path | None
    dicom_seg: Path | None
    dicom_sr: Path | None
    keep_dates: bool
    qc: Path | None
    qc_dataset: str | None
    qc_subject: str | None
    overwrite: tuple[str, ...]
    strict: bool
    offline: bool
    install: bool
    as_json: bool
    verbose: int

    @property
    def place(self) -> Path | None:
        """The folder, or the file of the mask, that -o names; None without -o.

        A name without an ending is a folder if it ends in a slash, exists, or is for several
        images; otherwise it is the beginning of the files' names, as in SCT.
        """
        if self.output is None or self.output.endswith((".nii", ".nii.gz")):
            return None if self.output is None else Path(self.output)
        folder = self.output.endswith(("/", os.sep)) or len(self.images) > 1
        if folder or os.path.isdir(self.output):  # noqa: PTH112 - false for a circular link
            return Path(self.output)
        return Path(f"{self.output}.nii.gz")


class _Size(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic from 8.2
    """A size with its unit, such as 5vox or 10mm3."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if re.fullmatch(r"\d+(\.\d+)?(vox|mm3)", text) is None:
            self.fail(f"'{text}' is no size: write 5vox or 10mm3, one for all labels.", param, ctx)
        return text


class _Threshold(click.FloatRange):
    """A number above 0, up to 1."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if str(value).strip().strip("0.") == "":
            self.fail(
                "0 would make every voxel cord: give a number above 0, or add -soft to write the "
                "probability, as SCT does with -thr 0.",
                param,
                ctx,
            )
        return float(super().convert(value, param, ctx))


_SEGMENTING: tuple[Callable[[Any], Any], ...] = (
    option(
        "-m",
        to="model",
        help="Model: a name, name@version, folder, zip archive, or https address. See 'models "
        "list'.  [default: the embedded]",
    ),
    option("-device", default="auto", help="auto, cpu, cuda, cuda:N or mps."),
    option(
        "-engine",
        default="auto",
        type=click.Choice(["auto", "openvino", "torch", "nnunet"]),
        help="Inference engine; nnunet is nnU-Net's own predictor.",
    ),
    option(
        "-thr",
        to="threshold",
        type=_Threshold(0, 1, min_open=True),
        help="Threshold of the probability.  [default: the model's]",
    ),
    option("-largest", default=1, type=click.IntRange(0, 1), help="Keep only the largest object."),
    option("-fill-holes", default=1, type=click.IntRange(0, 1), help="Fill holes in the cord."),
    flag("-exact", help="Segment the whole image, without cropping around the cord. Slow."),
    flag("-soft", help="Also write the probability map."),
    flag(
        "-uncertainty",
        help="Also segment six altered copies, for the quality check (7 times slower).",
    ),
)
_ENDING: tuple[Callable[[Any], Any], ...] = (
    flag("-strict", help="End with exit code 1 if the quality check says fail."),
    flag("-offline", help="Never connect to the internet."),
)


_IMPORTED: tuple[Callable[[Any], Any], ...] = (
    option("-task", help="Model by SCT's name of the task, such as lesion_ms (instead of -m)."),
    option("-label", help="Only this label of a model with several.  [default: all]"),
    option(
        "-channels",
        multiple=True,
        type=PATH,
        help="Further images of a model that takes several together with -i.",
    ),
    option(
        "-remove-small",
        type=_Size(),
        help="Remove objects smaller than this, such as 5vox or 10mm3.",
    ),
    flag("-trust", help="Accept a model without published checksum; it is then recorded."),
    option(
        "-precision",
        default="f32",
        type=click.Choice(["f32", "bf16", "int8"]),
        help="Of an imported model on the CPU; bf16 needs a processor that computes in it, int8 "
        "'models quantise'.",
    ),
)


def choosing_imported(command: _F) -> _F:
    """The flags for models that were published elsewhere: task, label, channels, trust."""
    return _together(command, _IMPORTED)


def segmenting(command: _F) -> _F:
    """Add the flags for the mask: model, engine, threshold and cleaning."""
    return _together(command, _SEGMENTING)


def ending(command: _F) -> _F:
    """Add `-strict` and `-offline`."""
    return _together(command, _ENDING)


def verbosity(at_one: str, at_two: str) -> Callable[[_F], _F]:
    """Add `-v`; `at_one` and `at_two` say what its values 1 and 2 show."""
    return option(
        "-v",
        to="verbose",
        default=1,
        type=click.IntRange(0, 2),
        help=f"0: errors only, 1: {at_one}, 2: {at_two}.",
    )


def overwriting(text: str) -> Callable[[_F], _F]:
    """`-overwrite`, alone or with the names of masks, as `job.overwrite.Overwrite` reads it."""
    return option(
        "-overwrite",
        cls=OptionalValues,
        multiple=True,
        metavar="[MASK]",
        show_default=False,
        help=f"{text} A mask that was edited, or that another program made, is replaced only if "
        "its name follows.",
    )


def _together(command: _F, options: tuple[Callable[[Any], Any], ...]) -> _F:
    """The command with these options, which -h shows in this order."""
    decorated: Any = command
    for decorate in reversed(options):
        decorated = decorate(decorated)
    return decorated  # type: ignore[no-any-return]


@contextmanager
def fetch_options(*, trust: bool, offline: bool) -> Iterator[FetchOptions]:
    """How to fetch from a terminal; the progress bar appears with the first byte."""
    from sct_deepseg_general.zoo.install import FetchOptions
    from sct_deepseg_general.zoo.zoo import is_offline

    bars: list[click._termui_impl.ProgressBar[int]] = []

    def progress(done: int, size: int | None) -> None:
        if not bars:
            bars.append(click.progressbar(length=0, label="Downloading", file=sys.stderr))
        bar = bars[0]
        bar.length = size or max(done, bar.length or 0)
        bar.update(done - bar.pos)

    yield FetchOptions(
        offline=is_offline(flag=offline),
        trust=trust,
        converter=_converter,
        say=lambda sentence: print(printable(sentence), file=sys.stderr),
        progress=progress,
    )
    for bar in bars:
        bar.render_finish()


def converted(
    sources: Sequence[Path], folder: Path, entry: IndexEntry, options: ImportOptions
) -> Model:
    """Convert nnU-Net results with a progress bar, a step for each fold.

    Raises
    ------
    BackendError
        torch or nnU-Net is not installed.
    ModelError
        The results cannot be converted.
    """
    from dataclasses import replace

    with required("Converting nnU-Net results", "torch"):
        from sct_deepseg_general.release.nnunet_results import import_results
    with click.progressbar(length=1, label="Converting", file=sys.stderr) as bar:

        def progress(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        return import_results(sources, folder, entry, replace(options, progress=progress))


def _converter(sources: Sequence[Path], folder: Path, entry: IndexEntry) -> Model:
    with required("Converting nnU-Net results", "torch"):
        from sct_deepseg_general.release.nnunet_results import ImportOptions
    return converted(sources, folder, entry, ImportOptions())
