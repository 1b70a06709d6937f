"""A right number or one sentence: an elliptic tube of 12 x 8 mm has 75.4 mm² at every level."""

from __future__ import annotations

import csv
import json
import math
import re
import sys
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from phantoms import affine_of

from sct_deepseg_general import cli
from sct_deepseg_general.cli._click import PROGRAM

SPACING, SHAPE = (0.5, 0.5, 2.0), (80, 80, 60)
AFFINE = affine_of("LAS", SPACING, SHAPE)
AREA = math.pi * 12 * 8 / 4


class Ended(NamedTuple):
    code: int
    out: str
    err: str


class Folder:
    """The tube with its companions in a folder, and the command."""

    def __init__(
        self, path: Path, patch: pytest.MonkeyPatch, captured: pytest.CaptureFixture[str]
    ) -> None:
        self.path, self._patch, self._captured = path, patch, captured
        self.mask = self.saved("seg", tube())

    def saved(
        self, name: str, data: NDArray[np.generic], affine: NDArray[np.float64] = AFFINE
    ) -> Path:
        path = self.path / f"{name}.nii.gz"
        nib.save(nib.Nifti1Image(data, affine), path)
        return path

    def run(self, *words: object) -> Ended:
        self._patch.setattr(sys, "argv", [PROGRAM, *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = self._captured.readouterr()
        return Ended(int(end.value.code or 0), out, err)

    def csa(self, *words: object, mask: Path | None = None) -> Ended:
        return self.run(
            "csa", "-i", mask or self.mask, "-o", self.path / "a.csv", "-overwrite", *words
        )

    def rows(self) -> list[dict[str, str]]:
        with (self.path / "a.csv").open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))


@pytest.fixture
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Folder:
    return Folder(tmp_path, monkeypatch, capsys)


def tube(first: int = 0, last: int = 59) -> NDArray[np.uint8]:
    x, y, z = np.indices(SHAPE)
    inside = ((x - 39.5) * 0.5 / 6) ** 2 + ((y - 39.5) * 0.5 / 4) ** 2 <= 1
    return (inside & (z >= first) & (z <= last)).astype(np.uint8)


def level_map() -> NDArray[np.int16]:
    """Levels 6, 5, 4, 3, 2 from the lowest slice up, 12 slices each."""
    return np.broadcast_to((6 - np.arange(60) // 12).astype(np.int16), SHAPE).copy()


def points(at: dict[int, int], value: int = 1) -> NDArray[np.int16]:
    """Single voxels behind the cord: slice to label."""
    data = np.zeros(SHAPE, np.int16)
    for z, label in at.items():
        data[40, 30, z] = label or value
    return data


DISCS = {11: 6, 23: 5, 35: 4, 47: 3}


def cropped(data: NDArray[np.generic], z: int) -> tuple[NDArray[np.generic], NDArray[np.float64]]:
    affine = AFFINE.copy()
    affine[:3, 3] += AFFINE[:3, 2] * z
    return data[:, :, z:], affine


@pytest.mark.parametrize("flag", ["-vertfile", "-discfile"])
def test_labels_on_another_grid_are_taken_by_position(folder: Folder, flag: str) -> None:
    data = level_map() if flag == "-vertfile" else points(DISCS)
    same = folder.saved("same", data)
    other = folder.saved("other", *cropped(data, 10))
    assert folder.csa(flag, same, "-perlevel", 1, "-vert", "3:5").code == 0
    expected = [(row["VertLevel"], row["Slice (I->S)"]) for row in folder.rows()]
    done = folder.csa(flag, other, "-perlevel", 1, "-vert", "3:5")
    assert done.code == 0, done.err
    assert "not on the grid" in done.err
    assert [(row["VertLevel"], row["Slice (I->S)"]) for row in folder.rows()] == expected
    assert len(expected) == 3
    for row in folder.rows():
        assert float(row["MEAN(area)"]) == pytest.approx(AREA, rel=0.01)
        assert row["Status"] == "ok", row["Reasons"]


@pytest.mark.parametrize(
    "flag", ["-vertfile", "-discfile", "-pmj", "-centerline", "-anat", "-soft"]
)
def test_a_companion_of_another_place_is_refused(folder: Folder, flag: str) -> None:
    away = AFFINE.copy()
    away[:3, 3] += 300
    data = {"-vertfile": level_map(), "-discfile": points(DISCS), "-pmj": points({59: 50})}
    other = np.random.default_rng(0).normal(size=SHAPE) if flag == "-anat" else tube()
    path = folder.saved("other", data.get(flag, other.astype(np.float32)), away)
    extra = ("-pmj-distance", 30) if flag == "-pmj" else ()
    done = folder.csa(flag, path, *extra)
    assert done.code == 1
    assert str(path) in done.err
    assert done.err.count("\n") == 1
    assert not (folder.path / "a.csv").exists()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("-z", "50:45"), 2, "write 45:50"),
        (("-vert", "5:3"), 2, "write 3:5"),
        (("-z", "70:71"), 1, "0 to 59"),
        (("-vert", "12"), 1, "Level 12 was asked for.*hold level 2:6"),
        (("-vert", "3:4", "-z", "0:5"), 1, "level 3:4 within slices 0:5.*lies in the slices 24:47"),
        (("-z", "2:5", "-normalize-PAM50", "1", "-perslice", "1"), 1, "slices of the template"),
        (("-z", "995", "-normalize-PAM50", "1", "-perslice", "1"), 1, "0 to 990"),
    ],
)
def test_a_selection_that_holds_nothing_names_what_is_there(
    folder: Folder, words: tuple[str, ...], code: int, told: str
) -> None:
    done = folder.csa("-vertfile", folder.saved("levels", level_map()), *words)
    assert done.code == code
    assert re.search(told, done.err), done.err
    assert not (folder.path / "a.csv").exists()


def test_slices_without_cord_are_refused_or_named(folder: Folder) -> None:
    mask = folder.saved("part", tube(20, 59))
    assert folder.csa("-z", "2:5", mask=mask).code == 1
    done = folder.csa("-z", "10:30", mask=mask)
    assert done.code == 0
    (row,) = folder.rows()
    assert (row["Status"], row["Reasons"]) == ("warn", "no cord in slices 10:19")
    assert "no cord in slices 10:19" in done.err


def test_a_level_of_two_vertebrae_is_named_in_row_terminal_and_json(folder: Folder) -> None:
    discs = folder.saved("discs", points({11: 6, 23: 5, 47: 3}))
    done = folder.csa("-discfile", discs, "-vert", "3", "-perlevel", 1)
    assert done.code == 0
    (row,) = folder.rows()
    assert (row["VertLevel"], row["Status"]) == ("3:4", "warn")
    assert "disc 4 is not labelled" in row["Reasons"]
    assert "level 3:4" in done.out
    record = json.loads((folder.path / "a_status.json").read_text())["Masks"][0]
    assert record["Regions"][0]["VertLevel"] == "3:4"
    whole = ("-normalize-PAM50", 1, "-perslice", 1)
    assert "disc 4" in folder.csa("-discfile", discs, *whole).err


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (points({20: 5, 21: 4, 45: 3})[:, :, ::1], "mm apart"),
        (level_map(), "-vertfile"),
        (points({20: 3, 40: 4}), "order"),
    ],
)
def test_discs_that_cannot_be_right_are_one_sentence(
    folder: Folder, data: NDArray[np.int16], told: str
) -> None:
    done = folder.csa("-discfile", folder.saved("discs", data), "-perlevel", 1)
    assert done.code == 1
    assert told in done.err
    assert len(done.err) < 300


def test_a_disc_file_as_level_map_is_refused(folder: Folder) -> None:
    done = folder.csa("-vertfile", folder.saved("discs", points(DISCS)), "-perlevel", 1)
    assert done.code == 1
    assert "-discfile" in done.err


def test_labels_stored_as_scaled_integers_are_rounded_once(folder: Folder) -> None:
    path = folder.path / "scaled.nii.gz"
    image = nib.Nifti1Image(points({z: 30000 // 10 * n for z, n in DISCS.items()}), AFFINE)
    image.header.set_slope_inter(1 / 3000.1, 0)
    nib.save(image, path)
    done = folder.csa("-discfile", path, "-perlevel", 1, "-vert", "3:5")
    assert done.code == 0, done.err
    assert done.err == ""
    assert [row["VertLevel"] for row in folder.rows()] == ["5", "4", "3"]
    wrong = folder.saved("wrong", points(DISCS).astype(np.float32) * 1.03)
    assert "no label" in folder.csa("-discfile", wrong, "-perlevel", 1).err


def test_the_distance_is_measured_from_the_junction_itself(folder: Folder) -> None:
    junction = folder.saved("pmj", points({50: 50}))
    done = folder.csa("-pmj", junction, "-pmj-distance", 40)
    assert done.code == 0, done.err
    (row,) = folder.rows()
    first, last = map(int, row["Slice (I->S)"].split(":"))
    assert (first + last) / 2 == pytest.approx(50 - 40 / 2, abs=1)  # the mask reaches above the PMJ
    assert row["Status"] == "ok"
    below = folder.saved("below", tube(0, 35))
    assert folder.csa("-pmj", junction, "-pmj-distance", 40, mask=below).code == 0
    assert abs(float(folder.rows()[0]["SUM(length)"]) - 20) < 2.5


def test_a_window_that_leaves_the_mask_is_flagged_and_counted(folder: Folder) -> None:
    junction = folder.saved("pmj", points({50: 50}))
    mask = folder.saved("part", tube(28, 55))
    done = folder.csa("-pmj", junction, "-pmj-distance", 40, mask=mask)
    assert done.code == 0
    (row,) = folder.rows()
    assert row["Status"] == "warn"
    assert f"incomplete: {float(row['SUM(length)']):.1f} of the 20 mm" in row["Reasons"]
    assert float(row["MEAN(area)"]) == pytest.approx(AREA, rel=0.01)


@pytest.mark.parametrize(
    ("at", "told"), [({50: 1, 51: 1}, "2 labelled voxels"), ({2: 1}, "below the cord")]
)
def test_an_impossible_junction_is_refused(folder: Folder, at: dict[int, int], told: str) -> None:
    mask = folder.saved("part", tube(20, 45))
    done = folder.csa("-pmj", folder.saved("pmj", points(at)), "-pmj-distance", 30, mask=mask)
    assert done.code == 1
    assert told in done.err


def test_a_map_of_labels_and_a_4d_mask_name_the_flag_that_chooses(folder: Folder) -> None:
    cord = tube()
    inner = cord.copy()
    inner[:34], inner[46:] = 0, 0
    labels = folder.saved("labels", (cord + inner).astype(np.uint8))
    series = folder.saved("series", np.stack([cord, np.roll(cord, 9, 0), cord * 0], axis=3))
    for path, flag in ((labels, "-mask-label"), (series, "-mask-volume")):
        done = folder.csa(mask=path)
        assert done.code == 1
        assert flag in done.err
    assert folder.csa("-mask-volume", 0, mask=series).code == 0
    assert float(folder.rows()[0]["MEAN(area)"]) == pytest.approx(AREA, rel=0.01)
    assert folder.csa("-mask-label", 2, mask=labels).code == 0
    assert float(folder.rows()[0]["MEAN(area)"]) < 0.7 * AREA
    assert "its labels are 1, 2" in folder.csa("-mask-label", 7, mask=labels).err
    image = folder.saved("image", np.random.default_rng(0).normal(size=SHAPE).astype(np.float32))
    words = ("qc", "-i", image, "-s", labels, "-qc", folder.path / "qc")
    assert "-mask-label" in folder.run(*words).err
    assert folder.run(*words, "-mask-label", 2).code == 0


@pytest.mark.parametrize("kind", ["inverted", "turned", "leaking"])
def test_what_is_no_cord_has_status_and_reasons_everywhere(folder: Folder, kind: str) -> None:
    data, affine = tube(), AFFINE
    if kind == "inverted":
        data = (1 - data).astype(np.uint8)
    elif kind == "turned":
        c, s = math.cos(math.radians(60)), math.sin(math.radians(60))
        turn = np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1.0]])
        affine = turn @ AFFINE
    else:
        data[10:70, 10:70, 25:30] = 1
    done = folder.csa(mask=folder.saved(kind, data, affine))
    assert done.code == 0
    (row,) = folder.rows()
    assert row["Status"] in ("warn", "fail")
    assert row["Reasons"]
    assert f"{row['Status']}: {row['Reasons'].split('; ')[0]}" in done.out
    (record,) = json.loads((folder.path / "a_status.json").read_text())["Masks"]
    assert record["Status"] == row["Status"]
    assert "; ".join(record["Reasons"]) == row["Reasons"]


def test_a_window_is_whole_beside_the_end_of_a_mask_that_does_not_cut_it(folder: Folder) -> None:
    short = folder.saved("short", tube(0, 45))
    junction = folder.saved("pmj", points({59: 50}))
    words = ("-pmj", junction, "-pmj-distance", 60)
    assert folder.csa(*words, mask=short).code == 0
    (row,) = folder.rows()
    assert (row["Slice (I->S)"], row["Status"], row["Reasons"]) == ("24:33", "ok", "")
    assert float(row["SUM(length)"]) == pytest.approx(20)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (
            ("-pmj-distance", 60, "-centerline-smooth", -5),
            2,
            "-centerline-smooth -5: give a number of at least 0",
        ),
        (("-pmj-distance", 60, "-pmj-extent", 0), 2, "-pmj-extent 0: give a length"),
        (("-pmj-distance", 60, "-pmj-extent", -5), 2, "-pmj-extent -5: give a length"),
        (("-pmj-distance", "nan"), 2, "-pmj-distance nan: give a length"),
    ],
)
def test_lengths_that_make_no_sense(
    folder: Folder, words: tuple[object, ...], code: int, told: str
) -> None:
    ended = folder.csa("-pmj", folder.saved("pmj", points({59: 50})), *words)
    assert ended.code == code
    assert told in ended.err


def test_a_mask_that_goes_on_above_the_junction_is_refused(folder: Folder) -> None:
    ended = folder.csa("-pmj", folder.saved("pmj", points({30: 50})), "-pmj-distance", 30)
    assert ended.code == 1
    assert "goes on for 58 mm above the PMJ" in ended.err


def test_nothing_is_selected_of_an_empty_mask(folder: Folder) -> None:
    ended = folder.csa("-z", "3:5", mask=folder.saved("empty", tube() * 0))
    assert (ended.code, ended.err) == (
        1,
        "Error: The mask is empty: there is no cord to measure.\n",
    )


def image() -> NDArray[np.float32]:
    noise = np.random.default_rng(5).normal(0, 4, SHAPE)
    return (60 + 40 * tube() + noise).astype(np.float32)


WRONG = {
    "an image as the mask": (image, "-i", "is an image, not a mask"),
    "an image as the centreline": (image, "-centerline", "is an image, not a mask"),
    "levels as the centreline": (level_map, "-centerline", "a map of the labels 2:6"),
    "an image as the probability": (image, "-soft", "a probability map goes from 0 to 1"),
    "percentages": (lambda: tube() * 100.0, "-soft", "divide it by 100"),
    "nothing as the probability": (lambda: tube() * 0.0, "-soft", "is 0 in all of the mask"),
    "the mask as level map": (tube, "-vertfile", "is 120 mm high, and a vertebra at most 60 mm"),
    "levels upside down": (lambda: level_map()[:, :, ::-1], "-vertfile", "upside down"),
    "levels times 100": (lambda: level_map() * 100, "-vertfile", "holds the level 600"),
    "no levels": (lambda: level_map() * 0, "-vertfile", "holds no label"),
    "a 4D level map": (
        lambda: np.stack([level_map(), 2 * level_map()], 3), "-vertfile", "save the one meant"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_a_file_of_another_kind_is_refused(folder: Folder, kind: str) -> None:
    made, flag, told = WRONG[kind]
    path = folder.saved("other", made())
    words = ("-perlevel", 1) if flag == "-vertfile" else ()
    ended = folder.csa(flag, path, *words) if flag != "-i" else folder.csa(mask=path)
    assert ended.code == 1
    assert told in ended.err
    assert not (folder.path / "a.csv").exists()


QC_WRONG = {
    "a mask as the image": ("-i", tube, "is a mask"),
    "an image as the mask": ("-s", image, "is an image, not a mask"),
    "an image as the second mask": ("-s2", image, "is an image, not a mask"),
    "percentages as the mask": ("-s", lambda: soft_tube() * 100, "Divide it by 100"),
    "percentages as the probability": ("-soft", lambda: soft_tube() * 100, "divide it by 100"),
    "nothing as the probability": ("-soft", lambda: tube() * 0.0, "is 0 in all of"),
    "levels upside down": ("-vertfile", lambda: level_map()[:, :, ::-1], "upside down"),
}


def soft_tube() -> NDArray[np.float64]:
    x, y, _ = np.indices(SHAPE)
    across = np.hypot((x - 39.4) * 0.5 / 6, (y - 39.6) * 0.5 / 4)
    return np.clip(5.5 - 5 * across, 0, 1)


@pytest.mark.parametrize("kind", QC_WRONG)
def test_qc_refuses_a_file_of_another_kind(folder: Folder, kind: str) -> None:
    flag, made, told = QC_WRONG[kind]
    files = {"-i": folder.saved("t2", image()), "-s": folder.mask}
    files[flag] = folder.saved("other", made())
    words = [word for pair in files.items() for word in pair]
    ended = folder.run("qc", *words, "-qc", folder.path / "qc")
    assert ended.code == 1
    assert told in ended.err


def test_masks_with_nan_outside_of_the_cord_are_masks(folder: Folder) -> None:
    path = folder.saved("nan", np.where(tube(), 1.0, np.nan))
    assert folder.csa(mask=path).code == 0
    (row,) = folder.rows()
    assert float(row["MEAN(area)"]) == pytest.approx(AREA, rel=0.01)
    assert row["Status"] == "ok"


def test_a_centreline_beside_the_cord_is_a_warning(folder: Folder) -> None:
    path = folder.saved("aside", np.roll(tube(), 24, axis=0))
    ended = folder.csa("-centerline", path)
    assert ended.code == 0
    assert "lies up to 12 mm beside the mask" in ended.out
    (row,) = folder.rows()
    assert row["Status"] == "warn"


def test_levels_asked_for_and_not_there_are_named(folder: Folder) -> None:
    ended = folder.csa("-vert", "4:9", "-perlevel", 1, "-vertfile", folder.saved("l", level_map()))
    assert ended.code == 0
    assert "level 7:9 was asked for and is not there" in ended.err
    assert [row["VertLevel"] for row in folder.rows()] == ["6", "5", "4"]


@pytest.mark.parametrize(
    ("flag", "code", "says"),
    [("-o", 1, "{} is the name of an image"), ("-plot", 2, "-plot {}: name a .png file")],
)
def test_a_table_or_plot_does_not_take_the_place_of_an_image(
    folder: Folder, flag: str, code: int, says: str
) -> None:
    before = folder.mask.read_bytes()
    ended = folder.csa(flag, folder.mask)
    assert ended.code == code
    assert says.format(folder.mask) in ended.err
    assert folder.mask.read_bytes() == before
