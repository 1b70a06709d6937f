"""A network of the size of SCT's releases (30.8 million weights): seconds, memory, equal labels.

python benchmarks/speed/large_model.py make FOLDER
python benchmarks/speed/large_model.py run FOLDER METHOD...

`make` builds an emulated release with nnU-Net (PlainConvUNet, features 32 to 320, patch
64 x 192 x 160 voxels of 1 mm, random weights) and an image of a full neck, 52 x 384 x 225 voxels.
`run` runs methods, each in a process of its own: `import`, `crop`, `whole`, `nnunet` (nnU-Net's
own predictor on the whole image, as SCT without its crop), `nnunet-crop` (on our crop),
`sct-crop` (SCT's function on our crop; `SCT_SOURCE` is its source), `bf16`, `quantise`, and
`int8`, whose network `quantise` makes. `crop` comes before the two on its crop. It prints seconds
by the clock, seconds of the processor, the peak of memory, and the Dice of labels that should be
equal, where both are there.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

SUPPORT = Path(__file__).resolve().parents[2] / "tests" / "support"
SHAPE = (52, 225, 384)
"""Voxels of the neck from left to right, from back to front and from feet to head."""


def release() -> Any:
    """The layout of SCT's `spinalcord`, with the whole network."""
    sys.path[:0] = [str(SUPPORT), str(SUPPORT.parents[1])]
    from emulated_releases import BY_TASK

    return BY_TASK["spinalcord"]


def make(folder: Path) -> None:
    """The release as a zip, and the image."""
    chosen = release()
    from emulated_releases import archives, large_built

    results = large_built(chosen, folder / "built")
    print(archives(chosen, results, folder)[0])
    neck(folder / "neck.nii.gz")


def neck(path: Path) -> None:
    """A full neck: a body of noise with a bright canal and a dark, curved cord in it."""
    import nibabel as nib

    rng = np.random.default_rng(0)
    x, y, z = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    middle = 115 + 10 * np.sin(z / 384 * np.pi)
    across, back = (x - 26) / 1.2, y - middle
    distance = np.hypot(across, back)
    image = 300 + 40 * rng.standard_normal(SHAPE)
    air = np.broadcast_to((y < 30) | (y > 205), SHAPE)
    image[air] = 8 + 2 * rng.standard_normal(int(air.sum()))  # of one value, it would be left out
    image[distance < 8] = 900 + 40 * rng.standard_normal(int((distance < 8).sum()))
    image[distance < 5] = 500 + 40 * rng.standard_normal(int((distance < 5).sum()))
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    nib.save(nib.Nifti1Image(np.clip(image, 0, None).astype(np.int16), affine), path)


def convert(folder: Path) -> None:
    from sct_deepseg_general.release.nnunet_results import import_results
    from sct_deepseg_general.zoo.index import file_entry

    (archive,) = folder.glob("*.zip")
    import_results((archive,), folder / "model", file_entry("large", "1.0"))


def quantise(folder: Path) -> None:
    """The int8 network, kept whatever its labels are: the weights are random."""
    from sct_deepseg_general.image import nifti
    from sct_deepseg_general.release import quantise as module
    from sct_deepseg_general.zoo.model import Model

    made = module.quantise(
        Model.load(folder / "model"), [nifti.load(folder / "neck.nii.gz")], least=0
    )
    print(f"Dice in int8 with float32: {made.dice:.4f}")


def ours(folder: Path, name: str, *, exact: bool = False, precision: str = "f32") -> None:
    """Our pipeline from reading the image to the label map."""
    import nibabel as nib

    from sct_deepseg_general.image import nifti
    from sct_deepseg_general.inference.pipeline import Options, segment
    from sct_deepseg_general.inference.predictor import load_predictor
    from sct_deepseg_general.zoo.model import Model

    image = nifti.load(folder / "neck.nii.gz")
    predictor = load_predictor(Model.load(folder / "model"), "openvino", "cpu", precision)
    result = segment(image, predictor, Options(exact=exact, largest=False))
    if result.labels is None:
        raise SystemExit("The model is not an imported one.")
    box = result.location.box
    (folder / f"{name}.json").write_text(json.dumps({"start": box.start, "stop": box.stop}))
    nib.save(nib.Nifti1Image(result.labels.data, image.grid.affine), folder / f"{name}.nii.gz")


def theirs(folder: Path, name: str, *, crop: bool) -> None:
    """nnU-Net's own predictor, on the whole image or on our crop."""
    import nibabel as nib

    release()
    from emulated_releases import nnunet_labels

    from sct_deepseg_general.image import nifti
    from sct_deepseg_general.image.volume import Box, Volume, from_sct_letters

    image = nifti.load(folder / "neck.nii.gz")
    turned = image.reoriented(from_sct_letters("RPI"))
    box = turned.grid.box
    if crop:
        found = json.loads((folder / "crop.json").read_text())
        box = Box(tuple(found["start"]), tuple(found["stop"]))
    part = turned.cropped(box)
    array = np.asarray(part.data, np.float32).transpose(2, 1, 0)
    (results,) = (folder / "built").iterdir()
    labels = nnunet_labels(results, [array], part.grid.spacing[::-1])
    whole = np.zeros(turned.grid.shape, np.uint8)
    whole[box.slices] = labels.transpose(2, 1, 0)
    back = Volume(whole, turned.grid).reoriented(image.grid.axcodes)
    nib.save(nib.Nifti1Image(back.data, image.grid.affine), folder / f"{name}.nii.gz")


def by_sct(folder: Path, name: str) -> None:
    """SCT's own function on our crop, which stands for that of its detector; from file to file."""
    import nibabel as nib

    release()
    from benchmarks.speed import sct_source
    from sct_deepseg_general.image import nifti
    from sct_deepseg_general.image.volume import Box, from_sct_letters

    image = nifti.load(folder / "neck.nii.gz")
    found = json.loads((folder / "crop.json").read_text())
    turned = image.reoriented(from_sct_letters("RPI")).grid
    box = Box(tuple(found["start"]), tuple(found["stop"])).on_axes(turned, image.grid)
    scratch = folder / "sct"
    scratch.mkdir(exist_ok=True)
    nib.load(folder / "neck.nii.gz").slicer[box.slices].to_filename(scratch / "crop.nii.gz")
    network, inference = sct_source.modules()
    predictor = network.create_nnunet_from_plans(str(folder / "built"), sct_source.CPU())
    predictor.allow_tqdm = False
    files, _ = inference.segment_nnunet(
        str(scratch / "crop.nii.gz"), str(scratch), predictor, predictor.device
    )
    whole = np.zeros(image.grid.shape, np.uint8)
    whole[box.slices] = np.asarray(nib.load(files[0]).dataobj) > 0
    nib.save(nib.Nifti1Image(whole, image.grid.affine), folder / f"{name}.nii.gz")


METHODS = {
    "import": convert,
    "quantise": quantise,
    "crop": lambda folder: ours(folder, "crop"),
    "whole": lambda folder: ours(folder, "whole", exact=True),
    "bf16": lambda folder: ours(folder, "bf16", precision="bf16"),
    "int8": lambda folder: ours(folder, "int8", precision="int8"),
    "nnunet": lambda folder: theirs(folder, "nnunet", crop=False),
    "nnunet-crop": lambda folder: theirs(folder, "nnunet-crop", crop=True),
    "sct-crop": lambda folder: by_sct(folder, "sct-crop"),
}
SAME = (
    *((name, "nnunet-crop") for name in ("crop", "bf16", "int8", "sct-crop")),
    ("crop", "sct-crop"),
    ("whole", "nnunet"),
)
"""Labels to compare."""


def measured(folder: Path, method: str) -> None:
    """Run one method in a process of its own and print a line of the table."""
    load = os.getloadavg()[0]
    started = time.perf_counter()
    subprocess.run([sys.executable, __file__, "one", str(folder), method], check=True)
    wall = time.perf_counter() - started
    used = json.loads((folder / "used.json").read_text())
    print(
        f"{method:12} {wall:7.1f} s  {used['cpu']:7.1f} CPU s  {used['memory']:6.0f} MiB  "
        f"load {load:4.1f}",
        flush=True,
    )


def compared(folder: Path) -> None:
    """Dice of our labels with nnU-Net's, where both are there."""
    import nibabel as nib

    for mine, other in SAME:
        paths = [folder / f"{name}.nii.gz" for name in (mine, other)]
        if all(path.is_file() for path in paths):
            a, b = (np.asarray(nib.load(path).dataobj) > 0 for path in paths)
            print(f"{mine} and {other}: Dice {2 * (a & b).sum() / (a.sum() + b.sum()):.5f}")


def peak() -> float:
    """The most memory of this process in MiB; `getrusage` would count its parent too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def one(folder: Path, method: str) -> None:
    METHODS[method](folder)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = {"cpu": usage.ru_utime + usage.ru_stime, "memory": peak()}
    (folder / "used.json").write_text(json.dumps(used))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("make", "run", "one"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("methods", nargs="*", choices=[*METHODS, []])
    words = parser.parse_args()
    if words.what == "make":
        make(words.folder)
    elif words.what == "one":
        one(words.folder, *words.methods)
    else:
        for method in words.methods:
            measured(words.folder, method)
        compared(words.folder)


if __name__ == "__main__":
    main()
