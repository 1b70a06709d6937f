"""One way of segmenting one image, in a process of its own: `benchmarks/speed/speed.py` starts it.

python benchmarks/speed/speed_methods.py METHOD IMAGE FOLDER

Leaves the mask and `marks.json` in FOLDER: seconds of each step, by the clock and of the CPU.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

STEPS = {
    "load": "image.nifti",
    "segment": "job.analysis",
    "_measured": "job.analysis",
    "assess_result": "job.analysis",
    "write": "job.job",
    "show": "job.job",
}
"""The functions that `job.run` calls, and the module in which each is looked up."""


class Marks:
    """Seconds by the clock and of the CPU (user and system) since the process began."""

    def __init__(self) -> None:
        self.steps: dict[str, list[float]] = {}
        self._last = (time.perf_counter() - time.process_time(), 0.0)

    def mark(self, name: str) -> None:
        """What was done since the last mark is `name`."""
        now = (time.perf_counter(), time.process_time())
        self.add(name, *(b - a for a, b in zip(self._last, now, strict=True)))
        self._last = now

    def add(self, name: str, wall: float, cpu: float) -> None:
        before = self.steps.get(name, [0.0, 0.0])
        self.steps[name] = [before[0] + wall, before[1] + cpu]

    def take_away(self, name: str, parts: tuple[str, ...]) -> None:
        """Leave in a step what is in none of its parts."""
        inner = [self.steps.get(part, [0.0, 0.0]) for part in parts]
        self.add(name, *(-sum(part[i] for part in inner) for i in (0, 1)))

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **keywords: Any) -> Any:
            start = (time.perf_counter(), time.process_time())
            try:
                return function(*args, **keywords)
            finally:
                self.add(name, time.perf_counter() - start[0], time.process_time() - start[1])

        return call


def command(*words: str) -> Callable[[Path, Path, Marks], None]:
    """The main command as a user runs it, its steps timed from inside."""

    def run(image: Path, folder: Path, marks: Marks) -> None:
        from scipy import ndimage  # noqa: F401 - loading libraries is start-up, as for the others

        from sct_deepseg_general.cli import main
        from sct_deepseg_general.inference import predictor as network

        marks.mark("start-up")
        for name, module in STEPS.items():
            place = import_module(f"sct_deepseg_general.{module}")
            setattr(place, name, marks.timed(name, getattr(place, name)))
        network.load_predictor = marks.timed("model", network.load_predictor)
        extra = [str(folder / "qc") if word == "QC" else word for word in words]
        sys.argv = ["sct_deepseg_sc_general", "-i", str(image), "-o", str(folder / "seg.nii.gz")]
        sys.argv += ["-offline", "-overwrite", "-v", "0", *extra]
        try:
            main()
        except SystemExit as end:
            if end.code:
                raise
        marks.mark("all else")
        marks.take_away("all else", ("model", *STEPS))

    return run


def stock(*, mirroring: bool) -> Callable[[Path, Path, Marks], None]:
    """nnU-Net's predictor from image array to label array, as its documentation uses it."""

    def run(image: Path, folder: Path, marks: Marks) -> None:
        import numpy as np

        from sct_deepseg_general.image import nifti
        from sct_deepseg_general.image.volume import Segmentation, from_sct_letters
        from sct_deepseg_general.inference.nnunet import stock_predictor
        from sct_deepseg_general.zoo.zoo import resolve

        marks.mark("start-up")
        model = resolve(None, offline=True)
        predictor = stock_predictor(model, "cpu", mirroring=mirroring)
        predictor.verbose = False
        marks.mark("model")
        volume = nifti.load(image)
        oriented = volume.reoriented(from_sct_letters(model.orientation))
        marks.mark("load")
        data = np.ascontiguousarray(oriented.data.transpose(2, 1, 0)[None], np.float32)
        spacing = {"spacing": list(oriented.grid.spacing[::-1])}
        labels = predictor.predict_single_npy_array(data, spacing, None, None, False)
        marks.mark("segment")
        mask = Segmentation(labels.transpose(2, 1, 0).astype(np.uint8), oriented.grid)
        nifti.save(mask.reoriented(volume.grid.axcodes), folder / "seg.nii.gz")
        marks.mark("_write")

    return run


def sct(*, cropped: bool) -> Callable[[Path, Path, Marks], None]:
    """SCT's own inference function, from file to file, with our weights in its layout.

    Cropped, the box is given and costs nothing: SCT's detector is another program with
    weights of its own. The box is ours with at least the margin that SCT leaves.
    """

    def run(image: Path, folder: Path, marks: Marks) -> None:
        from benchmarks.speed import sct_source

        network, inference = sct_source.modules()
        marks.mark("start-up")
        predictor = network.create_nnunet_from_plans(str(sct_source.weights()), sct_source.CPU())
        predictor.allow_tqdm = False
        marks.mark("model")
        box = sct_source.box(image) if cropped else {}
        marks.mark("box (not counted)")
        names, _ = inference.segment_nnunet(
            str(image), str(sct_source.fresh(folder)), predictor, predictor.device,
            crop=cropped, box_overrides=box, out_fname=str(folder / "seg.nii.gz"),
        )  # fmt: skip
        marks.mark("segment")
        (folder / "seg.nii.gz").write_bytes(Path(names[0]).read_bytes())

    return run


METHODS = {
    "command": command(),
    "command with -qc": command("-qc", "QC"),
    "command with -exact": command("-exact"),
    "nnU-Net in our crop": command("-engine", "nnunet", "-device", "cpu"),
    "nnU-Net, no mirroring": stock(mirroring=False),
    "nnU-Net, defaults": stock(mirroring=True),
    "SCT": sct(cropped=False),
    "SCT, box given": sct(cropped=True),
}


def main(method: str, image: Path, folder: Path) -> None:
    marks = Marks()
    METHODS[method](image, folder, marks)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (folder / "marks.json").write_text(json.dumps({"steps": marks.steps, "peak": peak}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
