"""The CSA table of a mask, as asked for: from the mask and what goes with it to rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.csa import pam50
from sct_deepseg_general.csa.aggregate import Row, Table, aggregated, profiles
from sct_deepseg_general.csa.person import Covariates, to_average_person
from sct_deepseg_general.csa.selection import Selection, absent_levels, number_list
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.image.volume import Probability, Segmentation, Volume
from sct_deepseg_general.levels import pmj
from sct_deepseg_general.levels import slices as slice_levels
from sct_deepseg_general.levels.pmj import EXTENT
from sct_deepseg_general.morphometry import symmetry
from sct_deepseg_general.morphometry.centreline import CentrelineFit
from sct_deepseg_general.morphometry.morphometrics import Morphometrics, measure
from sct_deepseg_general.morphometry.soft_area import soft_areas

__all__ = ["PER_SLICE", "CsaRequest", "Measured", "measured", "region_of", "shapes", "tabulated"]

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]


@dataclass(frozen=True)
class CsaRequest:
    """What to measure and how to sum it up; the defaults are SCT's.

    `level_map` (a level number in each voxel) or `discs` (single voxels) say where the
    vertebral levels are; `pmj` marks the pontomedullary junction, with the cord to measure
    `pmj_distance` mm below it, `pmj_extent` mm of it; `image` adds quarters and symmetry;
    `centreline` is a mask to take the angles from, and with `only_on_centreline` the slices that
    it does not cover are left out; `soft` adds the area from a probability; `cut_levels` are
    remarks on levels that the level map may not hold whole;
    `person` brings the areas to the average person. All volumes are on the mask's grid.
    """

    selection: Selection = field(default_factory=Selection)
    angle_correction: bool = True
    fit: CentrelineFit = field(default_factory=CentrelineFit)
    level_map: Volume | None = None
    discs: Volume | None = None
    pmj: Volume | None = None
    pmj_distance: float | None = None
    pmj_extent: float = EXTENT
    image: Volume | None = None
    centreline: Volume | None = None
    only_on_centreline: bool = False
    soft: Probability | None = None
    to_pam50: bool = False
    cut_levels: Mapping[int, str] = field(default_factory=dict)
    person: Covariates | None = None


SHORT = 0.6
"""Length of an outermost level over its neighbour's below which it is taken to be cut."""

PER_SLICE = CsaRequest(Selection(per_slice=True))


@dataclass(frozen=True, eq=False)
class Measured:
    """The shape of every slice, with the areas that were asked for (`CsaRequest.person`), the level
    of each (0: none) where known, and the rows.
    """

    morphometrics: Morphometrics
    levels: Levels | None
    table: Table
    covers: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """Levels that hold more than one vertebra, as a disc between them is not labelled."""
    open_levels: Mapping[int, str] = field(default_factory=dict)
    """Levels of which a border is not known, each with a remark."""
    absent: tuple[int, ...] = ()
    """Levels that were asked for and have no row."""

    @property
    def doubled(self) -> tuple[str, ...]:
        """A sentence for each level that holds more than one vertebra."""
        return tuple(
            f"level {level} holds the levels {number_list(numbers)}: disc "
            f"{number_list(numbers[1:])} is not labelled."
            for level, numbers in self.covers.items()
        )

    @property
    def single_levels(self) -> Levels | None:
        """The level of each slice, 0 too where a level holds more than one vertebra."""
        if self.levels is None or not self.covers:
            return self.levels
        return np.where(np.isin(self.levels, list(self.covers)), 0, self.levels)


def region_of(segmentation: Volume, found: Measured, request: CsaRequest) -> Row | None:
    """The region that was asked for as one row, also where `found` has a row for each slice or
    level of it; None for the whole cord, and for slices of the template.
    """
    selection = request.selection
    bounded = selection.slices or selection.levels or request.pmj_distance is not None
    if not bounded or request.to_pam50:
        return None
    if selection.per_slice or selection.per_level:
        one = replace(request, selection=replace(selection, per_slice=False, per_level=False))
        found = tabulated(segmentation, found.morphometrics.as_measured, one)
    return found.table.rows[0] if len(found.table.rows) == 1 else None


def measured(segmentation: Volume, request: CsaRequest) -> Measured:
    """Measure a mask and combine its slices into the requested rows.

    Parameters
    ----------
    segmentation : Volume
        The mask, binary or soft, with axes (x, y, z) in any order and direction.
    request : CsaRequest
        The slices, levels or region to measure, and how.

    Returns
    -------
    Measured
        The area in mm², diameters in mm and shape of every slice, and the table of rows.

    Raises
    ------
    ImageError
        Files do not belong together, or the mask does not have the requested region.

    Examples
    --------
    >>> from sct_deepseg_general.csa.measure import CsaRequest, measured
    >>> from sct_deepseg_general.image.nifti import load_map
    >>> table = measured(load_map("t2_seg.nii.gz"), CsaRequest()).table
    >>> len(table.rows), round(table.rows[0].values[0], 1)
    (1, 75.7)
    """
    return tabulated(segmentation, shapes(segmentation, request), request)


def tabulated(segmentation: Volume, table: Morphometrics, request: CsaRequest) -> Measured:
    """The rows that `request` asks for, of a mask whose `shapes` are known.

    Raises:
        ImageError: as `measured`.
    """
    if request.person is not None:
        table = to_average_person(table, request.person)
    of_slices = _levels(segmentation, request)
    covers = slice_levels.covers_of(request.discs) if request.discs is not None else {}
    distances = pmj.distances(segmentation, request.pmj) if request.pmj else None
    selection = _selection(table, request, distances)
    measured_in, grouped = table, of_slices
    if request.to_pam50:
        if of_slices is None:
            raise ImageError("PAM50 needs to know the levels: give a level map or discs.")
        if request.pmj_distance is not None:
            raise ImageError("A distance from the PMJ is no place in PAM50: give one of them.")
        if covers:
            missing = number_list(n for numbers in covers.values() for n in numbers[1:])
            raise ImageError(f"PAM50 needs every level by itself: label disc {missing} too.")
        measured_in, grouped = pam50.normalised(table, of_slices), pam50.template_levels()
        selection = _on_template(selection, of_slices)
        distances = None
    measures = profiles(measured_in, lengths=not request.to_pam50)
    rows = aggregated(measures, selection, grouped, distances, covers, request.to_pam50)
    ends = _ends(request, table, of_slices)
    if not request.to_pam50:  # which expects levels that are cut, at both ends
        rows = _open_remarks(rows, request, ends)
    if distances is not None:
        rows = _window_remarks(rows, table, request, distances)
    absent: tuple[int, ...] = ()
    if of_slices is not None:
        absent = absent_levels(request.selection, set(of_slices[of_slices > 0].tolist()), covers)
    return Measured(table, of_slices, rows, covers, ends, absent)


def shapes(segmentation: Volume, request: CsaRequest) -> Morphometrics:
    """The shape of every slice, with what `request` adds to it.

    Raises:
        ImageError: files that do not belong together.
    """
    if request.only_on_centreline and request.centreline is not None:
        segmentation = _covered(segmentation, request.centreline)
    table = measure(segmentation, request.angle_correction, request.fit, request.centreline)
    if request.image is not None:
        table = replace(table, symmetry=symmetry.symmetries(segmentation, request.image, table))
    if request.soft is not None:
        cord = Segmentation((segmentation.data > 0).astype(np.uint8), segmentation.grid)
        if cord.data.any() and not request.soft.data[cord.data > 0].any():
            raise ImageError("The probability map is 0 in all of the mask: check that it belongs.")
        table = replace(table, soft_area=soft_areas(request.soft, cord, table))
    return table


def _covered(segmentation: Volume, centreline: Volume) -> Volume:
    """The mask without the slices where the centreline's mask holds nothing."""
    guide, mask = centreline.reoriented(AXES), segmentation.reoriented(AXES)
    within = guide.data.any(axis=(0, 1))
    if not within.any() or guide.grid.shape != mask.grid.shape:
        return segmentation  # measuring says what is wrong
    kept = replace(mask, data=np.where(within, mask.data, 0).astype(mask.data.dtype))
    return kept.reoriented(segmentation.grid.axcodes)


def _levels(segmentation: Volume, request: CsaRequest) -> Levels | None:
    if request.level_map is not None and request.discs is not None:
        raise ImageError("Levels come from a level map or from discs: give one of them.")
    if request.discs is not None:
        return slice_levels.from_discs(request.discs, segmentation, request.centreline)
    return slice_levels.from_levels(request.level_map) if request.level_map is not None else None


def _selection(table: Morphometrics, request: CsaRequest, distances: Floats | None) -> Selection:
    selection = request.selection
    if distances is None or request.pmj_distance is None or selection.each_slice:
        return selection
    if not table.slices.size:
        raise ImageError("The mask is empty: there is no cord below the PMJ.")
    slices = pmj.slices_at(request.pmj_distance, distances, table.slices, request.pmj_extent)
    if selection.slices:
        both = tuple(z for z in slices if z in set(selection.slices))
        if not both:
            raise ImageError(
                f"{request.pmj_distance:g} mm from the PMJ lies in the slices "
                f"{number_list(slices)}, of which -z {number_list(selection.slices)} holds none."
            )
        slices = both
    return replace(selection, slices=slices, pmj_distance=request.pmj_distance)


def _ends(request: CsaRequest, table: Morphometrics, of_slices: Levels | None) -> dict[int, str]:
    """The levels of the mask that have no border at one end, each with a remark."""
    if of_slices is None:
        return {}
    ends = request.cut_levels
    if request.discs is not None:
        ends = slice_levels.open_levels(request.discs)
    elif request.level_map is not None:
        ends = {**_unlabelled(table, of_slices), **ends}
    return {level: remark for level, remark in ends.items() if level in of_slices}


def _unlabelled(table: Morphometrics, of_slices: Levels) -> dict[int, str]:
    """Levels of a map that are cut: by cord without a level inside of the map, or at its ends."""
    held, labelled = table.slices, np.flatnonzero(of_slices)
    if not held.size or not labelled.size:
        return {}
    inside = held[(of_slices[held] == 0) & (held > labelled[0]) & (held < labelled[-1])]
    beside = of_slices[np.concatenate([inside - 1, inside + 1])]
    cut = {int(n): f"level {n} may be cut: cord beside it has no level" for n in beside if n}
    mm = {
        int(n): int((of_slices[held] == n).sum()) * table.spacing[2]
        for n in np.unique(of_slices[held])
        if n
    }
    numbers = list(mm)
    pairs = [(numbers[0], numbers[1]), (numbers[-1], numbers[-2])] if len(mm) > 1 else []
    for end, neighbour in pairs:
        if mm[end] < SHORT * mm[neighbour]:
            lengths = f"it is {mm[end]:g} mm long, and level {neighbour} {mm[neighbour]:g} mm"
            cut[end] = f"level {end} may be cut: {lengths}"
    return cut


def _open_remarks(rows: Table, request: CsaRequest, ends: Mapping[int, str]) -> Table:
    """The rows, with a remark where a level has no border at one end."""
    if request.selection.each_slice or not ends:
        return rows
    marked = (
        replace(row, remarks=(*row.remarks, *(ends[n] for n in row.levels if n in ends)))
        for row in rows.rows
    )
    return replace(rows, rows=tuple(marked))


def _window_remarks(
    rows: Table, table: Morphometrics, request: CsaRequest, distances: Floats
) -> Table:
    """The rows, with a remark where the mask does not cover the window below the PMJ."""
    distance, extent = request.pmj_distance, request.pmj_extent
    if distance is None or request.selection.per_slice or request.selection.per_level:
        return rows
    marked = []
    for row in rows.rows:
        missing = pmj.missing_length(distance, distances, row.slices, extent)
        length = float(np.nansum(table.column("length")[list(row.slices)]))
        remark = f"incomplete: {length:.1f} of the {extent:g} mm asked for"
        marked.append(replace(row, remarks=(*row.remarks, remark)) if missing else row)
    return replace(rows, rows=tuple(marked))


def _on_template(selection: Selection, of_slices: Levels) -> Selection:
    wanted = selection.levels or tuple(int(n) for n in np.unique(of_slices[of_slices > 0]))
    return replace(selection, levels=wanted, per_slice=True)
