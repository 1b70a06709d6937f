"""A result as a picture in a notebook: three slices with the outline, and the area along it."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from html import escape

import numpy as np

from sct_deepseg_general.csa.measure import Measured
from sct_deepseg_general.csa.plot import PlotOptions, figure
from sct_deepseg_general.image.volume import Segmentation, Volume
from sct_deepseg_general.qc.display import displayed
from sct_deepseg_general.qc.mosaic import thumbnail

__all__ = ["as_html", "outlined", "plotted"]

_SIDE = 160
_COLOUR = {"ok": "#2a7d4f", "warn": "#a86a00", "fail": "#b3261e"}


def as_html(headline: str, status: str, sentences: Iterable[str], pictures: Iterable[bytes]) -> str:
    """A heading in the colour of the status, its reasons, and PNG pictures, as HTML."""
    lines = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    images = "".join(
        '<div><img alt="" style="max-width:100%" src="data:image/png;base64,'
        f'{base64.b64encode(picture).decode("ascii")}"></div>'
        for picture in pictures
    )
    colour = _COLOUR.get(status, "inherit")
    heading = f'<div style="border-left:4px solid {colour};padding-left:8px">{escape(headline)}'
    return f"<div>{heading}{f'<ul>{lines}</ul>' if lines else ''}</div>{images}</div>"


def outlined(image: Volume, mask: Volume) -> bytes:
    """Three axial slices with the outline of the mask (x, y, z; on the image's grid), as PNG."""
    from PIL import Image

    cord = Segmentation((mask.data > 0).astype(np.uint8), mask.grid)
    stream = io.BytesIO()
    Image.fromarray(thumbnail(displayed(image, cord), _SIDE)).save(stream, "PNG")
    return stream.getvalue()


def plotted(measured: Measured, options: PlotOptions) -> bytes:
    """The area in mm² along the cord, as PNG."""
    stream = io.BytesIO()
    drawn = figure(measured.morphometrics, measured.levels, options)
    drawn.savefig(stream, format="png", dpi=80)
    return stream.getvalue()
