"""How much is done, counted: tiles, voxels, modules, files. Seconds depend on the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from samples import DATA, NAMES, dice, image, image_path, label

from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Grid, Volume, from_sct_letters
from sct_deepseg_general.inference import pipeline
from sct_deepseg_general.inference import sliding_window as tiles
from sct_deepseg_general.inference.engine import Engine
from sct_deepseg_general.inference.locate import BESIDE
from sct_deepseg_general.inference.predictor import Predictor
from sct_deepseg_general.inference.preprocess import margin_box
from sct_deepseg_general.inference.sliding_window import fitted_tile, following, positions

SHARED = Path(os.environ.get("SCT_DEEPSEG_GENERAL_SHARED", DATA.parents[1].parent / "shared"))
NECK = SHARED / "data" / "dev" / "unlabelled" / "sub-full" / "anat" / "sub-full_T2w.nii.gz"


@dataclass
class Counted:
    """An engine that counts the tiles it runs and the voxels it is given."""

    engine: Engine
    tiles: list[int] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    name = "counted"
    device = "cpu"

    def difference(self, data: np.ndarray, wanted: object, progress: object) -> np.ndarray:
        done: list[int] = []
        found = self.engine.difference(data, wanted, lambda n, _: done.append(n))
        self.tiles.append(len(done))
        self.shapes.append(data.shape)
        return found

    @property
    def voxels(self) -> list[int]:
        return [int(np.prod(shape)) for shape in self.shapes]


@dataclass
class Work:
    """What was done for one image."""

    result: pipeline.InferenceResult
    close: Counted
    coarse: Counted
    resampled: list[int]
    """Voxels of each volume that was interpolated."""


def work(
    volume: Volume, predictor: Predictor, monkeypatch: pytest.MonkeyPatch, exact: bool = False
) -> Work:
    resampled, plain = [], Volume.resampled_to

    def resampled_to(self: Volume, grid: Grid, order: int | None = None) -> Volume:
        resampled.append(int(np.prod(grid.shape)))
        return plain(self, grid, order)

    monkeypatch.setattr(Volume, "resampled_to", resampled_to)
    close, coarse = Counted(predictor.engine), Counted(predictor.locator)
    counted = replace(predictor, engine=close, locator=coarse)
    result = pipeline.segment(volume, counted, pipeline.Options(exact=exact))
    monkeypatch.undo()
    return Work(result, close, coarse, resampled)


def lattice(shape: tuple[int, ...], patch: tuple[int, ...]) -> int:
    """How many tiles cover a shape whole, at half a tile."""
    return len(positions([max(n, t) for n, t in zip(shape, patch, strict=True)], patch))


def most(name: str, predictor: Predictor) -> tuple[int, ...]:
    """The largest crop that the label, the margin and the locator's voxels allow, model grid."""
    model, mask = predictor.model, label(name).reoriented(from_sct_letters("LPI"))
    assert model.locator is not None
    slack = model.margin + 2 * max(model.locator.spacing)
    box = margin_box(mask.data, mask.grid.spacing, slack)
    return mask.grid.cropped(box).resampled(model.spacing).shape


def widened(name: str, times: int = 3) -> Volume:
    """A sample in the middle of dark noise, `times` as wide across the body's axis."""
    volume = image(name)
    along = next(i for i, code in enumerate(volume.grid.axcodes) if code in "SI")
    more = [0 if a == along else n * (times - 1) // 2 for a, n in enumerate(volume.grid.shape)]
    inner = tuple(slice(m, m + n) for m, n in zip(more, volume.grid.shape, strict=True))
    x, y, z = (n + 2 * m for n, m in zip(volume.grid.shape, more, strict=True))
    dark = np.sort(volume.data.ravel())[: volume.data.size // 20]
    data = np.random.default_rng(0).choice(dark, (x, y, z)).astype(volume.data.dtype)
    data[inner] = volume.data
    affine = volume.grid.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ np.array(more)
    return Volume(data, Grid((x, y, z), affine))


@pytest.fixture(scope="module")
def wide(predictor: Predictor) -> Work:
    with pytest.MonkeyPatch.context() as patch:
        return work(widened("T2w"), predictor, patch)


@pytest.mark.parametrize("name", NAMES)
def test_tiles_and_voxels_follow_the_cord(
    name: str, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = work(image(name), predictor, monkeypatch)
    model, largest = predictor.model, most(name, predictor)
    assert done.close.tiles[0] <= lattice(largest, model.patch)
    assert len(done.close.tiles) == len(done.coarse.tiles) == 1
    assert done.close.voxels[0] <= 1.1 * np.prod(largest)


def test_air_around_the_body_is_not_looked_at(
    predictor: Predictor, wide: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, largest = predictor.model, most("T2w", predictor)
    assert wide.result.location.found
    assert wide.close.tiles[0] <= lattice(largest, model.patch)
    assert wide.close.voxels[0] <= 1.1 * np.prod(largest)
    assert model.locator is not None
    narrow = work(image("T2w"), predictor, monkeypatch).coarse.shapes[0]
    ((z, y, x),) = wide.coarse.shapes
    mm = model.locator.spacing
    assert z == narrow[0]
    assert y <= narrow[1] + 2 * (BESIDE / mm[1] + 2)
    assert x <= narrow[2] + 2 * (BESIDE / mm[0] + 2)
    assert wide.coarse.tiles == [
        lattice((z, y, x), fitted_tile((z, y, x), model.locator.patch[::-1]))
    ]


def test_nothing_is_resampled_outside_the_crop(predictor: Predictor, wide: Work) -> None:
    assert predictor.model.locator is not None
    seen = wide.result.oriented.resampled(predictor.model.locator.spacing)
    crop, coarse = np.prod(wide.result.location.box.shape), np.prod(seen.shape)
    close = wide.close.voxels[0]
    whole = np.prod(wide.result.oriented.shape)
    assert sorted(wide.resampled) == sorted([coarse, close, close, crop])
    assert crop < whole / 4


def test_exact_leaves_nothing_out(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = work(image("acq-MTon_MTS"), predictor, monkeypatch, exact=True)
    shape = plain.result.oriented.resampled(predictor.model.spacing).shape
    assert plain.coarse.tiles == []
    assert np.isnan(plain.result.location.confidence)  # no cord was looked for
    assert plain.close.tiles == [lattice(shape, predictor.model.patch)]


@pytest.mark.parametrize("across", [(8.0, 0.0), (8.0, 0.3), (8.0, 0.6)])
def test_twice_the_cord_is_at_most_twice_the_tiles(
    across: tuple[float, float], predictor: Predictor
) -> None:
    tile = predictor.model.patch[::-1]
    radius, slope = across

    def tube(length: int) -> np.ndarray:
        z, y, x = np.ogrid[: length * tile[0], : 3 * tile[1], : 2 * tile[2]]
        middle = tile[1] + slope * (z % (3 * tile[0]))
        return np.asarray((y - middle) ** 2 + (x - tile[2]) ** 2 < radius**2)

    short, long = (len(following(tube(length), tile)) for length in (5, 10))
    assert short < len(positions(tube(5).shape, tile)) / 2
    assert long <= 2.2 * short


def both_ways(volume: Volume, predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> list[Work]:
    """With the tiles that follow the cord, and with nnU-Net's lattice over the crop."""
    lean = work(volume, predictor, monkeypatch)
    monkeypatch.setattr(tiles, "following", lambda mask, tile: positions(mask.shape, tile))
    return [lean, work(volume, predictor, monkeypatch)]


@pytest.mark.parametrize("name", NAMES)
def test_tiles_that_follow_the_cord_are_as_right_as_the_lattice(
    name: str, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    lean, full = both_ways(image(name), predictor, monkeypatch)
    truth = label(name).data
    assert lean.close.tiles[0] <= full.close.tiles[0]
    right, as_right = (dice(one.result.segmentation.data, truth) for one in (lean, full))
    assert right >= as_right - 0.01


@pytest.mark.skipif(not NECK.is_file(), reason="needs the shared images")
@pytest.mark.slow
def test_tiles_that_follow_a_neck_are_half_of_the_lattice(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    lean, full = both_ways(nifti.load(NECK), predictor, monkeypatch)
    assert lean.close.tiles[0] < 0.6 * full.close.tiles[0]
    assert dice(lean.result.segmentation.data, full.result.segmentation.data) >= 0.97


RUN = """
import json, sys
sys.modules["pydicom"] = None  # as in the base install; nibabel loads it where it is
opened = []
sys.addaudithook(lambda event, words: opened.append(str(words[0])) if event == "open" else None)
from sct_deepseg_general.cli import main
found, sys.argv = sys.argv[1], ["sct_deepseg_sc_general", *sys.argv[2:]]
try:
    main()
except SystemExit as end:
    assert not end.code
with open(found, "w") as stream:
    json.dump({"modules": sorted(sys.modules), "opened": opened}, stream)
"""
TOO_MUCH = ["torch", "nnunetv2", "matplotlib", "pandas", "requests", "skimage", "sklearn", "yaml"]
TOO_MUCH += ["SimpleITK", "openvino.tools.ovc", "scipy.stats", "scipy.signal", "scipy.optimize"]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The modules in memory and the files opened, after the main command."""
    folder = tmp_path_factory.mktemp("command")
    found, source = folder / "found.json", str(image_path("T2w"))
    words = [sys.executable, "-c", RUN, str(found), "-i", source, "-o", str(folder), "-v", "0"]
    subprocess.run([*words, "-offline"], check=True)
    answer: dict[str, list[str]] = json.loads(found.read_text())
    return answer


def heavy(modules: list[str]) -> Iterator[str]:
    return (name for name in TOO_MUCH if name in modules)


def test_the_main_command_imports_what_it_needs(command: dict[str, list[str]]) -> None:
    assert list(heavy(command["modules"])) == []
    assert len([name for name in command["modules"] if name.startswith("scipy.")]) <= 400
    assert len(command["modules"]) <= 1200


def test_a_heavy_module_would_be_seen() -> None:
    assert list(heavy(["numpy", "torch"])) == ["torch"]


def test_files_are_read_once_or_twice(command: dict[str, list[str]]) -> None:
    """The image to segment it and to hash it; weights of other engines never."""
    opened = [Path(name).name for name in command["opened"]]
    assert 1 <= opened.count(image_path("T2w").name) <= 5  # nibabel looks at the header first
    assert [name for name in opened if name.endswith((".safetensors", ".pth"))] == []
