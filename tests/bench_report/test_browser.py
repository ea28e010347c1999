"""report.html opened, used and looked at in a real browser."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench_report.browser import KEYS, VARIANTS, Browser
from bench_report.made import NAMES, made_pictures, made_results
from ncodec.bench.report import palette
from ncodec.bench.report.write import write_report
from ncodec.bench.results import read_results
from ncodec.bench.selection import latest

SCREENSHOTS = "NCODEC_SCREENSHOTS"
"""Environment variable: a folder to look at them in."""


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
    clean = {n: np.asarray(Image.open(data / "kodak" / n).convert("RGB")) for n in names}
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
