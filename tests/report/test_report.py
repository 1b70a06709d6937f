"""The page of one person, from a job on a small real image."""

import re
from dataclasses import replace

import numpy as np
import pytest

from sct_deepseg_general.job.job import Job, Request, run
from sct_deepseg_general.job.outputs import outputs_for
from sct_deepseg_general.norms.assess import Assessment, LevelPlace, NormRequest, assessed
from sct_deepseg_general.norms.centile import Calibrations
from sct_deepseg_general.norms.model import Subject
from sct_deepseg_general.report.content import LIMITS, content_of
from sct_deepseg_general.report.html import write_html
from sct_deepseg_general.report.pdf import write_pdf

SAME = Calibrations.from_record({"T2w": {"area": {"ratio": 1.0, "sd": 0.02, "people": 4}}})
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
    assert len(content.pictures) > 3
    assert all(picture.mask.any() for picture in content.pictures)


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
    assert (row.area, row.centile) == ("80.0", reason)
