"""Plots: what is in them can be read."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text

from bench_report.made import CIRCUMSTANCES, SHAPES, made_rows
from ncodec.bench.report import palette
from ncodec.bench.report.labels import spread
from ncodec.bench.report.plots import family_plots, png_bytes, svg_text
from ncodec.bench.report.write import inline
from ncodec.bench.summary import summarise

SUMMARY = summarise(made_rows(CIRCUMSTANCES, tuple(SHAPES)))
FIGURES = family_plots(SUMMARY)


def labels(figure: Figure) -> list[Text]:
    (axes,) = figure.axes
    return [text for text in axes.texts if text.get_text()]


def test_there_is_a_plot_a_family_and_one_of_times():
    names = ("", "-ncodec", "-cascade", "-codec-denoiser", "-dncnn-first", "-bm3d-first", "-compression-only")
    assert list(FIGURES) == [*(f"rate-distortion{name}" for name in names), "time-quality"]


@pytest.mark.parametrize("name", FIGURES)
def test_labels_do_not_lie_on_each_other_and_are_inside(name: str):
    figure = FIGURES[name]
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()  # pyright: ignore[reportAttributeAccessIssue]
    boxes = {text.get_text(): Text.get_window_extent(text, renderer) for text in labels(figure)}
    assert boxes
    for text, box in boxes.items():
        assert 0 <= box.x0 < box.x1 <= figure.bbox.width, text
        assert 0 <= box.y0 < box.y1 <= figure.bbox.height, text
        assert not [other for other, taken in boxes.items() if other != text and box.overlaps(taken)], text


def test_every_method_with_a_rate_has_its_label():
    text = "\n".join(label.get_text() for figure in FIGURES.values() for label in labels(figure))
    for label in ("ncodec, denoised", "DnCNN, then AVIF 4:2:0", "BM3D, then JPEG XL", "hyperprior, then DnCNN"):
        assert label in text
    assert len(labels(FIGURES["time-quality"])) == len(FIGURES["time-quality"].axes[0].lines)


def test_ncodec_is_in_every_plot():
    assert all("ncodec, denoised" in [text.get_text() for text in labels(figure)] for figure in FIGURES.values())


def test_svg_has_text_and_is_the_same_every_time():
    svg = svg_text(FIGURES["rate-distortion"])
    assert ">ncodec, denoised</text>" in svg
    assert svg == svg_text(family_plots(SUMMARY)["rate-distortion"])
    assert "<dc:date>" not in svg


def test_png():
    assert png_bytes(FIGURES["time-quality"])[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_plot_in_the_page_has_the_pages_colours_and_its_own_ids():
    both = inline(FIGURES["rate-distortion"], "a") + inline(FIGURES["time-quality"], "b")
    assert palette.INK.light not in both
    assert "var(--ours)" in both
    ids = re.findall(r'\bid="([^"]+)"', both)
    assert len(ids) == len(set(ids))


def test_light_colours_are_unique():
    assert len({colour.light for colour in palette.ALL}) == len(palette.ALL)


@given(st.lists(st.floats(-0.2, 1.2), min_size=1, max_size=20).map(sorted), st.floats(0.01, 0.04))
def test_places_are_apart_in_order_and_inside(wanted: list[float], step: float):
    places = spread(wanted, step)
    assert len(places) == len(wanted)
    assert all(after - before >= step - 1e-9 for before, after in pairwise(places))
    assert places[0] >= -1e-9
    assert places[-1] <= 1 + 1e-9


def test_places_that_do_not_touch_stay_where_they_are_wanted():
    assert spread([0.1, 0.5, 0.9], 0.05) == [0.1, 0.5, 0.9]
