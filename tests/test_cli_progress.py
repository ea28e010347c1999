"""The progress bar: for people who watch, and in nobody's way."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from cli_tools import TIMEOUT_S, ncodec_run, ncodec_start, save_scene, sentences


def on_a_terminal(*args: object, cwd: Path) -> tuple[bytes, str]:
    """(standard output, what a terminal on stderr got) of a run that ends well."""
    ours, theirs = pty.openpty()
    process = ncodec_start(*args, cwd=cwd, stdin=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    drawn = b""
    with suppress(OSError):  # Linux's way to say that the other end is closed
        while chunk := os.read(ours, 4096):
            drawn += chunk
    os.close(ours)
    out, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
    return out, drawn.decode()


@pytest.mark.parametrize(("count", "is_drawn"), [(1, False), (3, True)])
def test_bar_is_drawn_for_a_batch_on_a_terminal(tmp_path: Path, count: int, is_drawn: bool) -> None:
    for k in range(count):
        save_scene(tmp_path / "in" / f"[b]{k}.png")
    out, drawn = on_a_terminal("noise", "in", cwd=tmp_path)
    assert out == b""
    assert (f"{count}/{count}" in drawn) == is_drawn
    assert ("\u2501" in drawn) == is_drawn
    pieces = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", piece) for piece in re.split(r"[\r\n]+", drawn)]
    summaries = [piece for piece in pieces if "-noisy.png" in piece]
    assert len(summaries) == count
    for k, line in enumerate(summaries):  # whole lines, not mixed with the bar
        assert re.fullmatch(rf"in/\[b\]{k}-noisy\.png: 56x40 RGB, noise .*, \d+\.\d s", line)


def test_bar_leaves_standard_output_alone(tmp_path: Path) -> None:
    for k in range(3):
        save_scene(tmp_path / f"{k}.png")
    out, drawn = on_a_terminal("noise", tmp_path, "--json", cwd=tmp_path)
    assert [json.loads(line)["seed"] for line in out.splitlines()] == [0, 1, 2]
    assert "3/3" in drawn
    _, drawn = on_a_terminal("noise", tmp_path, "--force", "--quiet", "-o", "out", cwd=tmp_path)
    assert drawn == ""


def test_a_file_that_takes_long_has_a_bar_of_its_own(tmp_path: Path) -> None:
    save_scene(tmp_path / "a.png")
    _, drawn = on_a_terminal("encode", "a.png", "--effort", "1", cwd=tmp_path)
    assert "\u2501" in drawn
    assert "1/1" in drawn
    _, drawn = on_a_terminal("encode", "a.png", "--force", cwd=tmp_path)
    assert "\u2501" not in drawn
    assert "a.ncd: " in drawn


def test_no_bar_without_a_terminal(tmp_path: Path) -> None:
    for k in range(3):
        save_scene(tmp_path / f"{k}.png")
    run = ncodec_run("noise", tmp_path, cwd=tmp_path)
    assert len(sentences(run)) == 3
    assert b"\x1b" not in run.stderr
