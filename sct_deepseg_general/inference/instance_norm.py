"""Instance normalisation in OpenVINO as exact as in torch.

OpenVINO adds up all voxels of a channel in one float32 number. In a tile of two million voxels the
standard deviation is then wrong by up to a thousandth, in each layer. Here the sums are made in two
steps, along the first axis and then along the others, which is exact to a millionth.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["exact_norms"]


def exact_norms(network: Any) -> int:
    """Replace the instance normalisations of a network whose shapes are fixed, in place.

    Parameters
    ----------
    network : openvino.Model
        The network, after `reshape`.

    Returns
    -------
    int
        How many were replaced.
    """
    found = [node for node in network.get_ordered_ops() if node.get_type_name() == "MVN"]
    for node in found:
        node.output(0).replace(_normalised(node).output(0))
    network.validate_nodes_and_infer_types()
    return len(found)


def _normalised(node: Any) -> Any:
    """The array less its mean, divided by its standard deviation.

    OpenVINO's mean is subtracted first, without need of memory: what is left of the mean is so
    small that the variance is the mean square less its square, without loss of digits.
    """
    from openvino import opset13 as operations

    values, which = node.input_value(0), node.input_value(1)
    axes = [int(axis) for axis in which.get_node().get_data()]
    count = np.prod([values.get_shape()[axis] for axis in axes])
    smallest = np.float32(node.get_attributes()["eps"])
    near = operations.mvn(values, which, False, float(smallest), "inside_sqrt")
    mean = _in_two_steps(operations.reduce_mean, near, axes, 1.0)
    size = _in_two_steps(operations.reduce_l2, near, axes, 1 / np.sqrt(count))
    squares = operations.multiply(size, size), operations.multiply(mean, mean)
    variance = operations.add(operations.subtract(*squares), smallest)
    scale = operations.divide(np.float32(1), operations.sqrt(variance))
    return operations.multiply(operations.subtract(near, mean), scale)


def _in_two_steps(reduce: Any, values: Any, axes: list[int], scale: float) -> Any:
    """An array reduced along its first axis and then along the others, times `scale`.

    OpenVINO would join two reductions that follow one another; a product between them stays.
    """
    from openvino import opset13 as operations

    first = operations.multiply(reduce(values, axes[:1], True), np.float32(0.5))
    return operations.multiply(reduce(first, axes[1:], True), np.float32(2 * scale))
