"""The probability that every number of an image is right: a logistic regression on the evidence.

Fit it on people left out of the network's training: what the network says of images that it was
trained on is too sure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sct_deepseg_general.levels.doubt import Evidence, weighed
from sct_deepseg_general.levels.record import Certainty

__all__ = ["fitted"]


def fitted(evidence: Sequence[Evidence], right: Sequence[bool], ridge: float = 0.3) -> Certainty:
    """Fit the weights of `levels.doubt.probability`.

    Parameters
    ----------
    evidence
        What was found in each image, at least two.
    right
        Whether every number was right, for each.
    ridge
        The penalty on the squared weight, of a figure with a standard deviation of 1; the
        constant has none.

    Returns
    -------
    Certainty
        The constant and the weight of the most likely logistic regression, rounded to 0.0001.

    Raises
    ------
    ValueError
        All are right, or none: no limit can be learned.

    Examples
    --------
    >>> from sct_deepseg_general.level_training.certainty import fitted
    >>> certainty = fitted(evidence, right)  # doctest: +SKIP
    """
    from scipy.optimize import minimize

    known = np.array(right, np.bool_)
    if known.all() or not known.any():
        raise ValueError("A certainty is fitted on images with right and with wrong numbers.")
    values = np.array([weighed(one) for one in evidence])
    middle, spread = values.mean(), values.std() + 1e-9
    scaled = np.column_stack([(values - middle) / spread, np.ones(len(values))])
    sign = np.where(known, 1.0, -1.0)

    def cost(weights: np.ndarray) -> tuple[float, np.ndarray]:
        off = np.logaddexp(0, -sign * (scaled @ weights))
        slope = -sign * np.exp(-np.logaddexp(0, sign * (scaled @ weights)))
        penalty = np.append(weights[:-1], 0.0)
        return float(off.sum() + ridge / 2 * (penalty**2).sum()), slope @ scaled + ridge * penalty

    found = minimize(cost, np.zeros(scaled.shape[1]), jac=True, method="L-BFGS-B").x
    weight, constant = found[0] / spread, found[1] - found[0] / spread * middle
    return Certainty(constant=round(float(constant), 4), margin=round(float(weight), 4))
