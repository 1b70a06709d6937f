"""The main command: images to segmentations, CSA and QC."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sct_deepseg_general.cli import SUBCOMMANDS
from sct_deepseg_general.cli._click import (
    PROGRAM,
    SctCommand,
    flag,
    option,
    print_version,
)
from sct_deepseg_general.errors import DeepsegError
from sct_deepseg_general.outputs import (
    Outputs,
    Provenance,
    check_writable,
    outputs_for,
    write_sidecar,
)

if TYPE_CHECKING:
    from sct_deepseg_general.network import Predictor
    from sct_deepseg_general.pipeline import Options, Result

__all__ = ["command"]

_EPILOG = f"""\
Examples:
  {PROGRAM} -i t2.nii.gz
  {PROGRAM} -i t2.nii.gz -o results/ -soft -qc qc
  {PROGRAM} -i sub-*/anat/*_T2w.nii.gz -qc qc

Subcommands ({PROGRAM} NAME -h):
""" + "".join(f"  {name:<9} {text}\n" for name, text in SUBCOMMANDS.items())


@dataclass(frozen=True)
class Run:
    """What the user asked for, for every image of the call."""

    options: Options
    soft: bool
    csa: bool
    qc: Path | None
    qc_dataset: str | None
    qc_subject: str | None
    overwrite: bool
    verbose: int


@click.command(cls=SctCommand, epilog=_EPILOG)
@option(
    "-i",
    to="images",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    show_default=False,
    help="Image or images (.nii, .nii.gz), any contrast. 4D is averaged.",
)
@option(
    "-o",
    to="output",
    type=click.Path(path_type=Path),
    help="File (.nii.gz, one image) or folder to write to.  [default: beside the image]",
)
@option(
    "-m",
    to="model",
    default="sc-general",
    help="Model: a name, name@version, or a folder. See 'models list'.",
)
@option("-device", default="auto", help="auto, cpu, cuda, cuda:N or mps.")
@option(
    "-engine",
    default="auto",
    type=click.Choice(["auto", "openvino", "torch", "nnunet"]),
    help="What runs the network; nnunet is nnU-Net's own predictor.",
)
@option(
    "-thr",
    to="threshold",
    type=click.FloatRange(0, 1),
    help="Probability from which a voxel is cord.  [default: the model's]",
)
@option("-largest", default=1, type=click.IntRange(0, 1), help="Keep only the largest object.")
@option("-fill-holes", default=1, type=click.IntRange(0, 1), help="Fill holes in the cord.")
@flag("-soft", help="Also write the probability map (_softseg).")
@option(
    "-csa",
    default=1,
    type=click.IntRange(0, 1),
    help="Write the cross-sectional area per slice (_seg_csa.csv).",
)
@option("-qc", type=click.Path(path_type=Path), help="Folder of the QC page to add to.")
@option("-qc-dataset", help="Dataset name on the QC page.")
@option("-qc-subject", help="Subject name on the QC page.")
@flag("-exact", help="Look closely at the whole image: no crop, no tile left out. Slow.")
@flag("-overwrite", help="Replace existing outputs.")
@flag("-offline", help="Never use the network.")
@option(
    "-v",
    to="verbose",
    default=1,
    type=click.IntRange(0, 2),
    help="0: errors only, 1: a few lines, 2: details.",
)
@flag(
    "-version", is_eager=True, expose_value=False, callback=print_version, help="Show the version."
)
def command(images: tuple[Path, ...], output: Path | None, model: str, **rest: Any) -> int:
    """Segment the spinal cord in MR images of any contrast, and measure its area.

    Writes T2_seg.nii.gz, T2_seg.json and T2_seg_csa.csv beside T2.nii.gz.
    """
    run = _asked(rest)
    targets = _targets(images, output, run)
    from sct_deepseg_general.network import load_predictor
    from sct_deepseg_general.zoo import resolve

    predictor = load_predictor(
        resolve(model, offline=rest["offline"]), rest["engine"], rest["device"]
    )
    if len(images) == 1:
        _one(images[0], targets[0], predictor, run)
        return 0
    return _several(images, targets, predictor, run)


def _asked(rest: dict[str, Any]) -> Run:
    from sct_deepseg_general.pipeline import Options

    options = Options(
        rest["threshold"], bool(rest["largest"]), bool(rest["fill_holes"]), rest["exact"]
    )
    names = ("qc", "qc_dataset", "qc_subject", "overwrite", "verbose", "soft")
    return Run(options, csa=bool(rest["csa"]), **{name: rest[name] for name in names})


def _targets(images: tuple[Path, ...], output: Path | None, run: Run) -> list[Outputs]:
    if output is not None and len(images) > 1 and output.name.endswith((".nii", ".nii.gz")):
        raise click.UsageError("-o names one file for several images: give a folder.")
    targets = [outputs_for(image, output) for image in images]
    _refuse_duplicates(targets)
    for target in targets:
        wanted = [target.segmentation, target.sidecar]
        wanted += [target.csa] if run.csa else []
        wanted += [target.soft] if run.soft else []
        check_writable(tuple(wanted), overwrite=run.overwrite)
    return targets


def _refuse_duplicates(targets: list[Outputs]) -> None:
    seen: set[Path] = set()
    for target in targets:
        if target.segmentation in seen:
            raise click.UsageError(f"Two images would both be written to {target.segmentation}.")
        seen.add(target.segmentation)


def _several(
    images: tuple[Path, ...], targets: list[Outputs], predictor: Predictor, run: Run
) -> int:
    failed = []
    for image, target in zip(images, targets, strict=True):
        try:
            _one(image, target, predictor, run)
        except DeepsegError as error:
            failed.append(image)
            print(f"Error: {error}", file=sys.stderr)
    if failed:
        names = ", ".join(str(path) for path in failed)
        print(f"{len(failed)} of {len(images)} images failed: {names}", file=sys.stderr)
    return 1 if failed else 0


def _one(image: Path, target: Outputs, predictor: Predictor, run: Run) -> None:
    from sct_deepseg_general import nifti, pipeline

    started = time.perf_counter()
    volume = nifti.load(image)
    if run.verbose and volume.frames > 1:
        print(f"{image} is a series of {volume.frames} volumes: their mean is segmented.")
    with _bar(run) as progress:
        result = pipeline.segment(volume, predictor, run.options, progress)
    _write(image, target, result, predictor, run)
    if run.verbose:
        _tell(image, target, result, time.perf_counter() - started)


def _write(image: Path, target: Outputs, result: Result, predictor: Predictor, run: Run) -> None:
    from sct_deepseg_general import csa_table, morphometrics, nifti

    nifti.save(result.segmentation, target.segmentation)
    if run.soft:
        nifti.save(result.probability, target.soft)
    if run.csa:
        csa_table.write(morphometrics.measure(result.segmentation), target.csa, target.segmentation)
    write_sidecar(_provenance(image, result, predictor, run), target.sidecar)


def _provenance(image: Path, result: Result, predictor: Predictor, run: Run) -> Provenance:
    model, options = predictor.model, run.options
    return Provenance(
        image=image,
        model_key=model.key,
        model_digest=model.digest,
        engine=predictor.engine.name,
        device=predictor.engine.device,
        status="ok",
        reasons=(),
        frames=result.image.frames,
        parameters={
            "threshold": options.cleaning(model.threshold).threshold,
            "largest": options.largest,
            "fill_holes": options.fill_holes,
            "exact": options.exact,
        },
    )


@contextmanager
def _bar(run: Run) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on a terminal; nothing in a log file."""
    if not run.verbose or not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=1, label="Segmenting", file=sys.stderr) as bar:

        def progress(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield progress


def _tell(image: Path, target: Outputs, result: Result, seconds: float) -> None:
    print(f"{image}: done in {seconds:.1f} s")
    print(f"  {target.segmentation}")
    print("View it with:")
    names = (shlex.quote(str(path)) for path in (image, target.segmentation))
    print("fsleyes {} -cm greyscale {} -cm red -a 70.0 &".format(*names))
