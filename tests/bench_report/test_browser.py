"""report.html opened, used and looked at in a real browser."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench_report.browser import Browser, browser
from bench_report.made import HEIGHT, NAMES, WIDTH, made_pictures, made_results
from ncodec.bench.report import palette
from ncodec.bench.report.write import write_report
from ncodec.bench.results import read_results
from ncodec.bench.selection import latest

VARIANTS = {
    "desktop-light": {},
    "desktop-dark": {"dark": True},
    "phone-light": {"width": 390, "height": 844, "phone": True},
    "phone-dark": {"width": 390, "height": 844, "phone": True, "dark": True},
}
SCREENSHOTS = "NCODEC_SCREENSHOTS"
"""Environment variable: a folder to look at them in."""
KEYS = {"left": "\ue012", "up": "\ue013", "right": "\ue014", "down": "\ue015", "escape": "\ue00c", "tab": "\ue004"}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With pictures and the page made of them."""
    folder = tmp_path_factory.mktemp("report")
    results = made_results(folder / "results.jsonl", pictures=("scene-a.png", "scene-b.png"))
    write_report(latest(read_results(results)), made_pictures(folder / "pictures"), folder, "dncnn-then-avif420")
    return folder


@pytest.fixture
def page(chromium: Browser, folder: Path) -> Iterator[Browser]:
    """Fresh, at a desktop's size; the console must have been silent in the end."""
    chromium.open(folder / "report.html")
    yield chromium
    assert chromium.errors() == []


def middles(page: Browser) -> list[tuple[float, float, float]]:
    """Of the stage's two layers and of every small picture: what is in the middle, and the magnification."""
    return page.js("""
        return [...document.querySelectorAll('.frame img')].map((image) => {
            const frame = image.closest('.frame').getBoundingClientRect();
            const shown = image.getBoundingClientRect();
            const scale = shown.width / image.naturalWidth;
            const [x, y] = [frame.x + frame.width / 2 - shown.x, frame.y + frame.height / 2 - shown.y];
            return [x / scale, y / scale, scale];
        })""")


@pytest.mark.parametrize("name", VARIANTS)
def test_the_page_looks_right_at_every_size_and_theme(name: str, chromium: Browser, folder: Path):
    chromium.open(folder / "report.html", **VARIANTS[name])
    picture = chromium.whole_page()
    keep(name, picture)
    assert chromium.errors() == []
    assert chromium.js("return document.documentElement.scrollWidth <= innerWidth")
    brightness = np.asarray(Image.open(io.BytesIO(picture)).convert("L")).mean()
    assert brightness < 90 if VARIANTS[name].get("dark") else brightness > 190


def keep(name: str, picture: bytes) -> None:
    target = os.environ.get(SCREENSHOTS)
    if target:
        Path(target).mkdir(parents=True, exist_ok=True)
        (Path(target) / f"{name}.png").write_bytes(picture)


def test_the_stage_shows_the_very_pixels(page: Browser, folder: Path):
    shown = page.pixels(page.find("#stage")).astype(int)
    noisy, denoised = (
        np.asarray(Image.open(next((folder / "pictures" / "scene-a").glob(f"{name}*.png")))).astype(int)
        for name in ("noisy", "ncodec-denoised-5")
    )
    assert shown.shape == noisy.shape
    inner = slice(1, -1)  # the frame's own edge may fall between two dots
    assert np.abs(shown - noisy)[inner, 1 : WIDTH // 2 - 42].max() <= 1  # the handle and its shadow are between
    assert np.abs(shown - denoised)[inner, WIDTH // 2 + 42 : -1].max() <= 1


def test_the_slider_moves_with_the_keys(page: Browser):
    before = page.pixels(page.find("#stage"))
    page.keys(page.find("#wipe"), *[KEYS["right"]] * 40)
    assert float(page.find("#wipe").get_property("value")) == pytest.approx(70)
    after = page.pixels(page.find("#stage"))
    changed = np.nonzero((before != after).any(axis=(0, 2)))[0]
    assert changed.min() >= 0.5 * WIDTH - 25
    assert changed.max() <= 0.7 * WIDTH + 25


def test_the_slider_moves_with_the_mouse(page: Browser):
    page.drag(page.find(".divider"), (0, 0), (-WIDTH // 4, 0))
    assert float(page.find("#wipe").get_property("value")) == pytest.approx(25, abs=1)
    assert page.js("return document.activeElement.id") == "wipe"
    page.drag(page.find(".divider"), (0, 0), (-300, 0))
    assert float(page.find("#wipe").get_property("value")) == 0


def test_zoom_is_the_same_everywhere(page: Browser):
    scales = {round(scale, 4) for _, _, scale in middles(page)}
    assert scales == {1.0}
    for expected in (2.0, 4.0, 8.0):
        page.find("#zoom-in").click()
        found = middles(page)
        assert len(found) == 7
        assert {round(scale, 4) for _, _, scale in found} == {expected}
        assert np.ptp(np.array(found), axis=0).max() <= 1  # one place in the middle of all
    assert page.find("#zoom-level").text == "800 %"
    page.find("#zoom-out").click()
    assert page.find("#zoom-level").text == "400 %"
    page.find("#zoom-fit").click()
    assert page.find("#zoom-level").text == "100 %"


def test_zoom_ends_where_a_pixel_is_large(page: Browser):
    for _ in range(9):
        page.find("#zoom-in").click()
    assert page.find("#zoom-level").text == "1600 %"
    assert page.js("return getComputedStyle(document.getElementById('left-image')).imageRendering") == "pixelated"


def test_a_drag_moves_all_pictures(page: Browser):
    page.find("#zoom-in").click()
    page.find("#zoom-in").click()
    before = np.array(middles(page))
    page.drag(page.find("#stage"), (-120, -60), (40, 20))
    after = np.array(middles(page))
    assert np.allclose(after - before, [-10, -5, 0], atol=0.6)
    page.drag(page.find(".pane .frame"), (0, 0), (-20, 0))
    assert np.allclose(np.array(middles(page)) - after, [5, 0, 0], atol=0.6)


def test_a_drag_in_a_small_picture_moves_them_where_the_stage_shows_all(page: Browser):
    before = np.array(middles(page))
    page.drag(page.find(".pane .frame"), (0, 0), (30, 0))
    moved = np.array(middles(page)) - before
    assert np.allclose(moved[:2], 0)
    assert np.allclose(moved[2:], [-30, 0, 0], atol=1)


def test_keys_zoom_move_and_swap(page: Browser):
    stage = page.find("#stage")
    page.keys(stage, "+", "+")
    assert page.find("#zoom-level").text == "400 %"
    start = np.array(middles(page))[0]
    page.keys(stage, KEYS["right"], KEYS["up"])
    assert np.allclose(np.array(middles(page))[0] - start, [WIDTH / 40, -WIDTH / 40, 0], atol=0.6)
    page.keys(stage, "x")
    assert page.find("#left").get_property("value") == "ncodec-denoised"
    assert page.find("#left-image").get_attribute("alt") == "scene-a: ncodec, denoised"
    page.keys(stage, "-", "0")
    assert page.find("#zoom-level").text == "100 %"


def test_the_wheel_scrolls_the_page_until_a_picture_was_clicked(page: Browser):
    stage = page.find("#stage")
    page.wheel(stage, -120)
    assert page.find("#zoom-level").text == "100 %"
    page.actions().move_to_element_with_offset(stage, 100, 50).click().perform()
    page.wheel(stage, -400)
    assert page.find("#zoom-level").text != "100 %"
    page.keys(stage, KEYS["escape"])
    assert page.js("return document.activeElement === document.body")


def test_zooming_keeps_the_place_under_the_pointer(page: Browser):
    stage = page.find("#stage")
    page.js("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", stage)
    page.actions().move_to_element_with_offset(stage, 90, -40).double_click().perform()
    (x, y, scale), *_ = middles(page)
    assert scale == pytest.approx(4)
    assert (x + 90 / scale, y - 40 / scale) == pytest.approx((WIDTH / 2 + 90, HEIGHT / 2 - 40), abs=1)


def test_the_picture_chooser(page: Browser):
    radios = page.all("#pictures input")
    assert [label.text for label in page.all("#pictures label")] == ["scene-a", "scene-b"]
    page.find("#zoom-in").click()
    page.keys(radios[0], KEYS["right"])
    assert page.find("#right-image").get_attribute("alt") == "scene-b: ncodec, denoised"
    assert all(image.get_attribute("alt").startswith("scene-b") for image in page.all(".frame img"))
    stage = page.find("#stage").rect
    assert stage["width"] / stage["height"] == pytest.approx(200 / 300, abs=0.01)
    assert np.allclose([scale for *_, scale in middles(page)], middles(page)[0][2])


def test_the_method_choosers(page: Browser):
    from selenium.webdriver.support.ui import Select

    assert [pane.get_property("value") for pane in page.all(".pane select")] == [
        "noisy", "ncodec-plain", "ncodec-denoised", "ncodec-then-dncnn", "clean",
    ]  # fmt: skip
    Select(page.find("#left")).select_by_visible_text("DnCNN, then AVIF 4:2:0")
    assert page.find("#left-image").get_attribute("alt") == "scene-a: DnCNN, then AVIF 4:2:0"
    assert re.fullmatch(r"0\.\d\d bpp, \d\d\.\d\d dB", page.find("#left-caption").text)
    Select(page.all(".pane select")[1]).select_by_visible_text("Clean")
    assert page.all(".pane img")[1].get_attribute("src") == page.all(".pane img")[4].get_attribute("src")


def test_tables_sort(page: Browser):
    head = page.all("#against thead button")[1]
    head.click()
    values = [float(cell.get_attribute("data-value")) for cell in page.all("#against td:nth-child(2)[data-value]")]
    assert values == sorted(values)
    head.click()
    assert page.find("#against [aria-sort]").get_attribute("aria-sort") == "descending"
    first = page.find("#against td:nth-child(2)")
    assert float(first.get_attribute("data-value")) == max(values)
    page.all("#against thead button")[0].click()
    names = [cell.text for cell in page.all("#against tbody th")]
    assert names == sorted(names, key=str.lower)


def test_the_theme_can_be_chosen(page: Browser):
    def paper() -> str:
        return page.js("return getComputedStyle(document.body).backgroundColor")

    assert paper() == "rgb(255, 255, 255)"
    page.find("#theme").click()
    page.find("#theme").click()
    assert paper() == "rgb(22, 24, 29)"
    assert page.find("#theme").text == "Theme: dark"


def test_everything_that_can_be_used_has_a_name_and_can_be_reached_by_keys(page: Browser):
    page.cdp("Accessibility.enable")
    nodes = page.cdp("Accessibility.getFullAXTree")["nodes"]
    used = {"button", "combobox", "slider", "radio", "link", "image", "img", "region", "group"}
    found = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if "role" in node]
    assert not [role for role, name in found if role in used - {"group"} and not name]
    assert ("slider", "Where the left picture ends") in found
    reached = set()
    page.js("document.activeElement.blur()")
    for _ in range(40):
        page.actions().send_keys(KEYS["tab"]).perform()
        reached.add(page.js("return document.activeElement.id || document.activeElement.type"))
    assert {"theme", "zoom-in", "swap", "radio", "left", "right", "stage", "wipe"} <= reached


def test_two_fingers_zoom_on_a_phone(chromium: Browser, folder: Path):
    chromium.open(folder / "report.html", **VARIANTS["phone-light"])
    stage = chromium.find("#stage")
    chromium.js("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", stage)
    box = chromium.js("const r = arguments[0].getBoundingClientRect(); return [r.x, r.y, r.width, r.height]", stage)
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    before = middles(chromium)[0][2]
    for kind, apart in (("touchStart", 30), ("touchMove", 60), ("touchMove", 90)):
        points = [{"x": x - apart, "y": y, "id": 1}, {"x": x + apart, "y": y, "id": 2}]
        chromium.cdp("Input.dispatchTouchEvent", type=kind, touchPoints=points)
    chromium.cdp("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    scales = [scale for *_, scale in middles(chromium)]
    assert scales[0] == pytest.approx(3 * before, rel=0.1)
    assert np.allclose(scales, scales[0])
    assert chromium.errors() == []


@pytest.mark.parametrize("dark", [False, True])
def test_colours_of_text_have_contrast(dark: bool):
    """At least 4.5 to 1, as WCAG 2 asks for small text."""

    def light(colour: palette.Colour) -> float:
        code = colour.dark if dark else colour.light
        parts = [int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for paper in (palette.PAPER, palette.RAISED):
        for colour in (palette.INK, palette.MUTED, palette.OURS, *palette.CURVES):
            low, high = sorted((light(colour), light(paper)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, colour


def test_a_report_of_real_photographs(chromium: Browser, data: Path, tmp_path: Path):
    names = (NAMES[0], NAMES[-1])  # one lies, one stands
    clean = {Path(n).stem: np.asarray(Image.open(data / "kodak" / n).convert("RGB")) for n in names}
    results = made_results(tmp_path / "results.jsonl", pictures=names)
    write_report(
        latest(read_results(results)), made_pictures(tmp_path / "pictures", clean), tmp_path, "ncodec-denoised"
    )
    assert (tmp_path / "report.html").stat().st_size < 30_000_000
    for name in ("desktop-light", "phone-dark"):
        chromium.open(tmp_path / "report.html", **VARIANTS[name])
        keep(f"kodak-{name}", chromium.whole_page())
        assert chromium.errors() == []
    assert len(chromium.all("#pictures label")) == 2
