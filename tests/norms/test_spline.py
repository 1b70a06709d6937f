import numpy as np

from sct_deepseg_general.norms.spline import columns

KNOTS = (8.0, 22.0, 40.0, 60.0, 80.0)


def test_the_curve_is_linear_beyond_the_outer_knots():
    for ages in (np.arange(0.0, 8.0), np.arange(80.0, 100.0)):
        assert np.allclose(np.diff(columns(ages, KNOTS), 2, axis=0), 0, atol=1e-12)


def test_value_slope_and_curvature_are_continuous_at_the_knots():
    step = 1e-3
    for knot in KNOTS:
        near = columns(knot + step * np.arange(-2, 3), KNOTS)
        second = np.diff(near, 2, axis=0) / step**2
        assert np.allclose(second[0], second[-1], atol=1e-5)


def test_the_columns_are_independent():
    assert np.linalg.matrix_rank(columns(np.linspace(5, 95, 50), KNOTS)) == 4
