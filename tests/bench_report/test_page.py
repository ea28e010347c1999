"""report.html as a file: complete in itself, pictures without loss, sane in size."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench_report.made import CIRCUMSTANCES, PIXELS, made_pictures, made_results
from ncodec.bench.report.embed import LARGEST_SIDE, embed, find_scenes
from ncodec.bench.report.naming import label_of
from ncodec.bench.report.write import write_report
from ncodec.bench.results import read_results
from ncodec.bench.selection import latest
from ncodec.errors import RequestError
from pictures import scene


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a report."""
    folder = tmp_path_factory.mktemp("report")
    results = made_results(folder / "results.jsonl", pictures=("scene-a.png", "scene-b.png"))
    write_report(
        latest(read_results(results)), made_pictures(folder / "pictures"), folder / "out", "dncnn-then-avif420"
    )
    return folder


def html(report: Path) -> str:
    return (report / "out" / "report.html").read_text(encoding="utf-8")


def album(report: Path) -> list[dict]:
    found = re.search(r'<script type="application/json" id="album">(.*?)</script>', html(report), re.DOTALL)
    assert found
    return json.loads(found[1])


class Addresses(HTMLParser):
    """Collects whatever a page asks for, and what is left open."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "data", "action"}]
        self.found += re.findall(r"url\(([^)]*)\)", " ".join(value or "" for _, value in attrs))
        if tag not in {"meta", "img", "input", "link", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in {"meta", "img", "input", "link", "br"}:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_asks_for_nothing_outside_itself(report: Path):
    parser = Addresses()
    parser.feed(html(report))
    assert not parser.open
    assert [address for address in parser.found if not address.startswith("#")] == []
    assert "default-src 'none'" in html(report)


def test_plots_lie_beside_the_page_as_svg_and_png(report: Path):
    names = {path.name for path in (report / "out").iterdir()}
    assert {"report.html", "rate-distortion.svg", "rate-distortion.png", "time-quality.svg"} <= names
    assert not [name for name in names if name.endswith(".part")]
    assert "var(--" not in (report / "out" / "rate-distortion.svg").read_text()


def test_pictures_in_the_page_are_without_loss(report: Path):
    for picture in album(report):
        for image in picture["images"]:
            data = base64.b64decode(image["src"].removeprefix("data:image/webp;base64,"))
            shown = np.asarray(Image.open(io.BytesIO(data)))
            (path,) = (report / "pictures" / picture["name"]).glob(f"{image['id']}*.png")
            assert np.array_equal(shown, np.asarray(Image.open(path)))


def test_captions_are_those_of_the_rows(report: Path):
    rows = read_results(report / "results.jsonl").rows
    (row,) = (r for r in rows if (r.picture, r.method, r.setting) == ("scene-a.png", "ncodec-denoised", "5"))
    (image,) = (image for image in album(report)[0]["images"] if image["id"] == "ncodec-denoised")
    assert image["caption"] == f"{row.rate_bpp:.2f} bpp, {row.psnr_denoised_clean_db:.2f} dB"


def test_a_picture_left_from_another_run_is_not_shown(tmp_path: Path):
    results = read_results(made_results(tmp_path / "results.jsonl", pictures=("scene-a.png", "scene-b.png")))
    folder = made_pictures(tmp_path / "pictures")
    for name in (f"ncodec-denoised-99-{CIRCUMSTANCES.id}-{PIXELS}", f"ncodec-denoised-5-{CIRCUMSTANCES.id}-01234567"):
        Image.new("RGB", (8, 8)).save(folder / "scene-a.png" / f"{name}.png")
    shots = find_scenes(folder, results.rows)[0].shots
    found = [shot.name for shot in shots if shot.method == "ncodec-denoised"]
    assert found == [f"ncodec-denoised-5-{CIRCUMSTANCES.id}-{PIXELS}"]


def test_inputs_left_from_another_noise_are_not_shown(tmp_path: Path):
    results = read_results(made_results(tmp_path / "results.jsonl", pictures=("scene-a.png", "scene-b.png")))
    folder = made_pictures(tmp_path / "pictures")
    for name in ("noisy", "clean"):
        (folder / "scene-a.png" / f"{name}-{PIXELS}.png").rename(folder / "scene-a.png" / f"{name}-01234567.png")
    Image.new("RGB", (8, 8)).save(folder / "scene-b.png" / "noisy-01234567.png")
    (found,) = find_scenes(folder, results.rows)
    assert found.name == "scene-b.png"
    assert [shot.name for shot in found.shots if shot.method == "noisy"] == [f"noisy-{PIXELS}"]


def test_the_budget_leaves_the_least_important_methods_out(tmp_path: Path):
    results = read_results(made_results(tmp_path / "results.jsonl", pictures=("scene-a.png", "scene-b.png")))
    scenes = find_scenes(made_pictures(tmp_path / "pictures"), results.rows)
    whole = embed(scenes)
    assert not whole.left_out
    assert whole.methods[:3] == ["noisy", "clean", "ncodec-denoised"]
    sizes = [len(image["src"]) for picture in whole.pictures for image in picture["images"]]  # pyright: ignore
    small = embed(scenes, budget_bytes=sum(sizes) - 1)
    assert len(small.left_out) == 1
    assert small.methods[:3] == whole.methods[:3]


def test_too_many_pictures_leave_the_last_ones_out(tmp_path: Path):
    results = read_results(made_results(tmp_path / "results.jsonl", pictures=("scene-a.png", "scene-b.png")))
    small = embed(find_scenes(made_pictures(tmp_path / "pictures"), results.rows), budget_bytes=1)
    assert [picture["name"] for picture in small.pictures] == ["scene-a.png"]
    assert small.methods == ["noisy", "clean", "ncodec-denoised", "ncodec-plain", "ncodec-then-dncnn"]
    assert small.left_out == ["scene-b.png", "DnCNN, then AVIF 4:2:0"]


def test_large_pictures_are_cut_to_their_middle(tmp_path: Path):
    clean = {"scene-a.png": scene(40, LARGEST_SIDE + 100, seed=1)}
    results = read_results(made_results(tmp_path / "results.jsonl", pictures=("scene-a.png",)))
    (found,) = find_scenes(made_pictures(tmp_path / "pictures", clean), results.rows)
    assert found.size == (LARGEST_SIDE, 40)
    assert found.note == f"the middle of {LARGEST_SIDE + 100} x 40 pixels"
    image = embed([found]).pictures[0]["images"][1]  # pyright: ignore
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2]))))
    assert np.array_equal(shown, clean["scene-a.png"][:, 50 : 50 + LARGEST_SIDE])


def test_without_pictures_there_is_no_viewer(tmp_path: Path):
    results = made_results(tmp_path / "results.jsonl")
    write_report(latest(read_results(results)), tmp_path / "none", tmp_path / "out", "ncodec-denoised")
    text = (tmp_path / "out" / "report.html").read_text()
    assert 'id="viewer"' not in text
    assert 'id="comparable"' in text


@pytest.mark.parametrize("methods", [["dncnn-then-jpeg"], ["jpeg2000-alone"], ["dncnn", "noisy"], ["ncodec-plain"]])
def test_few_methods_make_a_report(methods: list[str], tmp_path: Path):
    results = made_results(tmp_path / "results.jsonl", methods)
    write_report(latest(read_results(results)), tmp_path / "none", tmp_path / "out", "ncodec-denoised")
    text = (tmp_path / "out" / "report.html").read_text()
    assert all(label_of(method) in text for method in methods)
    assert "Where ncodec loses" not in text


def test_names_cannot_smuggle_markup_in(tmp_path: Path):
    results = made_results(tmp_path / "results.jsonl", model="<script>alert(1)</script>")
    write_report(latest(read_results(results)), tmp_path / "none", tmp_path / "out", "ncodec-denoised")
    assert "<script>alert" not in (tmp_path / "out" / "report.html").read_text()


def test_no_shared_picture_is_one_sentence(tmp_path: Path):
    path = made_results(tmp_path / "results.jsonl", ["dncnn", "noisy"], pictures=("a.png",))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], lines[2].replace("a.png", "b.png")]) + "\n")
    with pytest.raises(RequestError, match="no picture that all methods have"):
        write_report(latest(read_results(path)), tmp_path / "none", tmp_path / "out", "ncodec-denoised")
    assert not (tmp_path / "out").exists()


def test_the_wheel_has_the_templates(tmp_path: Path):
    code = "from ncodec.bench.report.write import TEMPLATES as t; print(t, *(path.name for path in t.iterdir()))"
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    where, *names = done.stdout.split() or ["", ""]
    if "site-packages" not in where:
        pytest.skip("ncodec is not installed as a wheel here (.ci/run does)")
    assert {"report.html.j2", "report.css", "report.js", "viewer.js"} <= set(names)
