"""The labels of a network: which output channel is which structure, and the values in a map.

nnU-Net knows two kinds of networks. With classes that exclude each other, the channels are the
background and then the labels in the order of their values, and the largest channel wins. With
overlapping regions, each channel is one region with a probability of its own; the map is painted
with the values of `regions_class_order`, later regions over earlier ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sct_deepseg_general.errors import ModelError

__all__ = ["CORD_NAMES", "Label", "LabelScheme", "label_scheme"]

CORD_NAMES = ("sc", "cord", "spinal_cord", "spinalcord", "sc_seg")
"""Names of the label that is the spinal cord, in lower case."""
_BACKGROUND, _IGNORE = "background", "ignore"
_LARGEST = 255


@dataclass(frozen=True)
class Label:
    """A structure, and the values in the label map that belong to it (several for a region)."""

    name: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class LabelScheme:
    """The labels of a network in the order of its channels, without background and ignore."""

    labels: tuple[Label, ...]
    painted: tuple[int, ...] | None
    """The value painted for each region, in order; None for classes that exclude each other."""

    @property
    def channels(self) -> int:
        """Number of output channels of the network."""
        return len(self.labels) + (self.painted is None)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the labels."""
        return tuple(label.name for label in self.labels)

    @property
    def cord(self) -> Label | None:
        """The label that is the spinal cord by its name, or None.

        The label of a network with only one is not taken for the cord unless it is named so.
        """
        return next((label for label in self.labels if label.name.lower() in CORD_NAMES), None)

    def label(self, name: str) -> Label:
        """The label of this name.

        Raises
        ------
        ModelError
            There is none.
        """
        for label in self.labels:
            if label.name == name:
                return label
        raise ModelError(f"The model has no label '{name}'; its labels are {_list(self.names)}.")

    def channel(self, name: str) -> int:
        """The index of the label's output channel."""
        return self.labels.index(self.label(name)) + (self.painted is None)


def label_scheme(
    labels: Mapping[str, int | tuple[int, ...]], order: tuple[int, ...] | None, where: str
) -> LabelScheme:
    """Interpret the `labels` and the `regions_class_order` of a dataset.json as nnU-Net does.

    Parameters
    ----------
    labels : mapping
        Values by name. A label with more than one value makes all labels regions; a list of one
        value is the same as the value.
    order : tuple of int or None
        The value painted for each region; used only where there are regions.
    where : str
        The name of the file, for messages.

    Raises
    ------
    ModelError
        The labels have no background 0, are not consecutive, or regions lack their order.
    """
    values = {name: _values(value) for name, value in labels.items()}
    if values.get(_BACKGROUND) != (0,) or len(values) < 2:
        raise ModelError(f"{where}: labels must hold 'background' 0 and at least one more label.")
    everything = sorted({one for value in values.values() for one in value})
    if everything != list(range(len(everything))) or everything[-1] > _LARGEST:
        raise ModelError(f"{where}: labels must have the values 0, 1, 2 and so on, without gaps.")
    ignored = values.pop(_IGNORE, None)
    if ignored is not None and ignored != (everything[-1],):
        raise ModelError(f"{where}: labels must give 'ignore' the largest value.")
    named = [Label(name, value) for name, value in values.items() if value != (0,)]
    if not named:
        raise ModelError(f"{where}: labels must hold a label other than background and ignore.")
    if any(len(label.values) > 1 for label in named):
        return LabelScheme(tuple(named), _painted(order, named, where))
    if len({label.values for label in named}) != len(named):
        raise ModelError(f"{where}: labels must not give one value to two labels.")
    return LabelScheme(tuple(sorted(named, key=lambda label: label.values)), None)


def _values(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)


def _painted(order: tuple[int, ...] | None, named: list[Label], where: str) -> tuple[int, ...]:
    if order is None or len(order) != len(named):
        raise ModelError(
            f"{where}: regions_class_order must hold one value for each of the {len(named)} "
            f"regions ({_list(label.name for label in named)})."
        )
    return order


def _list(names: object) -> str:
    return ", ".join(map(str, names))  # type: ignore[call-overload]
