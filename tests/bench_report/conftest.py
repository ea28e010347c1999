"""Fixtures of the tests that look at report.html in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench_report.browser import Browser, browser
from bench_report.made import made_pictures, made_results
from ncodec.bench.report.write import write_report
from ncodec.bench.results import read_results
from ncodec.bench.selection import latest


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="session")
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
