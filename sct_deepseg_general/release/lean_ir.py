"""A U-Net's graph in OpenVINO rearranged so that less of it is in memory at once.

In a decoder, the convolution of two arrays joined along the channels is the sum of a convolution
of each. Written so, they are not joined, and what comes from the encoder is convolved at once:
only the result, with half the channels, waits for the decoder. The values change by rounding only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sct_deepseg_general.inference.openvino import import_openvino

__all__ = ["PREFIX", "split_joins"]

PREFIX = "split_join"
"""How the names of the operations that `split_joins` adds begin."""


def split_joins(model: Any) -> int:
    """Replace each convolution of two joined arrays by the sum of two convolutions, in place.

    Parameters
    ----------
    model : openvino.Model
        The network, with one input of images and one output of logits.

    Returns
    -------
    int
        How many were replaced; 0 for a network without skip connections.

    Notes
    -----
    OpenVINO runs operations as late as their results allow. So that the convolution of the
    encoder's array runs at once, one number of its result, made 0, is added to what the decoder
    begins with.
    """
    found = list(_joins(model))
    if not found:
        return 0
    start = _decoder_input(found[0][0])
    waits = [_split(join, convolution) for join, convolution in found]
    begin = start.get_source_output()
    for zero in waits:
        begin = _named(_operations().add(zero, begin), "wait").output(0)
    start.replace_source_output(begin)
    model.validate_nodes_and_infer_types()
    return len(found)


def _operations() -> Any:
    return import_openvino().opset13


def _joins(model: Any) -> Iterator[tuple[Any, Any]]:
    """Each join of a decoder's array with an encoder's, and the convolution that reads it."""
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Concat" or node.get_input_size() != 2:
            continue
        readers = [port.get_node() for port in node.output(0).get_target_inputs()]
        channels = node.input_value(0).get_partial_shape()[1]
        usual = channels.is_static and _upward(node) is not None
        if usual and len(readers) == 1 and _is_convolution(readers[0]):
            yield node, readers[0]


def _is_convolution(node: Any) -> bool:
    """Whether a node is a convolution whose weights are at hand."""
    if node.get_type_name() != "Convolution":
        return False
    return bool(node.input_value(1).get_node().get_type_name() == "Constant")


def _upward(join: Any) -> Any:
    """The transposed convolution whose result, perhaps with a bias, is a join's first array."""
    node = join.input_value(0).get_node()
    if node.get_type_name() == "Add":
        node = node.input_value(0).get_node()
    return node if node.get_type_name() == "ConvolutionBackpropData" else None


def _decoder_input(deepest: Any) -> Any:
    """The port where the deepest level's transposed convolution reads the encoder's end."""
    return _upward(deepest).input(0)


def _split(join: Any, convolution: Any) -> Any:
    """Split one convolution; gives a number, 0, that is known once its second part has run."""
    operations = _operations()
    weights = convolution.input_value(1).get_node().get_data()
    channels = join.input_value(0).get_partial_shape()[1].get_length()
    settings = convolution.get_attributes()
    names = ("strides", "pads_begin", "pads_end", "dilations", "auto_pad")
    up, skip = (
        operations.convolution(
            array, operations.constant(np.ascontiguousarray(part)), *(settings[n] for n in names)
        )
        for array, part in zip(
            join.input_values(), (weights[:, :channels], weights[:, channels:]), strict=True
        )
    )
    total = _named(operations.add(up, skip), "sum")  # in this order, the sum needs no memory
    convolution.output(0).replace(total.output(0))
    rank = weights.ndim
    first = operations.slice(skip, [0] * rank, [1] * rank, [1] * rank)
    zero = operations.minimum(_named(operations.abs(_named(first, "first")), "size"), np.float32(0))
    return _named(zero, "zero")


def _named(node: Any, role: str) -> Any:
    node.set_friendly_name(f"{PREFIX}/{role}/{node.get_friendly_name()}")
    return node
