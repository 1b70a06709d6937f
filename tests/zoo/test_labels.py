"""Labels mean what nnU-Net means by them."""

from __future__ import annotations

import pytest

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.zoo.labels import Label, LabelScheme, label_scheme


def test_classes_are_channels_in_the_order_of_their_values() -> None:
    scheme = label_scheme({"b": 2, "background": 0, "a": 1}, None, "file")
    assert scheme == LabelScheme((Label("a", (1,)), Label("b", (2,))), None)
    assert scheme.channels == 3
    assert (scheme.channel("a"), scheme.channel("b")) == (1, 2)


def test_a_list_of_one_value_is_that_value() -> None:
    assert label_scheme({"background": 0, "sc": (1,)}, None, "file") == label_scheme(
        {"background": 0, "sc": 1}, None, "file"
    )


def test_regions_are_channels_in_the_order_of_the_file() -> None:
    scheme = label_scheme({"background": 0, "sc": (1, 2), "lesion": 2}, (1, 2), "file")
    assert scheme == LabelScheme((Label("sc", (1, 2)), Label("lesion", (2,))), (1, 2))
    assert scheme.channels == 2
    assert scheme.channel("lesion") == 1


def test_what_is_ignored_has_no_channel() -> None:
    scheme = label_scheme({"background": 0, "a": 1, "ignore": 2}, None, "file")
    assert (scheme.names, scheme.channels) == (("a",), 2)


@pytest.mark.parametrize("name", ["sc", "SC", "spinal_cord"])
def test_the_cord_is_known_by_its_name(name: str) -> None:
    scheme = label_scheme({"background": 0, "canal": 1, name: 2}, None, "file")
    assert scheme.cord == Label(name, (2,))
    assert label_scheme({"background": 0, "lesion": 1}, None, "file").cord is None


@pytest.mark.parametrize(
    ("labels", "order", "message"),
    [
        ({"sc": 1}, None, "background"),
        ({"background": 1, "sc": 0}, None, "background"),
        ({"background": 0}, None, "at least one more"),
        ({"background": 0, "sc": 2}, None, "without gaps"),
        ({"background": 0, "ignore": 1, "sc": 2}, None, "largest"),
        ({"background": 0, "ignore": 1}, None, "other than background"),
        ({"background": 0, "sc": (1, 2), "lesion": 2}, None, "regions_class_order"),
        ({"background": 0, "sc": (1, 2), "lesion": 2}, (1,), "regions_class_order"),
        ({"background": 0, "a": 1, "b": 1}, None, "two labels"),
        ({"background": 0, **{str(n): n for n in range(1, 257)}}, None, "without gaps"),
    ],
)
def test_labels_that_make_no_sense_are_refused(
    labels: dict[str, int | tuple[int, ...]], order: tuple[int, ...] | None, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        label_scheme(labels, order, "file")


def test_an_unknown_label_names_the_known_ones() -> None:
    scheme = label_scheme({"background": 0, "gm": 1, "wm": 2}, None, "file")
    with pytest.raises(ModelError, match="no label 'csf'; its labels are gm, wm"):
        scheme.label("csf")
