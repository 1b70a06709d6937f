"""Qualitative rows: one axial slice of a case, with the reference and every model's outline."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.image.volume import Segmentation, Volume

__all__ = ["comparison_row", "worst_slice"]

_RAS = ("R", "A", "S")
_HALF = 20.0  # mm shown on each side of the cord
Plane = NDArray[np.float64]


def comparison_row(
    image: Volume, reference: Segmentation, predictions: Mapping[str, Segmentation], dice: float
) -> bytes:
    """A PNG: the bare image, the reference's outline, then each model's, seen from below.

    All on one grid. The slice is the one with the most disagreement over the models.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    image, reference = image.reoriented(_RAS), reference.reoriented(_RAS)
    masks = {name: one.reoriented(_RAS).data for name, one in predictions.items()}
    z = worst_slice(reference.data, list(masks.values()))
    window = _window(reference, z)
    panels = {"image": None, "reference": reference.data, **masks}
    figure = Figure(figsize=(1.55 * len(panels), 1.95), dpi=110)
    for number, (title, mask) in enumerate(panels.items()):
        axes = figure.add_axes(((number + 0.02) / len(panels), 0.01, 0.96 / len(panels), 0.79))
        plane = _radiological(image.data[window][..., z].astype(float))
        low, high = np.percentile(plane, [1, 99.5])
        aspect = image.grid.spacing[1] / image.grid.spacing[0]
        axes.imshow(plane, cmap="gray", vmin=low, vmax=high, aspect=aspect)
        outline = None if mask is None else _radiological(mask[window][..., z].astype(float))
        if outline is not None and outline.min() < outline.max():
            color = "#39d353" if title == "reference" else "#ff5c5c"
            axes.contour(outline, [0.5], colors=color, linewidths=1.1)
        axes.set_title(title, fontsize=7)
        axes.set_axis_off()
    figure.suptitle(f"slice {z}, general model's Dice {dice:.3f}", fontsize=7)
    out = io.BytesIO()
    FigureCanvasAgg(figure).print_png(out, metadata={"Software": None})
    return out.getvalue()


def worst_slice(reference: NDArray[np.uint8], masks: list[NDArray[np.uint8]]) -> int:
    """The slice (third axis) with reference in it on which the masks differ most from it."""
    differing = sum(((mask > 0) != (reference > 0)).sum(axis=(0, 1)) for mask in masks) + np.zeros(
        reference.shape[2]
    )
    differing[~reference.any(axis=(0, 1))] = -1
    return int(np.argmax(differing))


def _window(reference: Segmentation, z: int) -> tuple[slice, slice]:
    inside = np.argwhere(reference.data[..., z] > 0)
    centre = inside.mean(axis=0) if inside.size else np.array(reference.grid.shape[:2]) / 2
    half = _HALF / np.array(reference.grid.spacing[:2])
    low = np.maximum(0, np.floor(centre - half)).astype(int)
    high = np.ceil(centre + half).astype(int) + 1
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def _radiological(plane: Plane) -> Plane:
    """Radiological view: anterior on top, the person's right on the left of the picture."""
    seen: Plane = plane.T[::-1, ::-1]
    return seen
