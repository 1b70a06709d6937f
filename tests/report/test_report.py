"""The page of one person, from a job on a small real image."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser import chromium

from sct_deepseg_general.change.measure import ALL, Change, Comparison
from sct_deepseg_general.change.output import Visits
from sct_deepseg_general.change.repeat import Repeatability
from sct_deepseg_general.cli.requests.dicom import measured_areas
from sct_deepseg_general.csa.c2c3 import c2c3_of
from sct_deepseg_general.csa.measure import CsaRequest
from sct_deepseg_general.csa.selection import Selection
from sct_deepseg_general.job.job import run
from sct_deepseg_general.job.outputs import outputs_for
from sct_deepseg_general.job.values import Job, Request
from sct_deepseg_general.norms.assess import Assessment, LevelPlace, NormRequest, assessed
from sct_deepseg_general.norms.centile import Calibrations
from sct_deepseg_general.norms.model import Subject
from sct_deepseg_general.report.content import LIMITS, content_of
from sct_deepseg_general.report.html import write_html
from sct_deepseg_general.report.pdf import write_pdf

SAME = Calibrations.from_record({"T2w": {"area": {"ratio": 1.0, "sd": 0.02, "people": 4}}})
REPEAT = Repeatability(0.9, 1.0, 2.4, 8, 3)
WOMAN = NormRequest(Subject(30, "F"), "T2w")


@pytest.fixture
def done(cord, predictor):
    return run(Job(cord, outputs_for(cord)), predictor, Request())


def with_levels(done):
    """The job's result with levels C3 to C5 along the cord, and its place among the norms."""
    count = len(done.table.shapes)
    levels = np.repeat([5, 4, 3], [count // 3, count // 3, count - 2 * (count // 3)])
    found = assessed(done.table, levels, WOMAN, SAME)
    return replace(done, measured=replace(done.measured, levels=levels), norms=found)


def test_the_page_says_what_the_results_say(done):
    placed = with_levels(done)
    content = content_of(placed, "toy@1.0")
    assert content.status == done.quality.status
    assert dict(content.facts)["Model"] == "toy@1.0"
    c4 = next(row for row in content.rows if row.level == "C4")
    place = placed.norms.find("area", "C4")
    assert c4.centile.startswith(f"{place.centile:.0f} (")
    assert f"{place.median:.1f}" == c4.median
    side = {"below": "is below", "crosses": "crosses", "above": "is above"}[place.against_fifth]
    sentence = content.norms.split("The interval of the area ")[1]
    (part,) = (one for one in sentence.split("; ") if "C4" in one)
    assert part.startswith(f"{side} the 5th centile: ")
    assert len(content.pictures) > 3
    assert all(picture.mask.any() for picture in content.pictures)


def test_c2c3_has_its_interval_in_the_table_and_stands_first_where_it_was_asked_for(done):
    count = len(done.table.shapes)
    levels = np.repeat([4, 3, 2, 1], [count // 4, count // 4, count // 4, count - 3 * (count // 4)])
    measured = replace(done.measured, levels=levels)
    both = np.flatnonzero(np.isin(levels, (2, 3)))
    low, high = done.table.mean_interval(both)
    figures = f"{done.table.area[both].mean():.1f} ({low:.1f} to {high:.1f})"
    plain = content_of(replace(done, measured=measured), "toy@1.0")
    assert plain.rows[0].cells[:2] == ("C2-C3", figures)
    assert "C2-C3 area" not in dict(plain.facts)
    asked = content_of(replace(done, measured=measured, c2c3=c2c3_of(measured, ())), "toy@1.0")
    assert asked.rows[0].cells[:2] == ("C2-C3", figures)
    assert asked.facts[0] == ("C2-C3 area", figures.replace(" (", " mm² ("))


def test_c2c3_without_c1_is_the_mean_of_both_levels_as_in_the_table(done):
    count = len(done.table.shapes)
    levels = np.repeat([4, 3, 2], [count // 3, count // 6, count - count // 3 - count // 6])
    measured = replace(done.measured, levels=levels)
    both = np.flatnonzero(np.isin(levels, (2, 3)))
    (row, *_) = content_of(replace(done, measured=measured), "toy@1.0").rows
    assert row.level == "C2-C3"
    assert row.area.startswith(f"{done.table.area[both].mean():.1f} (")
    assert row.area.endswith(", partial")


def test_a_level_of_two_vertebrae_is_named_so_and_is_no_part_of_c2c3(done):
    count = len(done.table.shapes)
    levels = np.repeat([5, 3, 2, 1], [count // 4, count // 4, count // 4, count - 3 * (count // 4)])
    measured = replace(done.measured, levels=levels, covers={3: (3, 4)})
    content = content_of(replace(done, measured=measured), "toy@1.0")
    assert [row.level for row in content.rows] == ["C1", "C2", "C3-C4", "C5"]
    titles = " ".join(picture.title for picture in content.pictures)
    assert "C3-C4, " in titles
    assert "C3, " not in titles


def test_the_area_of_a_region_is_named_as_such_and_not_as_that_of_all_slices(cord, predictor, done):
    chosen = tuple(int(z) for z in done.table.slices[5:12])
    request = Request(measures=CsaRequest(Selection(slices=chosen)))
    part = run(Job(cord, outputs_for(cord)), predictor, request)
    area = done.table.area
    assert part.mean_area == pytest.approx(area[list(chosen)].mean())
    assert part.whole_area == pytest.approx(done.mean_area)
    assert abs(part.mean_area - part.whole_area) > 0.05
    shown = dict(content_of(part, "toy@1.0").facts)["Mean area"]
    assert shown.startswith(f"{part.mean_area:.1f} mm²")
    assert shown.endswith(f") of {part.region_name}")
    assert dict(content_of(done, "toy@1.0").facts)["Mean area"].endswith(") over all slices")
    (whole,) = measured_areas(part)
    assert (whole.level, whole.area) == ("", pytest.approx(part.whole_area))


def test_without_levels_the_page_says_so(done, tmp_path):
    content = content_of(replace(done, norms=Assessment(WOMAN, (), {}, "no levels")), "toy@1.0")
    assert content.rows == ()
    write_html(tmp_path / "page.html", content)
    text = (tmp_path / "page.html").read_text()
    assert "The vertebral levels are not known" in text
    assert "No centile: no levels." in text


def test_the_pdf_is_one_page(done, tmp_path):
    write_pdf(tmp_path / "page.pdf", content_of(with_levels(done), "toy@1.0"))
    data = (tmp_path / "page.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    assert len(re.findall(rb"/Type /Page\b", data)) == 1


def test_the_html_needs_no_other_file_and_escapes_names(done, tmp_path):
    content = replace(content_of(with_levels(done), "toy@1.0"), title="<script>x.nii.gz")
    write_html(tmp_path / "page.html", content)
    text = (tmp_path / "page.html").read_text()
    assert "<script" not in text
    assert LIMITS in text
    assert set(re.findall(r'(?:src|href)="([^:]*):', text)) == {"data"}


def test_a_level_without_a_norm_shows_its_reason(done):
    reason = "no norm of T2w at C4"
    norms = Assessment(WOMAN, (LevelPlace("area", "C4", 80.0, None, reason),), {})
    (row,) = content_of(replace(done, norms=norms), "toy@1.0").rows
    assert (row.level, row.area, row.centile) == ("C4", "80.0", reason)


def earlier(years=2.0, repeat=REPEAT):
    """A loss of 1 % at C3, of 6 % at C4, and of 3 % at C6, which the mask of the job lacks."""
    loss = {"C3": 1.0, "C4": 6.0, "C6": 3.0, ALL: 3.5}
    changes = tuple(Change(n, 15.0, 70.0, 70 - 0.7 * lost, None) for n, lost in loss.items())
    found = Comparison(None, changes, 0.98, None)
    return Visits(Path("before_T2w.nii.gz"), Path("now.nii.gz"), years, found, repeat, "toy@1.0")


def test_the_change_since_an_earlier_image_is_in_the_table(done):
    content = content_of(with_levels(done), "toy@1.0", earlier())
    rows = {row.level: row for row in content.rows}
    assert (rows["C3"].change, rows["C3"].yearly) == ("-1.0 (-3.4 to +1.3)", "-0.5")
    assert rows["C4"].change.startswith("-6.2 (")
    assert (rows["C6"].area, rows["C6"].change[:6]) == ("", "-3.0 (")
    assert rows["C5"].change == ""
    assert {"Change (%)", "% a year"} <= set(content.table[0])
    assert list(rows) == ["C3", "C4", "C5", "C6"]
    words = " ".join(content.change)
    assert "Change since before_T2w.nii.gz" in words
    assert "exceeds the repeat error at C4, C6 and over all that both images show." in words


@pytest.mark.parametrize(
    ("visits", "says"),
    [
        (earlier(years=None), "The dates are not known, or are the same: no change per year."),
        (earlier(repeat=None), "The repeat error of this model was not measured"),
    ],
)
def test_what_is_not_known_of_the_change_is_said(done, visits, says):
    content = content_of(with_levels(done), "toy@1.0", visits)
    assert says in " ".join(content.change)
    assert any(row.yearly for row in content.rows) == (visits.years is not None)


def test_without_an_earlier_image_there_is_no_column_of_change(done):
    assert "Change (%)" not in content_of(with_levels(done), "toy@1.0").table[0]


def test_the_pdf_with_change_and_many_reasons_is_one_page(done, tmp_path):
    content = content_of(with_levels(done), "toy@1.0", earlier(None, None))
    reasons = tuple(f"reason {n} " + "with many words " * 20 for n in range(12))
    write_pdf(tmp_path / "page.pdf", replace(content, status="fail", reasons=reasons))
    data = (tmp_path / "page.pdf").read_bytes()
    assert len(re.findall(rb"/Type /Page\b", data)) == 1


@pytest.mark.slow
def test_the_html_page_is_printed_on_one_sheet(done, tmp_path):
    program = chromium() or pytest.skip("no Chromium on this machine")
    content = content_of(with_levels(done), "toy@1.0", earlier())
    rows = tuple(replace(content.rows[0], level=f"C{n}") for n in range(13))
    write_html(tmp_path / "page.html", replace(content, rows=rows, reasons=("a reason",) * 3))
    subprocess.run(
        [program, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
         f"--user-data-dir={tmp_path / 'profile'}",
         f"--print-to-pdf={tmp_path / 'page.pdf'}", (tmp_path / "page.html").as_uri()],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    data = (tmp_path / "page.pdf").read_bytes()
    assert len(re.findall(rb"/Type\s*/Page\b", data)) == 1
