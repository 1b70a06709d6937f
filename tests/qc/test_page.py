# ruff: noqa: E501  # lines of JavaScript are clearer whole
"""The page in a real browser, opened from the file system: keys, marks, filters, volume, safety."""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser import PATIENCE, Browser, chromium
from PIL import Image
from qc_phantoms import INTERVAL, REAL, areas, cord, entry, real_entry

from sct_deepseg_general.qc.entry import ShownLabel, add_entry
from sct_deepseg_general.qc.folder import PAGE, QcRow, refresh

pytestmark = pytest.mark.skipif(
    chromium() is None,
    reason="needs Chromium: apt-get install chromium, or set CHROMIUM to its path",
)

HOSTILE = "<script>window.hacked=1</script>"
HOSTILE_TOO = '"><img src=x onerror="window.hacked=2">'


def entries():
    """30 entries: 4 real ones, 25 phantoms of which one is far from the others, one hostile."""
    for i, name in enumerate(REAL):
        yield real_entry(
            name, status=("ok", "warn", "fail", "ok")[i], reasons=("look",) * (i in (1, 2))
        )
    for seed in range(25):
        contrast = ("T1w", "T2w")[seed % 2]
        factor = 2.5 if seed == 10 else 1
        mask = cord(radius=4.2 + 0.05 * (seed % 9))[1]
        yield entry(seed, contrast=contrast, csa=areas(mask, factor), site=f"site{seed % 3}")
    image, mask, _ = cord()
    yield entry(99, image=image, segmentation=mask, other=mask, other_csa=areas(mask, 0.9), subject=HOSTILE,
                dataset=HOSTILE_TOO, contrast=HOSTILE_TOO, input_name='a "b"\n.nii.gz', command=HOSTILE,
                reasons=(HOSTILE_TOO,), site=HOSTILE, model=HOSTILE_TOO, version=HOSTILE)  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    for number, one in enumerate(entries()):
        add_entry(folder, one, volume=number < 2)
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.fixture
def page(browser, report):
    """The report freshly opened; afterwards nothing has failed and nothing was asked elsewhere."""
    browser.open(report / PAGE)
    browser.js("localStorage.clear(), qc.marks.restore(), qc.list.refresh()")
    yield browser
    assert browser.errors == []
    assert {url.split(":")[0] for url in browser.requests} <= {"file", "data", "blob"}
    assert browser.js("window.hacked") is None


def selected(page):
    return page.js("qc.list.state.selected.id")


def shown(page):
    return page.js("qc.list.state.shown.map((e) => [e.subject, e.contrast, e.status, e.csa])")


def mark(page):
    return page.js("qc.marks.get(qc.list.state.selected.id)")


def choose(page, subject, contrast=None):
    page.js(
        f"qc.list.select(qc.data.rows.find((e) => e.subject === {json.dumps(subject)} && "
        f"({json.dumps(contrast)} === null || e.contrast === {json.dumps(contrast)})))"
    )
    page.until("qc.entry.state.view !== null && document.querySelector('.mosaic') !== null")


def put(page, field, value):
    page.js(
        f"(() => {{ const e = document.getElementById('{field}'); e.value = {json.dumps(value)};"
        "for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind, {bubbles: true})); })()"
    )
    page.settle()


def pixels(page):
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)


def test_it_shows_the_newest_of_thirty_entries_with_every_view(page):
    assert page.js("qc.data.rows.length") == 30
    page.until("document.querySelector('.mosaic') !== null")
    assert page.js("document.querySelectorAll('.section svg, .curve svg').length") == 3
    assert page.js("document.querySelectorAll('.tile').length") == 24
    page.until(
        "[...document.querySelectorAll('#rows img')].slice(0, 5).every((i) => i.naturalWidth === 144)"
    )
    facts = page.js("document.querySelector('.facts').innerText")
    for word in ("CSA", "Confidence", "Dice", "Voxel", "Model", "Version", "Time"):
        assert word in facts
    choose(page, "sub-sct", "T2w")
    assert "60 × 55 × 52" in page.js("document.querySelector('.facts').innerText")
    assert "sub-sct_T2w.nii.gz" in page.js("document.querySelector('.made').innerText")


def test_arrows_move_and_f_cycles_the_mark_and_digits_rank(page):
    first = selected(page)
    page.press("ArrowDown", "ArrowDown", "ArrowUp")
    second = selected(page)
    assert second != first
    page.press("k")
    assert selected(page) == first
    page.press("j")
    assert selected(page) == second
    found = []
    for _ in range(4):
        page.press("f")
        found.append(mark(page)["mark"])
    assert found == ["pass", "fail", "artifact", ""]
    page.press("7")
    assert mark(page)["rank"] == 7
    page.press("End")
    assert selected(page) == page.js("qc.list.state.shown.at(-1).id")
    page.press("Home")
    assert selected(page) == first


def test_a_note_is_written_and_searched(page):
    choose(page, "sub-24")
    page.press("f", "n")
    page.type("motion in <b>C5</b>")
    page.press("Enter", "/")
    assert page.js("document.activeElement.id") == "search"
    page.type("motion c5")
    page.settle()
    assert page.js("qc.list.state.shown.length") == 1
    assert page.js("document.activeElement.id") == "search"
    page.press("Escape")
    page.press("ArrowDown")
    assert mark(page) == {"mark": "pass", "rank": None, "note": "motion in <b>C5</b>"}


def test_keys_toggle_image_contour_filled_probability_and_box(page):
    choose(page, "sub-24")
    style = "(s, p) => getComputedStyle(document.querySelector(s))[p]"
    assert page.js(f"({style})('.tile .outline', 'fill')") == "none"
    page.press("ArrowRight")
    assert page.js(f"({style})('.tile .outline', 'fill')") == "rgb(255, 92, 56)"
    page.press("ArrowRight")
    assert page.js(f"({style})('.tile .outline', 'display')") == "none"
    page.press("ArrowRight", "p")
    assert page.js(f"({style})('.tile .heat', 'display')") == "inline"
    assert page.js(f"({style})('.section .box', 'display')") == "inline"
    page.press("b")
    assert page.js(f"({style})('.section .box', 'display')") == "none"
    before = page.js("document.querySelector('.tile').clientWidth")
    page.press("d")
    assert page.js("document.querySelector('.tile').clientWidth") > 1.4 * before


def test_contour_filled_and_heat_change_the_pixels(page):
    choose(page, "sub-24")
    page.press("ArrowLeft")
    plain = pixels(page)
    page.press("ArrowRight", "ArrowRight")
    filled = pixels(page)
    page.press("p")
    heat = pixels(page)
    assert (np.abs(filled - plain).sum(axis=2) > 60).sum() > 5000
    assert (np.abs(heat - filled).sum(axis=2) > 60).sum() > 5000


def test_the_curve_has_its_interval_levels_and_flagged_slices(page):
    choose(page, "sub-24")
    wide = "(s) => document.querySelector(s).getBoundingClientRect()"
    band, line = page.js(f"['.csa .interval', '.csa .first'].map((s) => ({wide})(s).width)")
    assert band > line + 5
    assert page.js("[...document.querySelectorAll('.csa .levelname')].map((t) => t.textContent)") == [
        "C5", "C4", "C3", "C2"]  # fmt: skip
    assert page.js("document.querySelectorAll('.csa .flagged').length") == 1
    assert page.js("document.querySelectorAll('.tile.flagged').length") == 1
    assert page.js("document.querySelectorAll('.csa .tick').length") >= 3
    facts = dict(
        page.js(
            "[...document.querySelectorAll('.facts dt')].map((t) => [t.textContent, t.nextSibling.textContent])"
        )
    )
    assert facts["Interval"] == f"{INTERVAL[0]:.1f} to {INTERVAL[1]:.1f} mm²"


def test_a_slice_is_marked_in_every_view(page):
    choose(page, "sub-24")
    page.js("document.querySelector('.tile[data-slice=\"12\"]').click()")
    assert page.js("document.querySelector('.tile.current').dataset.slice") == "12"
    assert page.js(
        "[...document.querySelectorAll('.cursor')].every((l) => l.getAttribute('visibility') === 'visible')"
    )
    readout = page.js("document.getElementById('readout').textContent")
    assert readout.startswith("Slice 12 · C3 · ")
    assert " to " in readout
    page.press(",")
    assert page.js("document.querySelector('.tile.current').dataset.slice") == "13"


def test_filters_by_status_dataset_subject_and_contrast(page):
    put(page, "filter-status", "=fail")
    assert [row[:3] for row in shown(page)] == [["sub-sct", "MTS", "fail"]]
    put(page, "filter-status", "")
    put(page, "filter-dataset", "=scttesting")
    assert len(shown(page)) == 4
    put(page, "filter-dataset", "")
    put(page, "filter-contrast", "=T1w")
    assert len(shown(page)) == 13
    put(page, "filter-subject", "sub-1")
    assert {row[0] for row in shown(page)} == {"sub-10", "sub-12", "sub-14", "sub-16", "sub-18"}
    put(page, "filter-mark", "fail")
    assert shown(page) == []
    assert "No entry matches" in page.js("document.getElementById('rows').innerText")


def test_every_column_sorts_both_ways(page):
    keys = page.js("[...document.querySelectorAll('#sort option')].map((o) => o.value)")
    assert {"status", "csa", "confidence", "dataset", "subject", "contrast", "dice", "date"} <= set(
        keys
    )
    for key in keys:
        put(page, "sort", key)
        assert page.js("qc.list.state.shown.length") == 30
    page.click("[data-sort=csa]")
    rising = [row[3] for row in shown(page)]
    assert rising == sorted(rising)
    page.click("[data-sort=csa]")
    assert [row[3] for row in shown(page)] == sorted(rising, reverse=True)
    assert page.js("document.querySelector('[aria-sort=descending]').innerText").startswith("CSA")
    page.click("[data-sort=status]")
    assert [row[2] for row in shown(page)[:2]] == ["fail", "warn"]


def saved(folder, name):
    end = time.monotonic() + PATIENCE
    while not (folder / name).exists() or (folder / name).suffix == ".crdownload":
        assert time.monotonic() < end, f"{name} was not saved"
        time.sleep(0.05)
    time.sleep(0.1)
    return (folder / name).read_text("utf-8")


def test_marks_are_saved_as_scts_lists_and_loaded_again(page, tmp_path):
    page.save_into(tmp_path)
    for subject, kind in (
        ("sub-03", "fail"),
        ("sub-05", "fail"),
        (HOSTILE, "fail"),
        ("sub-07", "artifact"),
    ):
        choose(page, subject)
        page.js(f"document.querySelector('[data-mark={kind}]').click()")
    choose(page, "sub-03")
    page.js(
        "qc.marks.set(qc.list.state.selected.id, {note: 'blurred\\n- injected.nii.gz', rank: 2})"
    )
    page.click("#marks-open")
    page.click("#save-fail")
    text = saved(tmp_path, "qc_fail.yml")
    assert text == (
        "FILES_SEG:\n"
        "    - phantom/sub-03/anat/sub-03_T2w.nii.gz # blurred - injected.nii.gz\n"
        "    - phantom/sub-05/anat/sub-05_T2w.nii.gz\n"
        '    - "a \\"b\\"\\n.nii.gz"\n'
    )
    page.click("#save-artifact")
    assert "sub-07_T2w.nii.gz" in saved(tmp_path, "qc_artifact.yml")
    page.click("#save-json")
    assert saved(tmp_path, "qc_marks.json")
    with contextlib.suppress(ImportError):
        import yaml

        assert yaml.safe_load(text)["FILES_SEG"][2] == 'a "b"\n.nii.gz'

    page.js("localStorage.clear(), document.getElementById('marks').close()")
    page.reload()
    count = "['pass', 'fail', 'artifact'].map(qc.marks.count)"
    assert page.js(count) == [0, 0, 0]
    page.js("qc.marks.dialog()")
    page.pick("#marks-file", tmp_path / "qc_fail.yml", tmp_path / "qc_artifact.yml")
    page.until(f"String({count}) === '0,3,1'")
    page.pick("#marks-file", tmp_path / "qc_marks.json")
    choose(page, "sub-03")
    assert mark(page) == {"mark": "fail", "rank": 2, "note": "blurred\n- injected.nii.gz"}
    page.reload()
    assert page.js(count) == [0, 3, 1]


def test_a_list_with_nothing_and_a_file_that_is_none(page, tmp_path):
    assert page.js("qc.marks.yaml('pass')") == "# No rows matched\n[]\n"
    (tmp_path / "qc_marks.json").write_text('{"marks": {"nobody": {"mark": "fail"}, "x": 3}}')
    (tmp_path / "broken.json").write_text("{")
    page.js("qc.marks.dialog()")
    page.pick("#marks-file", tmp_path / "qc_marks.json", tmp_path / "broken.json")
    page.until("document.querySelector('.said').textContent.includes('cannot be read')")
    assert page.js("qc.marks.count('fail')") == 0


def test_the_volume_opens_scrolls_and_shows_the_cord_in_3d(page):
    choose(page, "sub-sct", "MTS")
    if page.js("document.getElementById('open-viewer') === null"):
        page.press("ArrowDown")
    choose(page, "sub-sct", "T2w")
    page.press("v")
    page.until("document.getElementById('viewer').dataset.ready !== undefined", 60)
    page.settle()
    first = pixels(page)
    assert (first.max(axis=2) > 60).sum() > 20_000
    red = (first[..., 0] > first[..., 1] + 40).sum()
    assert red > 300
    page.press("o")
    page.settle()
    without = pixels(page)
    assert (without[..., 0] > without[..., 1] + 40).sum() < red / 2
    page.press("o")
    place = page.js("document.getElementById('viewer-place').textContent")
    assert "mask 1" in place
    x, y = page.js(
        "(() => { const b = document.getElementById('viewer-canvas').getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 3]; })()"
    )
    for kind in ("mousePressed", "mouseReleased"):
        page.mouse(kind, x, y, button="left", clickCount=1)
    page.settle()
    moved = pixels(page)
    assert page.js("document.getElementById('viewer-place').textContent") != place
    assert (np.abs(moved - first).sum(axis=2) > 60).sum() > 500
    page.press("5")
    page.settle()
    solid = pixels(page)
    assert ((solid[..., 0] > 90) & (solid[..., 1] < 60)).sum() > 1000
    page.js("document.getElementById('viewer-close').click()")
    assert page.js("document.getElementById('viewer').open") is False


def banded(count):
    """An entry whose mask is cut into labels along the cord."""
    one = real_entry(REAL[0])
    mask = one.segmentation
    up = next(axis for axis, code in enumerate(mask.grid.axcodes) if code in "IS")
    labels = []
    for number, part in enumerate(np.array_split(np.arange(mask.grid.shape[up]), count)):
        data = np.zeros_like(mask.data)
        np.moveaxis(data, up, 0)[part] = np.moveaxis(mask.data, up, 0)[part]
        name = HOSTILE_TOO if number == 1 else f"lvl{number + 2}"
        labels.append(ShownLabel(name, replace(mask, data=data)))
    return replace(one, labels=tuple(labels), csa=())


def test_each_label_has_its_colour_in_a_legend_the_pictures_and_the_volume(browser, tmp_path):
    add_entry(tmp_path, banded(14))
    browser.open(tmp_path / PAGE)
    browser.until("document.querySelector('.mosaic') !== null")
    names = browser.js(
        "[...document.querySelectorAll('.legend.labels > span')].map((e) => e.textContent.trim())"
    )
    assert names == ["lvl2", HOSTILE_TOO, *(f"lvl{n + 2}" for n in range(2, 14))]
    colours = browser.js(
        "[...document.querySelectorAll('.legend.labels i')].map((e) => getComputedStyle(e).backgroundColor)"
    )
    assert len(set(colours)) == 14
    drawn = browser.js(
        "[...document.querySelectorAll('.section .outline')].map((e) => getComputedStyle(e).stroke)"
    )
    assert set(drawn) == set(colours)
    assert browser.js("document.querySelector('.outline.mask') === null")
    assert set(
        browser.js(
            "[...document.querySelectorAll('.tile .outline')].map((e) => getComputedStyle(e).stroke)"
        )
    ) <= set(colours)
    browser.press("v")
    browser.until("document.getElementById('viewer').dataset.ready !== undefined", 60)
    browser.settle()
    assert browser.js("document.getElementById('viewer-layer').value") == "labels"
    assert "labels " in browser.js("document.getElementById('viewer-place').textContent")
    seen = pixels(browser)
    red, green, blue = (seen[..., n] for n in range(3))
    for one, other, third in ((red, green, blue), (green, red, blue), (blue, red, green)):
        assert ((one > other + 30) & (one > third + 30)).sum() > 100
    browser.js("document.getElementById('viewer-close').click()")
    assert browser.errors == []
    assert browser.js("window.hacked") is None


def test_an_entry_without_volume_offers_none(page):
    choose(page, "sub-20")
    assert page.js("document.getElementById('open-viewer')") is None


def test_the_group_page_links_its_outlier(page):
    page.press("g")
    assert page.js("location.hash") == "#group"
    rows = page.js("[...document.querySelectorAll('#outliers tbody tr')].map((r) => r.innerText)")
    assert len(rows) == 1
    assert rows[0].startswith("sub-10\tT1w\tphantom\tT1w")
    for by, groups in (("level", 4), ("site", 5), ("dataset", 3), ("contrast", 5)):
        put(page, "group-by", by)
        assert page.js("document.querySelectorAll('.quartiles').length") == groups, by
    put(page, "group-measure", "C3")
    assert page.js("document.querySelectorAll('svg .outlier').length") == 1
    page.js("document.querySelector('#outliers a').click()")
    page.until(
        "qc.list.state.selected.subject === 'sub-10' && !document.getElementById('entries').hidden"
    )


def test_text_from_a_stranger_stays_text(page):
    choose(page, HOSTILE)
    assert page.js("document.querySelector('.who h2').innerText").startswith(HOSTILE)
    assert HOSTILE_TOO in page.js("document.querySelector('.reasons').innerText")
    page.press("g")
    for by in ("site", "model", "dataset", "contrast"):
        put(page, "group-by", by)
    assert page.js("document.querySelectorAll('img[src=x], main script').length") == 0
    assert page.js("window.hacked") is None


def test_the_policy_stops_what_escaping_would_miss(browser, report):
    browser.open(report / PAGE)
    attempts = {
        "inline": "const s = document.createElement('script'); s.textContent = 'window.hacked=3'; document.head.append(s)",
        "markup": "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hacked=4\">')",
        "evaluation": "new Function('window.hacked=5')()",
        "outside": "await fetch('https://example.org/')",
        "handler": "document.body.setAttribute('onclick', 'window.hacked=6'); document.body.click()",
        "script": "const s = document.createElement('script'); s.src = 'https://example.org/x.js'; document.head.append(s)",
    }
    for name, code in attempts.items():
        browser.js(
            f"(async () => {{ try {{ {code} }} catch (error) {{ return String(error); }} }})()"
        )
        assert browser.js("window.hacked") is None, name
    picture = "new Promise((r) => { const i = new Image(); i.onerror = () => r('stopped'); i.onload = () => r('loaded'); i.src = 'https://example.org/i.png'; })"
    assert browser.js(picture) == "stopped"
    assert any("Content Security Policy" in error for error in browser.errors)


def test_colours_contrast_in_both_themes(page):
    ratio = """(dark) => {
      document.documentElement.dataset.theme = dark ? 'dark' : 'light';
      const style = getComputedStyle(document.documentElement);
      const light = (name) => {
        const hex = style.getPropertyValue(name).trim();
        const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
          .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const pairs = [['--ink', '--panel'], ['--ink', '--page'], ['--soft', '--panel'], ['--soft', '--page'], ['--soft', '--raised'],
        ['--accent', '--panel'], ['--accent', '--accent-soft'], ['--accent-ink', '--accent'],
        ['--ok', '--ok-soft'], ['--warn', '--warn-soft'], ['--fail', '--fail-soft'], ['--ok', '--panel'], ['--warn', '--panel'], ['--fail', '--panel']];
      return pairs.map(([a, b]) => { const [x, y] = [light(a), light(b)].sort(); return [a, b, (y + 0.05) / (x + 0.05)]; });
    }"""
    for dark in ("false", "true"):
        low = [pair for pair in page.js(f"({ratio})({dark})") if pair[2] < 4.5]
        assert low == []
    page.js("delete document.documentElement.dataset.theme")


def test_everything_has_a_name_for_those_who_do_not_see_it(page):
    choose(page, "sub-24")
    page.settle()
    nameless = page.js(
        "[...document.querySelectorAll('button, select, input, a[href], main svg[role=img], img')].filter((e) =>"
        "!(e.innerText || '').trim() && !e.getAttribute('aria-label') && e.getAttribute('alt') === null).map((e) => e.outerHTML.slice(0, 120))"
    )
    assert nameless == []
    assert page.js(
        "document.getElementById('list').getAttribute('aria-activedescendant')"
    ) == page.js("document.querySelector('[aria-selected=true]').id")
    order = []
    page.js("document.querySelector('.skip').focus()")
    for _ in range(16):
        page.press("Tab")
        order.append(
            page.js(
                "document.activeElement.id || document.activeElement.className || document.activeElement.textContent"
            )
        )
    places = [
        order.index(name) for name in ("tab-entries", "marks-open", "search", "filter-status")
    ]
    assert places == sorted(places)


def test_it_prints_the_entry_alone(page):
    choose(page, "sub-24")
    page.call("Emulation.setEmulatedMedia", media="print")
    visible = "(s) => document.querySelector(s).getClientRects().length > 0"
    assert not page.js(f"({visible})('#browse')")
    assert not page.js(f"({visible})('#bar')")
    assert page.js(f"({visible})('.mosaic')")
    page.call("Emulation.setEmulatedMedia", media="")
    assert page.pdf().startswith(b"%PDF")


def test_another_run_on_the_same_image_hides_the_earlier_one(browser, tmp_path):
    add_entry(tmp_path, entry(1), volume=False)
    add_entry(tmp_path, entry(1, status="warn"), volume=False)
    browser.open(tmp_path / PAGE)
    assert shown(browser)[0][2] == "warn"
    assert len(shown(browser)) == 1
    browser.click("#earlier")
    browser.until("qc.list.state.shown.length === 2")


def test_a_result_made_again_keeps_the_mark_until_it_is_marked_anew(browser, tmp_path):
    def another(**given):
        add_entry(tmp_path, entry(1, mask_name="out/seg.nii.gz", **given), volume=False)
        browser.open(tmp_path / PAGE)
        return browser.js("qc.list.state.shown.length")

    assert another() == 1
    browser.press("f", "f", "7")
    browser.js("qc.marks.set(qc.list.state.selected.id, {note: 'low'})")
    assert another(model="cord@2.0.0", csa=()) == 1
    assert mark(browser) == {"mark": "fail", "rank": 7, "note": "low"}
    browser.until("document.getElementById('inherited') !== null")
    assert browser.js("document.getElementById('inherited').textContent").startswith("from an")
    assert browser.js("qc.marks.count('fail')") == 1
    assert browser.js("qc.marks.yaml('fail').match(/nii/g).length") == 1
    browser.press("f", "f")
    browser.js("qc.marks.set(qc.list.state.selected.id, {rank: null, note: ''})")
    browser.reload()
    assert mark(browser) == {"mark": "", "rank": None, "note": ""}
    assert browser.js("document.getElementById('inherited')") is None
    assert browser.js("qc.marks.yaml('fail')") == "# No rows matched\n[]\n"
    assert browser.errors == []


def test_two_masks_of_one_image_are_two_entries(browser, tmp_path):
    for name in ("ours.nii.gz", "theirs.nii.gz"):
        add_entry(tmp_path, entry(1, mask_name=name), volume=False)
    browser.open(tmp_path / PAGE)
    assert len(shown(browser)) == 2
    browser.until("document.querySelector('.made') !== null")
    assert "theirs.nii.gz" in browser.js("document.querySelector('.made').innerText")


def test_an_entry_whose_files_are_gone_says_so(browser, tmp_path):
    add_entry(tmp_path, entry(1), volume=False)
    (found,) = (tmp_path / "entries").iterdir()
    for path in found.iterdir():
        if path.name != "entry.json":
            path.unlink()
    browser.open(tmp_path / PAGE)
    browser.until("document.querySelector('.notice')?.textContent.includes('missing')")


@pytest.fixture(scope="module")
def ten_thousand(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    add_entry(folder, entry(), volume=False)
    (first,) = (folder / "entries").iterdir()
    values = dict(
        zip(QcRow.__dataclass_fields__, json.loads((first / "entry.json").read_text()), strict=True)
    )
    base = QcRow(**values)
    rng = np.random.default_rng(0)
    for n in range(10_000):
        status = "warn" if n % 9 == 0 else "fail" if n % 31 == 0 else "ok"
        one = replace(base, id=f"20250101T{n:012}-{n:08x}", key=f"{n:016x}", subject=f"sub-{n:05}", input=f"sub-{n:05}_T2w.nii.gz",
                      contrast=("T1w", "T2w", "T2star")[n % 3], status=status, csa=round(float(rng.normal(75, 7)), 2),
                      reasons=("the area jumps between slices at 12",) * (status != "ok"))  # fmt: skip
        place = folder / "entries" / one.id
        place.mkdir()
        (place / "entry.json").write_text(json.dumps(list(vars(one).values())))
        os.link(first / "thumb.webp", place / "thumb.webp")
        os.link(first / "view.js", place / "view.js")
    refresh(folder)
    return folder


def busy_for(browser, action):
    """The least processor time, of three, that the page needs for `action`."""
    times = []
    for _ in range(3):
        before = browser.busy()
        action()
        after = browser.busy()
        times.append(after - before if after > before else after)  # a new page counts from 0
    return min(times)


def test_ten_thousand_entries_are_there_within_two_seconds(browser, ten_thousand):
    browser.leave()
    assert busy_for(browser, lambda: browser.open(ten_thousand / PAGE)) < 2
    assert browser.js("qc.data.rows.length") == 10_001
    browser.settle()
    assert 5 < browser.js("document.querySelectorAll('.row').length") < 60
    for code in (
        "qc.list.move(1)",
        "document.getElementById('search').value = 'sub-0777', qc.list.refresh()",
        "document.getElementById('search').value = '', qc.list.refresh()",
        "document.querySelector('[data-sort=csa]').click()",
    ):
        assert busy_for(browser, lambda code=code: (browser.js(code), browser.settle())) < 0.5, code


def test_of_ten_thousand_only_the_pictures_in_sight_are_loaded(browser, ten_thousand):
    browser.open(ten_thousand / PAGE)
    browser.requests.clear()
    browser.js("document.getElementById('list').scrollTop = 200000")
    browser.until("document.querySelector('.row')?.getAttribute('aria-rowindex') > 4000")
    browser.until("[...document.querySelectorAll('#rows img')].some((i) => i.naturalWidth === 144)")
    assert browser.js("document.querySelectorAll('#rows img').length") < 60
    assert len({url for url in browser.requests if url.endswith("thumb.webp")}) < 120
    browser.press("g")
    assert 0 < browser.js("document.querySelectorAll('svg .member').length") < 2000
    assert browser.errors == []


def test_the_page_as_published_names_no_other_place():
    assets = Path(__file__).parents[2] / "sct_deepseg_general" / "qc" / "assets"
    for path in assets.iterdir():
        if path.is_file():
            text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
            assert "://" not in text, path.name
            assert "innerHTML" not in text
            assert "eval(" not in text
    policy = (assets / PAGE).read_text("utf-8")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
