"""Training examples: what is to be said of a row belongs to what is seen there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from necks import FOLDER, TABLE, cord, known_discs, neck

from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.level_training.crops import ROWS, Example, Mix, example
from sct_deepseg_general.level_training.degradation import thick_slices
from sct_deepseg_general.level_training.painting import Spine, painted, remapped
from sct_deepseg_general.level_training.subjects import TrainingSubject, levels_at, subject_of
from sct_deepseg_general.level_training.table import read_table
from sct_deepseg_general.levels.course import course_of
from sct_deepseg_general.levels.strip import channels

PLAIN = Mix(paint=0.0, remap=0.0, thick=0.0, upside_down=0.0, no_spine=0.0)


def subject(*, exact: bool = True) -> TrainingSubject:
    (known,) = read_table(TABLE)
    return subject_of(neck(), course_of(cord()), known, exact=exact)


def examples(mix: Mix, count: int = 12) -> list[Example]:
    rng = np.random.default_rng(0)
    own = subject()
    return [example(own, mix, rng) for _ in range(count)]


def test_the_table_is_read() -> None:
    (known,) = read_table(TABLE)
    assert known.image == "levels/neck_T2w.nii.gz"
    assert known.person == "neck"
    assert known.numbers.tolist() == [3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    "text", ["", "image\tdisc\na\t3\n", "image\tdisc\tx_mm\ty_mm\tz_mm\na\tx\t1\t1\t1\n"]
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "discs.tsv"
    path.write_text(text, encoding="utf-8")
    if not text:
        assert read_table(path) == ()
        return
    with pytest.raises(DatasetError, match="no disc table"):
        read_table(path)


def test_levels_are_whole_at_discs_and_go_on_above() -> None:
    own = subject()
    levels, known = levels_at(own.rows, own)
    np.testing.assert_allclose(levels, own.numbers)
    assert known.all()
    above, _ = levels_at(own.rows[:1] + 16.0, own)
    assert 1.9 < above[0] < 2.3


def test_a_row_with_a_disc_reads_its_number() -> None:
    for one in examples(PLAIN):
        rows = np.flatnonzero((one.disc > 0.95) & (one.weight > 0))
        level = one.level[rows] * 10
        np.testing.assert_allclose(level, np.rint(level), atol=0.06)
        top = np.flatnonzero(one.c2c3 > 0.95)
        np.testing.assert_allclose(one.level[top] * 10, 3, atol=0.06)


def test_nothing_is_asked_where_nothing_is_seen() -> None:
    for one in examples(Mix()):
        assert one.image.shape[:2] == (3, ROWS)
        assert np.isfinite(one.image).all()
        unseen = ~one.image[2].any(axis=1)
        assert (one.weight[unseen] == 0).all()


def test_upside_down_there_are_discs_without_numbers() -> None:
    for one in examples(Mix(upside_down=1.0), 4):
        assert one.numbered == 0
        assert one.c2c3.max() < 1e-6
    assert max(one.disc.max() for one in examples(Mix(upside_down=1.0), 4)) > 0.9


def test_without_a_spine_there_is_no_disc() -> None:
    for one in examples(Mix(upside_down=0.0, no_spine=1.0), 4):
        assert one.disc.max() < 1e-6
        assert one.c2c3.max() < 1e-6


def test_discs_that_are_not_exact_count_half() -> None:
    rng = np.random.default_rng(1)
    one = example(subject(exact=False), PLAIN, rng)
    assert set(np.unique(one.weight)) <= {0.0, 0.5}


def test_the_same_seed_gives_the_same_example() -> None:
    first, second = (example(subject(), Mix(), np.random.default_rng(7)) for _ in range(2))
    assert (first.image == second.image).all()
    assert (first.level == second.level).all()


def test_at_run_time_the_strip_looks_as_in_training() -> None:
    from sct_deepseg_general.level_training.subjects import BACK
    from sct_deepseg_general.levels.course import course_of
    from sct_deepseg_general.levels.strip import COLUMNS, strip_of

    own = subject().strip()[:, COLUMNS[0] - BACK : COLUMNS[1] - BACK + 1]
    seen = strip_of(neck(), course_of(cord())).data
    np.testing.assert_allclose(channels(own.astype(np.float32)), channels(seen), atol=2e-3)


def spine() -> Spine:
    return Spine(
        np.array([20.0, 37.0, 54.0]),
        np.array([5, 4, 3]),
        np.full(3, 7.0),
        np.arange(-14, 45, dtype=np.float64),
    )


def test_paint_parts_discs_from_vertebrae() -> None:
    rng = np.random.default_rng(3)
    apart = []
    for _ in range(20):
        image = painted(np.full((80, 59), 0.5), spine(), rng)
        disc, bone = image[37, 24:30].mean(), image[45, 24:30].mean()
        apart.append(abs(disc - bone))
    assert np.median(apart) > 0.1


def test_a_mapping_keeps_equal_greys_equal() -> None:
    image = np.tile(np.linspace(0, 1, 9), (4, 1))
    made = remapped(image, np.random.default_rng(0))
    assert (made == made[0]).all()
    assert made.min() >= 0
    assert made.max() <= 1


def test_thick_slices_keep_the_mean_and_lose_detail() -> None:
    image = np.random.default_rng(0).normal(1, 0.2, (120, 59))
    thick = thick_slices(image, 6.0, 0.1, np.random.default_rng(1))
    assert thick.shape == image.shape
    assert thick.mean() == pytest.approx(image.mean(), abs=0.02)
    assert thick.std() < 0.6 * image.std()


def test_the_sample_folder_holds_what_the_table_names() -> None:
    (known,) = read_table(TABLE)
    assert (FOLDER.parent / known.image).is_file()
    assert set(known_discs()) == set(known.numbers.tolist())
