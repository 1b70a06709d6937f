import numpy as np
import published_table as published
import pytest

from sct_deepseg_general.norms.fit import _cost, _Parameters, _terms, age_ranges, fitted
from sct_deepseg_general.norms.model import Subject
from sct_deepseg_general.norms.table import read_table


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    path = published.write_table(tmp_path_factory.mktemp("norms") / "table.tsv")
    return read_table(path)[("area", "C2-C3")]


@pytest.fixture(scope="module")
def fit(seen):
    return fitted(seen, "area", "C2-C3")


def test_what_the_table_was_made_of_comes_out(fit):
    cell = fit.cell

    def norm(age, sex):
        return cell.distribution(Subject(age, sex), "T1w")

    assert norm(50, "F").median == pytest.approx(published.MEDIAN, rel=0.03)
    slope = np.log(norm(70, "F").median / norm(30, "F").median) / 40
    assert slope == pytest.approx(published.SLOPE, abs=0.0005)
    sex = np.log(norm(50, "M").median / norm(50, "F").median)
    assert sex == pytest.approx(published.SEX, abs=0.015)
    assert cell.between == pytest.approx(published.BETWEEN, rel=0.5)
    within = np.hypot(published.SPREAD, cell.between)
    assert norm(50, "F").spread == pytest.approx(within, rel=0.1)


def test_nine_in_ten_lie_between_the_5th_and_the_95th_centile(fit, seen):
    z = [
        float(fit.cell.distribution(Subject(age, sex), "T1w").z_score(value))
        for age, sex, value in zip(seen.age, seen.sex, seen.value, strict=True)
        if 25 < age < 75
    ]
    assert np.mean(np.abs(z) < 1.645) == pytest.approx(0.9, abs=0.03)


def test_the_gradient_is_the_slope_of_the_cost(seen):
    terms = _terms(seen, ["T1w"], sorted(set(seen.dataset.tolist())))
    rng = np.random.default_rng(0)
    for skewness in (0.0, 0.7):
        at = _Parameters(
            np.array([4.2, 0.1, 0.1, -0.1, 0.2, 0.05, 0.0]),
            0.02 * rng.standard_normal(terms.datasets),
            np.array([-2.2, 0.1, 0.05]),
            skewness,
        )
        _, gradient = _cost(terms, at, 0.03)
        for index, name in enumerate(("median", "offsets", "spread")):
            start = [0, 7, 7 + terms.datasets][index]
            moved = [getattr(at, name) + sign * 1e-6 * (np.arange(len(getattr(at, name))) == 1)
                     for sign in (1, -1)]  # fmt: skip
            up, down = (
                _cost(terms, _Parameters(**{**vars(at), name: value}), 0.03)[0] for value in moved
            )
            assert gradient[start + 1] == pytest.approx((up - down) / 2e-6, rel=1e-3, abs=1e-2)
        up, down = (
            _cost(terms, _Parameters(**{**vars(at), "skewness": skewness + s}), 0.03)[0]
            for s in (1e-5, -1e-5)
        )
        assert gradient[-1] == pytest.approx((up - down) / 2e-5, rel=1e-2, abs=1e-2)


def test_a_person_with_many_sessions_counts_once(seen):
    assert seen.weight.sum() == pytest.approx(np.unique(seen.person).size)


def test_too_few_datasets_give_no_spread_between_them(seen):
    few = seen.where(np.isin(seen.dataset, ["data0", "data1"]))
    assert fitted(few, "area", "C3") is None
    assert fitted(few, "area", "C3", between=0.03).cell.between == 0.03


def test_ages_without_people_have_no_norm():
    ages = np.concatenate([np.full(20, 8.0), np.linspace(25, 70, 300)])
    first, second = age_ranges(ages + np.linspace(-0.4, 0.4, ages.size))
    assert second[0] > first[1] + 5
    assert age_ranges(np.array([30.0, 40.0])) == ()
