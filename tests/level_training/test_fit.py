"""Training the disc network: seeded, exported so that OpenVINO says what torch says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from necks import FOLDER, IMAGE, cord, neck

from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.level_training.centrelines import FILE, read_curves
from sct_deepseg_general.level_training.recipe import LevelRecipe, Source, read_recipe
from sct_deepseg_general.levels.course import course_of
from sct_deepseg_general.levels.record import embedded_model, load_model
from sct_deepseg_general.levels.responses import DiscNetwork
from sct_deepseg_general.levels.strip import channels, strip_of

torch = pytest.importorskip("torch")

from sct_deepseg_general.level_training import assemble, fit  # noqa: E402 - they need torch
from sct_deepseg_general.level_training.network import DiscNet  # noqa: E402

RECIPE = LevelRecipe(
    "tiny",
    "0.0.1",
    "Tiny",
    "levels/neck_discs.tsv",
    (Source("levels/*.nii.gz"),),
    iterations=3,
    batch=2,
)


@pytest.fixture(scope="module")
def drawn() -> tuple[fit.Drawn, ...]:
    return fit.subjects_of(RECIPE, [FOLDER.parent], lambda _: cord())


def test_the_recipe_says_which_images(drawn: tuple[fit.Drawn, ...]) -> None:
    assert [one.image for one in drawn] == ["levels/neck_T2w.nii.gz"]
    with pytest.raises(DatasetError, match="no image to train on"):
        fit.subjects_of(replace(RECIPE, leave=("neck",)), [FOLDER.parent], lambda _: cord())
    with pytest.raises(DatasetError, match="none of the data folders"):
        fit.subjects_of(RECIPE, [FOLDER], lambda _: cord())


def test_discs_are_moved_as_the_source_says(drawn: tuple[fit.Drawn, ...]) -> None:
    moved = replace(RECIPE, sources=(Source("levels/*.nii.gz", up=5.0),))
    (other,) = fit.subjects_of(moved, [FOLDER.parent], lambda _: cord())
    along = other.subject.rows - drawn[0].subject.rows
    assert (along > 4).all()
    assert (along < 5.1).all()


def test_a_file_of_centrelines_stands_for_the_cords(drawn: tuple[fit.Drawn, ...]) -> None:
    curves = {drawn[0].image: drawn[0].curve}
    (again,) = fit.subjects_of(RECIPE, [FOLDER.parent], curves)
    assert (again.subject.rows == drawn[0].subject.rows).all()
    assert (again.subject.total == drawn[0].subject.total).all()
    with pytest.raises(DatasetError, match="have none of levels/neck_T2w"):
        fit.subjects_of(RECIPE, [FOLDER.parent], {})


@pytest.mark.training
def test_one_seed_gives_one_network(drawn: tuple[fit.Drawn, ...]) -> None:
    first, again, other = (
        fit.fit(replace(RECIPE, seed=seed), drawn).state_dict() for seed in (0, 0, 1)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_the_loss_falls(drawn: tuple[fit.Drawn, ...]) -> None:
    steps: list[fit.Step] = []
    fit.fit(replace(RECIPE, iterations=100, batch=1), drawn, steps.append)
    assert [step.iteration for step in steps] == [50, 100]
    assert steps[1].loss < steps[0].loss


def test_openvino_says_what_torch_says(tmp_path: Path, drawn: tuple[fit.Drawn, ...]) -> None:
    torch.manual_seed(0)
    network = DiscNet().eval()
    folder = assemble.assemble(network, RECIPE, drawn, [], tmp_path / "model")
    model = load_model(folder)
    strip = strip_of(neck(), course_of(cord()))
    found = DiscNetwork(model).responses(strip)
    with torch.no_grad():
        expected = network(torch.from_numpy(channels(strip.data)[None]))[0].numpy()
    np.testing.assert_allclose(found.level, expected[2] * 10, atol=0.02)
    np.testing.assert_allclose(found.disc, 1 / (1 + np.exp(-expected[0])), atol=0.005)
    assert json.loads((folder / "recipe.json").read_text(encoding="utf-8"))["kind"] == "levels"
    assert read_recipe(folder / "recipe.json") == replace(RECIPE, centrelines=FILE)
    assert (read_curves(folder / FILE)[drawn[0].image].points == drawn[0].curve.points).all()
    model.verify()


def test_the_embedded_weights_are_those_of_its_safetensors() -> None:
    from safetensors.torch import load_file

    model = embedded_model()
    network = DiscNet()
    weights = load_file(model.folder / "network.safetensors")
    missing = network.load_state_dict({k: v.float() for k, v in weights.items()}, strict=False)
    assert all(name.endswith("num_batches_tracked") for name in missing.missing_keys)
    assert missing.unexpected_keys == []
    strip = strip_of(neck(), course_of(cord()))
    with torch.no_grad():
        answer = network.eval()(torch.from_numpy(channels(strip.data)[None]))[0].numpy()
    found = DiscNetwork(model).responses(strip)
    np.testing.assert_allclose(found.level, answer[2] * 10, atol=0.05)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": "levels"}', '{"kind": "cord"}'])
def test_what_is_no_recipe_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match="no recipe"):
        read_recipe(path)


def test_the_embedded_recipe_trains_on_no_image_for_measuring() -> None:
    recipe = read_recipe(embedded_model().folder / "recipe.json")
    assert all(source.images.startswith("train/") for source in recipe.sources)
    assert recipe.source_of("dev/unlabelled/sub-full/anat/sub-full_T2w.nii.gz") is None
    used = (embedded_model().folder / "images.txt").read_text(encoding="utf-8").split()
    assert all(name.startswith("train/") for name in used)
    assert IMAGE.name not in used
