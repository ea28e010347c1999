"""The viewer of report.html, used in a real browser: wipe, zoom, drag, keys, touch, choosers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench_report.browser import KEYS, VARIANTS, Browser
from bench_report.made import HEIGHT, WIDTH


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


def test_the_stage_shows_the_very_pixels(page: Browser, folder: Path):
    shown = page.pixels(page.find("#stage")).astype(int)
    noisy, denoised = (
        np.asarray(Image.open(next((folder / "pictures" / "scene-a.png").glob(f"{name}*.png")))).astype(int)
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
    assert page.find("#left-image").get_attribute("alt") == "scene-a.png: ncodec, denoised"
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


def test_the_picture_chooser(page: Browser):
    radios = page.all("#pictures input")
    assert [label.text for label in page.all("#pictures label")] == ["scene-a.png", "scene-b.png"]
    page.find("#zoom-in").click()
    page.keys(radios[0], KEYS["right"])
    assert page.find("#right-image").get_attribute("alt") == "scene-b.png: ncodec, denoised"
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
    assert page.find("#left-image").get_attribute("alt") == "scene-a.png: DnCNN, then AVIF 4:2:0"
    assert re.fullmatch(r"0\.\d\d bpp, \d\d\.\d\d dB", page.find("#left-caption").text)
    Select(page.all(".pane select")[1]).select_by_visible_text("Clean")
    assert page.all(".pane img")[1].get_attribute("src") == page.all(".pane img")[4].get_attribute("src")
