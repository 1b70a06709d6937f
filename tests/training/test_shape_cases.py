"""Labels without images become shapes for synthesis, and nothing else."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from phantoms import phantom_bids

torch = pytest.importorskip("torch", reason="the torch extra is not installed")

from sct_deepseg_general.augmentation.contrast import ContrastMix, randomised  # noqa: E402
from sct_deepseg_general.augmentation.sampling import Patch, SpatialRange, TrainingCase  # noqa: E402
from sct_deepseg_general.datasets.build import build  # noqa: E402
from sct_deepseg_general.datasets.recipe import Dataset, Recipe, Shapes, SplitRule, checked  # noqa: E402
from sct_deepseg_general.datasets.shape_labels import write_shapes  # noqa: E402
from sct_deepseg_general.errors import DatasetError  # noqa: E402  # after the skip
from sct_deepseg_general.image.nifti import load  # noqa: E402
from sct_deepseg_general.training.cases import Preparation  # noqa: E402
from sct_deepseg_general.training.loader import PatchDataset  # noqa: E402
from sct_deepseg_general.training.shape_cases import shape_cases  # noqa: E402

SHAPES = Shapes("rings", trust=0.5)
PREPARED = Preparation((0.8, 0.8, 1.5), 20.0)


def discs(folder: Path, person: str, *, canal: bool = True) -> None:
    """A cord of radius 4 mm in a canal of radius 8 mm, 0.5 x 0.5 x 5 mm, under other letters."""
    x, y, z = np.indices((80, 90, 6))
    far = np.hypot(x - 40, y - 45) * 0.5 + 0 * z
    place = folder / "derivatives" / "labels" / person / "anat"
    place.mkdir(parents=True)
    for suffix, radius in (("seg-manual", 4), ("csfseg-manual", 8))[: 1 + canal]:
        mask = nib.Nifti1Image((far < radius).astype(np.uint8), np.diag([-0.5, 0.5, 5, 1]))
        nib.save(mask, place / f"{person}_T2w_{suffix}.nii.gz")


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    discs(tmp_path / "b" / "rings", "sub-01")
    discs(tmp_path / "b" / "rings", "sub-02", canal=False)
    (tmp_path / "a" / "rings").mkdir(parents=True)  # of that name, but without shapes
    write_shapes([SHAPES], [tmp_path / "a", tmp_path / "b"], tmp_path / "maps")
    return tmp_path / "maps"


def test_cord_and_canal_become_one_map(maps: Path) -> None:
    (path,) = maps.iterdir()
    assert path.name == "rings_sub-01.nii.gz"
    tissue = load(path)
    assert tissue.grid.axcodes == ("R", "A", "S")
    areas = [float((tissue.data[:, :, 2] >= least).sum()) * 0.25 for least in (1, 2)]
    assert areas == pytest.approx([np.pi * 64, np.pi * 16], rel=0.05)


def test_what_is_there_is_kept_and_what_is_no_longer_wanted_goes(
    maps: Path, tmp_path: Path
) -> None:
    (path,) = maps.iterdir()
    before = path.stat().st_mtime_ns
    write_shapes([SHAPES], [tmp_path / "b"], maps)
    assert path.stat().st_mtime_ns == before
    write_shapes([], [], maps)
    assert list(maps.iterdir()) == []


def test_shapes_that_are_not_there_are_said(tmp_path: Path) -> None:
    absent = write_shapes([SHAPES], [tmp_path], tmp_path / "maps")
    assert list(absent) == ["rings"]
    assert "_csfseg-manual" in absent["rings"]
    assert str(tmp_path / "rings") in absent["rings"]
    phantom_bids(tmp_path / "data" / "tubes")
    recipe = Recipe("toy", (Dataset("tubes"),), split=SplitRule(test=0.0), shapes=(SHAPES,))
    built = build(recipe, [tmp_path / "data"], tmp_path / "out")
    assert [one.dataset for one in built.excluded] == ["rings"]
    assert "csfseg" in (tmp_path / "out" / "skipped.tsv").read_text()


def test_a_case_is_the_cord_in_its_canal(maps: Path) -> None:
    (case,) = shape_cases([SHAPES], maps, PREPARED)
    assert case.shapes_only
    assert (case.dataset, case.trust) == ("rings", 0.5)
    middle = case.target.shape[0] // 2
    for fraction, radius in ((case.target, 4), (case.image, 8)):
        assert fraction[middle].sum() * 0.64 == pytest.approx(np.pi * radius**2, rel=0.06)
    assert (case.image >= case.target - 1e-6).all()
    assert shape_cases([], maps, PREPARED) == []


def test_a_shape_gets_intensities_and_a_real_surrounding(maps: Path) -> None:
    (shape,) = shape_cases([SHAPES], maps, PREPARED)
    rng = np.random.default_rng(0)
    tissue = rng.normal(size=(30, 90, 90)).astype(np.float32)
    real = TrainingCase(
        "real_sub-1", "real", tissue, np.zeros_like(tissue), np.array([[15, 45, 45]]), 0.01
    )
    space = SpatialRange.from_dict({"shift": 2.0, "anywhere": 0.0})
    stream = PatchDataset([shape, real], (20, 48, 48), (1.5, 0.8, 0.8), (3,), space, ContrastMix())
    drawn = iter(stream)
    seen = []
    while len(seen) < 6:
        image, target, number = next(drawn)
        if number == 0 and float((target > 0.9).sum()) > 200:
            seen.append(
                float(image[target > 0.9].mean() - image[(target >= 0) & (target < 0.1)].mean())
            )
        assert bool(torch.isfinite(image).all())
    assert np.std(seen) > 0.1  # another contrast each time


def test_the_fluid_fills_the_canal() -> None:
    """Without a canal a ring is made up; with one, the fluid ends where the canal does."""
    x, y, _ = torch.meshgrid(*(torch.arange(40.0),) * 3, indexing="ij")
    target = (torch.hypot(x - 20, y - 20) < 5).float().permute(2, 0, 1)
    canal = ((x - 20).abs() < 10).float().permute(2, 0, 1) * ((y - 20).abs() < 8).float().permute(
        2, 0, 1
    )
    still = ContrastMix(*(0.0,) * 12)
    surroundings = torch.zeros_like(target)
    patch = Patch(canal, target, torch.ones_like(target), surroundings)
    image, _ = randomised(patch, (1.5, 0.8, 0.8), still, np.random.default_rng(5))
    fluid = image[(canal > 0) & (torch.nn.functional.max_pool3d(target[None], 5, 1, 2)[0] == 0)]
    outside = image[canal == 0]
    assert float(fluid.std()) < 0.1 * float((fluid.mean() - image[target > 0].mean()).abs())
    assert float(outside.std()) < 0.1 * float((fluid.mean() - outside.mean()).abs())


@pytest.mark.parametrize("shapes", [Shapes("one"), Shapes("../x"), Shapes("far", "../far")])
def test_shapes_with_a_name_or_a_place_that_cannot_be_are_refused(shapes: Shapes) -> None:
    recipe = Recipe("toy", (Dataset("one"),), shapes=(shapes,))
    with pytest.raises(DatasetError, match=r"named twice|cannot name|without"):
        checked(recipe, "recipe.json")
