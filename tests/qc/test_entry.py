"""An entry is quick, small and complete, on real images and on what is hardly an image."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from qc_phantoms import REAL, areas, cord, entry, real_entry

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Grid, Segmentation, Volume
from sct_deepseg_general.qc.entry import PAGE, ShownLabel, SliceArea, add_entry

FILES = {
    "entry.json", "view.js", "thumb.webp", "axial.webp", "sagittal.webp", "coronal.webp"
}  # fmt: skip
HEATS = {"axial-p.png", "sagittal-p.png", "coronal-p.png"}


def only(folder):
    (found,) = (folder / "entries").iterdir()
    return found


def view(folder):
    found = only(folder)
    text = (found / "view.js").read_text("ascii")
    head = f'qc.view("{found.name}",'
    assert text.startswith(head)
    assert text.endswith(");\n")
    return json.loads(text[len(head) : -3])


def listed(folder):
    text = (folder / "index.js").read_text("ascii")
    content = json.loads(text[len("qc.index(") : -3])
    return dict(zip(content["columns"], content["rows"][0], strict=True))


@pytest.mark.parametrize("name", REAL)
def test_a_real_entry_takes_less_than_two_seconds_and_300_kb(tmp_path, name):
    one = real_entry(name)
    start = time.process_time()
    assert add_entry(tmp_path, one) == tmp_path / PAGE
    assert time.process_time() - start < 2
    sizes = {path.name: path.stat().st_size for path in only(tmp_path).iterdir()}
    assert set(sizes) == FILES | {"volume.js"}
    assert sum(size for file, size in sizes.items() if file != "volume.js") <= 300_000


def test_an_entry_of_noise_stays_within_300_kb(tmp_path):
    rng = np.random.default_rng(0)
    shape = (128, 128, 90)
    grid = Grid(shape, np.diag([0.4, 0.4, 1.0, 1.0]))
    noise = Volume(rng.normal(100, 50, shape).astype(np.float32), grid)
    mask = Segmentation((rng.random(shape) > 0.8).astype(np.uint8), grid)
    add_entry(tmp_path, entry(image=noise, segmentation=mask, probability=None, box=None), False)
    assert sum(path.stat().st_size for path in only(tmp_path).iterdir()) <= 300_000


def test_the_list_knows_the_result_in_numbers(tmp_path):
    image, mask, probability = cord()
    csa = (
        SliceArea(4, 8.0, 60.0, level="C3"),
        SliceArea(5, 10.0, 70.0, level="C3"),
        SliceArea(6, 12.0, 80.0, level="C2"),
        SliceArea(7, 14.0, float("nan"), level="C2"),
    )
    add_entry(tmp_path, entry(image=image, segmentation=mask, probability=probability, csa=csa))
    found = listed(tmp_path)
    assert found["csa"] == 70.0
    assert found["csa_sd"] == pytest.approx(8.16, abs=0.01)
    assert found["levels"] == [["C3", 65.0], ["C2", 80.0]]
    inside = probability.data[mask.data > 0].mean()
    assert found["confidence"] == pytest.approx(inside, abs=1e-4)
    assert found["dice"] is None


def test_the_list_gives_the_region_that_was_asked_for(tmp_path):
    image, mask, probability = cord()
    csa = tuple(SliceArea(z, 2.0 * z, 10.0 * z, level="C3") for z in (4, 5, 6, 7))
    region = {"region": "slices 5:6", "region_slices": (5, 6)}
    made = entry(image=image, segmentation=mask, probability=probability, csa=csa, **region)
    add_entry(tmp_path, made)
    found = listed(tmp_path)
    assert (found["csa"], found["region"]) == (55.0, "slices 5:6")
    assert found["levels"] == [["C3", 55.0]]


def test_means_are_rounded_once_where_they_are_shown(tmp_path):
    image, mask, _ = cord()
    csa = (SliceArea(4, 8.0, 64.748, level="C3"), SliceArea(5, 10.0, 64.749, level="C3"))
    made = entry(image=image, segmentation=mask, csa=csa, interval=(56.5449, 72.9451))
    add_entry(tmp_path, made)
    found = listed(tmp_path)
    assert found["csa"] == 64.7485
    assert found["levels"] == [["C3", 64.7485]]
    assert view(tmp_path)["interval"] == [56.5449, 72.9451]


def test_a_given_confidence_counts_and_two_masks_have_a_dice(tmp_path):
    image, mask, _ = cord()
    half = mask.data.copy()
    half[:, :, :12] = 0
    other = replace(mask, data=half)
    add_entry(tmp_path, entry(image=image, segmentation=mask, other=other, confidence=0.25,
                              other_csa=areas(other)))  # fmt: skip
    found = listed(tmp_path)
    expected = 2 * half.sum() / (half.sum() + mask.data.sum())
    assert found["dice"] == pytest.approx(expected, abs=1e-4)
    assert found["confidence"] == 0.25
    shown = view(tmp_path)
    assert shown["other"]
    assert len(shown["otherCsa"]) == 10
    assert any(tile[2] for tile in shown["axial"]["tiles"])


def test_the_view_tells_how_it_was_made(tmp_path):
    add_entry(tmp_path, entry(codes="AIL", command="a -b 'c d'", version="9"))
    shown = view(tmp_path)
    assert shown["orientation"] == "PSR"  # SCT's letters for nibabel's AIL
    assert shown["spacing"] == [0.8, 2.0, 0.8]
    assert (shown["command"], shown["version"]) == ("a -b 'c d'", "9")
    assert [item[0] for item in shown["csa"]] == list(range(2, 22))
    assert shown["csa"][2][6] is True
    assert {path.name for path in only(tmp_path).iterdir()} >= HEATS


def test_without_volume_there_is_no_volume(tmp_path):
    add_entry(tmp_path, entry(), volume=False)
    assert view(tmp_path)["volume"] is False
    assert not (only(tmp_path) / "volume.js").exists()


@pytest.mark.parametrize("shape", [(1, 1, 1), (40, 1, 3), (1, 40, 30), (3, 3, 400)])
def test_hardly_an_image_is_still_an_entry(tmp_path, shape):
    grid = Grid(shape, np.diag([0.5, 0.7, 2.0, 1.0]))
    mask = Segmentation(np.ones(shape, dtype=np.uint8), grid)
    image = Volume(np.arange(np.prod(shape), dtype=np.int16).reshape(shape), grid)
    add_entry(
        tmp_path, entry(image=image, segmentation=mask, probability=None, box=grid.box, csa=())
    )
    assert len(view(tmp_path)["axial"]["tiles"]) >= 1


def test_an_empty_mask_is_an_entry_that_says_so(tmp_path):
    image, mask, probability = cord()
    empty = replace(mask, data=np.zeros_like(mask.data))
    add_entry(tmp_path, entry(image=image, segmentation=empty, probability=probability, csa=(),
                              status="fail", reasons=("The mask is empty.",)))  # fmt: skip
    found = listed(tmp_path)
    assert (found["status"], found["csa"], found["confidence"]) == ("fail", None, None)


def test_values_that_are_no_numbers_are_drawn_black(tmp_path):
    image, mask, _ = cord()
    data = image.data.copy()
    data[:, :, 10] = np.nan
    add_entry(tmp_path, entry(image=replace(image, data=data), segmentation=mask))
    assert listed(tmp_path)["status"] == "ok"


def test_a_mask_of_another_shape_is_refused():
    image, _, _ = cord()
    _, mask, _ = cord(shape=(48, 40, 20))
    with pytest.raises(ImageError, match="give one on the image's own grid"):
        entry(image=image, segmentation=mask)
    image, whole, _ = cord()
    with pytest.raises(ImageError, match="The label lesion has"):
        entry(image=image, segmentation=whole, labels=(ShownLabel("lesion", mask),))


def test_twenty_labels_stay_within_300_kb(tmp_path):
    one = real_entry(REAL[0])
    rng = np.random.default_rng(0)
    parts = rng.integers(0, 20, one.segmentation.data.shape) * (one.segmentation.data > 0)
    masks = [replace(one.segmentation, data=(parts == n).astype(np.uint8)) for n in range(20)]
    labels = tuple(ShownLabel(f"lvl{n}", mask) for n, mask in enumerate(masks))
    add_entry(tmp_path, replace(one, labels=labels), volume=False)
    assert sum(path.stat().st_size for path in only(tmp_path).iterdir()) < 300_000
    found = view(tmp_path)
    assert found["labels"] == [f"lvl{n}" for n in range(20)]
    assert {len(tile[3]) for tile in found["axial"]["tiles"]} == {20}
