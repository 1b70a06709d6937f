"""What `segment` and `measure` return: masks, areas, the quality check, tables and pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from sct_deepseg_general.api.arguments import numbers
from sct_deepseg_general.api.centiles import centile_rows
from sct_deepseg_general.api.image import ResultImage
from sct_deepseg_general.api.picture import as_html, outlined, plotted
from sct_deepseg_general.api.rows import By, Rows, as_rows, framed
from sct_deepseg_general.api.typed import typed
from sct_deepseg_general.api.words import in_python, python_words
from sct_deepseg_general.csa.measure import CsaRequest, Measured, tabulated
from sct_deepseg_general.csa.plot import PlotOptions, draw
from sct_deepseg_general.csa.selection import Selection
from sct_deepseg_general.errors import ArgumentError, ImageError
from sct_deepseg_general.image.volume import Probability, Volume
from sct_deepseg_general.levels.pmj import EXTENT
from sct_deepseg_general.norms.assess import Assessment
from sct_deepseg_general.norms.columns import with_norms
from sct_deepseg_general.quality.findings import Quality, Status

__all__ = ["CordResult", "Parts", "SavePlace"]


@dataclass(frozen=True)
class SavePlace:
    """Where a result is saved, and what of it."""

    folder: Path
    name: str
    overwrite: bool | str | Sequence[str]
    soft: bool


@dataclass(frozen=True, eq=False)
class Parts:
    """What a result is made of."""

    name: str
    mask: Volume
    measured: Measured
    request: CsaRequest
    quality: Quality
    save: Callable[[SavePlace, Measured], dict[str, Path]]
    probability: Probability | None = None
    image: Volume | None = None
    labels: tuple[tuple[str, Volume], ...] = ()
    warnings: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    """Why the levels are not known, where they were asked for."""
    norms: Assessment | None = None
    """Where the levels lie among healthy people, where it was asked for."""


class CordResult:
    """A mask with its areas and the check of its quality; `segment` and `measure` make it.

    Examples
    --------
    >>> from sct_deepseg_general import segment
    >>> result = segment("neck.nii.gz", levels="auto")
    >>> result
    <Result of neck.nii.gz: ok, mean area 64.2 mm² (57.1 to 71.2), 97 slices>
    >>> result.status, result.reasons
    ('ok', ())
    >>> round(result.mean_area(level=(2, 3)), 1)
    68.9
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @property
    def mask(self) -> ResultImage:
        """The cord: 1 inside, 0 outside (uint8), on the grid of the image. In the result of
        `measure`, the mask that was given.
        """
        return ResultImage(self._parts.mask, "Mask")

    @property
    def probability(self) -> ResultImage | None:
        """The probability of cord (float32, 0 to 1) on the grid of the image; None where a mask
        was measured without one.
        """
        found = self._parts.probability
        return None if found is None else ResultImage(found, "Probability")

    @property
    def labels(self) -> dict[str, ResultImage]:
        """A mask (uint8) of each label of a model with several labels; empty otherwise."""
        return {name: ResultImage(mask, f"Mask of {name}") for name, mask in self._parts.labels}

    @property
    def status(self) -> Status:
        """The result of the check: "ok", "warn" (look at it first) or "fail" (do not use it)."""
        return self._parts.quality.status

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the status is not "ok", in words."""
        return in_python(self._parts.quality.reasons)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What else to know: of files on another grid, and of the vertebral levels."""
        withheld = self._parts.withheld
        told = [f"the levels are withheld: {'; '.join(withheld)}"] if withheld else []
        return in_python([*self._parts.warnings, *told, *self._parts.measured.doubled])

    @property
    def confidence(self) -> float:
        """The mean probability inside the mask, from 0 to 1; NaN without a probability."""
        return self._parts.quality.confidence

    @property
    def interval(self) -> tuple[float, float] | None:
        """The interval of `mean_area()` in mm², which holds the reference area 9 times in 10;
        None where it is not known.
        """
        return self._parts.measured.morphometrics.mean_interval()

    @property
    def repeat_interval(self) -> tuple[float, float] | None:
        """Where `mean_area()` of a second scan of the same person would lie 9 times in 10, in mm²;
        None where the model's record does not say.
        """
        return self._parts.measured.morphometrics.mean_repeat(self.mean_area())

    def mean_area(
        self,
        level: int | Sequence[int] | None = None,
        slices: Sequence[int] | None = None,
        pmj_distance: float | None = None,
        pmj_extent: float = EXTENT,
    ) -> float:
        """The mean cross-sectional area in mm², of all slices or of a region.

        Parameters
        ----------
        level : int or sequence of int, optional
            Vertebral levels: 2 is C2, 8 is T1.
        slices : sequence of int, optional
            Slices, counted from the lowest of the image, from 0.
        pmj_distance : float, optional
            Distance in mm from the pontomedullary junction to the centre of the region.
        pmj_extent : float
            Length in mm of that region along the cord.

        Returns
        -------
        float
            The area in mm²; NaN where the mask holds no cord.

        Raises
        ------
        ImageError
            The region is not in the mask, or its levels are not known.

        Examples
        --------
        >>> from sct_deepseg_general import measure
        >>> result = measure("neck_seg.nii.gz", image="neck.nii.gz", levels="auto")
        >>> round(result.mean_area(), 1), round(result.mean_area(level=3), 1)
        (73.2, 77.3)
        """
        rows = self._rows("region", level, slices, pmj_distance, pmj_extent)
        area = rows[0]["area"] if rows else None
        return float("nan") if area is None else float(area)

    def table(
        self,
        by: By = "slice",
        *,
        level: int | Sequence[int] | None = None,
        slices: Sequence[int] | None = None,
        pmj_distance: float | None = None,
        pmj_extent: float = EXTENT,
    ) -> Rows:
        """The area and shape of each slice with cord, of each level, or of one region.

        Parameters
        ----------
        by : {"slice", "level", "region"}
            What a row is about.
        level, slices, pmj_distance, pmj_extent
            The region, as for `mean_area`.

        Returns
        -------
        pandas.DataFrame or list of dict
            A data frame where pandas is installed. Areas are in mm², diameters and lengths in mm,
            angles in degrees. "area" is the column "MEAN(area)" of the CSV file, "area_std" is
            "STD(area)", "length" is "SUM(length)"; "area_lower" and "area_upper" are the interval.
            Where age and sex were given, rows of levels and regions also have "area_centile" and
            "area_zscore".

        Raises
        ------
        ImageError
            The region is not in the mask, or its levels are not known.

        Examples
        --------
        >>> from sct_deepseg_general import segment
        >>> table = segment("neck.nii.gz", levels="auto").table("level", level=(2, 3))
        >>> len(table), list(table)[:3]
        (2, ['level', 'slices', 'remarks'])
        """
        return framed(self._rows(by, level, slices, pmj_distance, pmj_extent))

    def centiles(self) -> Rows:
        """Where the levels lie among healthy people of that age, sex and contrast.

        Returns
        -------
        pandas.DataFrame or list of dict
            A row for each vertebral level that is whole in the image, and for C2 and C3 together
            ("C2-C3"), and each measure ("area" in mm², "diameter_AP" and "diameter_RL" in mm):
            "value" is the measured one; "centile" and its interval are from 0 to 100; "z_score" is
            in standard deviations; "norm_median" is that of the norm; "reason" says why there is
            no centile. `warnings` says why there is no row.

        Raises
        ------
        ArgumentError
            `segment` or `measure` was called without age and sex.

        Examples
        --------
        >>> from sct_deepseg_general import segment
        >>> found = segment("neck.nii.gz", age=34, sex="F", contrast="T2w").centiles()
        >>> list(found)[:4]
        ['level', 'measure', 'value', 'centile']
        """
        return framed(centile_rows(self._parts.norms))

    @typed(ax="an axis of matplotlib")
    def plot(self, ax: Axes | None = None, title: str | None = None) -> Axes:
        """Draw the area along the cord, with its interval, its levels and the norm.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default in a new figure.
        title : str, optional
            What stands above it; by default the name of the image.

        Returns
        -------
        matplotlib.axes.Axes
            The axes, with slices from inferior to superior and the area in mm².

        Examples
        --------
        >>> from sct_deepseg_general import measure
        >>> measure("t2_seg.nii.gz").plot().get_ylabel()
        'CSA (mm²)'
        """
        if ax is None:
            from matplotlib import pyplot as plt

            _, ax = plt.subplots(figsize=PlotOptions().size, layout="constrained")
        measured = self._parts.measured
        draw(ax, measured.morphometrics, measured.levels, self._plot_options(title))
        return ax

    @typed(
        folder="the path of a folder",
        name="a file name without folders",
        by='"slice", "level" or "region"',
        overwrite="True, False, or the names of masks",
    )
    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        name: str | None = None,
        by: By = "slice",
        level: int | Sequence[int] | None = None,
        soft: bool = False,
        overwrite: bool | str | Sequence[str] = False,
    ) -> dict[str, Path]:
        """Write the files that the command writes: all of them, or none.

        Parameters
        ----------
        folder : str or os.PathLike
            Where to; it is made if it does not exist.
        name : str, optional
            The beginning of the files' names; by default that of the image.
        by, level
            The rows of the table of areas, as for `table`.
        soft : bool
            Also write the probability.
        overwrite : bool, str or sequence of str
            Replace existing files. A mask that was edited, or made by another program, is replaced
            only if its name is given here.

        Returns
        -------
        dict of str to Path
            The files by what they are: "mask", "table", "sidecar", "probability", "discs".

        Raises
        ------
        OutputError
            A file exists, or cannot be written.

        Examples
        --------
        >>> from sct_deepseg_general import segment
        >>> files = segment("t2.nii.gz").save("results")
        >>> sorted(path.name for path in files.values())
        ['t2_seg.json', 't2_seg.nii.gz', 't2_seg_csa.csv']
        """
        place = SavePlace(Path(folder), name or self._parts.name, overwrite, soft)
        with python_words():
            place.folder.mkdir(parents=True, exist_ok=True)
            request = replace(self._parts.request, selection=self._selection(by, level, None))
            measured = self._parts.measured
            return self._parts.save(place, self._tabulated(request, measured))

    def __repr__(self) -> str:
        return f"<Result of {self._headline()}>"

    def _repr_html_(self) -> str:
        parts = self._parts
        pictures = [plotted(parts.measured, self._plot_options(None))]
        if parts.image is not None:
            pictures.insert(0, outlined(parts.image, parts.mask))
        sentences = (*self.reasons, *self.warnings)
        return as_html(self._headline(), self.status, sentences, pictures)

    def _headline(self) -> str:
        table, interval = self._parts.measured.morphometrics, self.interval
        count = len(self.reasons)
        why = f" ({count} reason{'s' if count > 1 else ''})" if count else ""
        if not table.slices.size:
            return f"{self._parts.name}: {self.status}{why}, no cord"
        area = f"mean area {self.mean_area():.1f} mm²"
        between = "" if interval is None else f" ({interval[0]:.1f} to {interval[1]:.1f})"
        return (
            f"{self._parts.name}: {self.status}{why}, {area}{between}, {table.slices.size} slices"
        )

    def _plot_options(self, title: str | None) -> PlotOptions:
        norms = self._parts.norms
        return PlotOptions(
            title=self._parts.name if title is None else title,
            flagged=self._parts.quality.flagged,
            covers=self._parts.measured.covers,
            bands={} if norms is None else norms.plotted(),
            band_label="" if norms is None else norms.whose,
        )

    def _rows(
        self,
        by: By,
        level: int | Sequence[int] | None,
        slices: Sequence[int] | None,
        pmj_distance: float | None,
        pmj_extent: float,
    ) -> list[dict[str, Any]]:
        parts = self._parts
        if pmj_distance is not None and parts.request.pmj is None:
            raise ArgumentError("pmj_distance needs to know where the junction is: give pmj.")
        request = replace(
            parts.request,
            selection=self._selection(by, level, slices),
            pmj_distance=pmj_distance,
            pmj_extent=pmj_extent,
        )
        if not parts.measured.morphometrics.slices.size:
            return []
        with python_words():
            found = self._tabulated(request, parts.measured)
        return as_rows(found.table, by, with_levels=parts.measured.levels is not None)

    def _selection(
        self, by: By, level: int | Sequence[int] | None, slices: Sequence[int] | None
    ) -> Selection:
        if by not in ("slice", "level", "region"):
            raise ArgumentError(f'by={by!r}: choose "slice", "level" or "region".')
        levels = numbers(level, "level")
        if (levels or by == "level") and self._parts.measured.levels is None:
            raise ImageError(self._without_levels())
        return Selection(
            slices=numbers(slices, "slices"),
            levels=levels,
            per_slice=by == "slice",
            per_level=by == "level",
        )

    def _without_levels(self) -> str:
        withheld = in_python(self._parts.withheld)
        if withheld:
            return f"The levels are withheld: {'; '.join(withheld)}."
        return 'The levels are not known: give levels="auto" with an image, a map, or discs.'

    def _tabulated(self, request: CsaRequest, measured: Measured) -> Measured:
        """The rows that a request asks for, those of several slices with their centiles."""
        found = tabulated(self._parts.mask, measured.morphometrics, request)
        norms = self._parts.norms
        if norms is None or not norms.places or request.selection.each_slice:
            return found
        return replace(found, table=with_norms(found.table, norms))
