"""`time_s` is the time of the work itself: what is around it takes long here, by a clock of the test's own."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

import ncodec.codec
from cli_tools import save_scene
from ncodec.cli.main import main

AROUND = ("cli.files.read", "cli.noise.read", "cli.strip.read", "picture.load", "picture.save_png", "weights._read")
WORK = ("codec.encode", "codec.decode", "noise.add_noise", "cli.strip.parse")
LONG_S, WORK_S = 1000.0, 7.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What happens around the work advances it by LONG_S, the work by WORK_S."""
    clock = SimpleNamespace(now=0.0)

    def slow(name: str, seconds: float) -> None:
        module, _, function = f"ncodec.{name}".rpartition(".")
        known = getattr(import_module(module), function)

        def slower(*args: object, **options: object) -> object:
            clock.now += seconds
            return known(*args, **options)

        monkeypatch.setattr(f"ncodec.{name}", slower)

    for name in AROUND:
        slow(name, LONG_S)
    for name in WORK:
        slow(name, WORK_S)
    for command in ("encode", "decode", "noise", "strip"):
        module = import_module(f"ncodec.cli.{command}")
        monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


@pytest.mark.parametrize("command", ["encode in.png", "decode in.ncd", "noise in.png", "strip in.ncd"])
def test_only_the_work_counts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    clock: SimpleNamespace,
    command: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.ncd").write_bytes(ncodec.encode(save_scene(tmp_path / "in.png", 24, 24)))
    output = "out.png" if command.startswith(("decode", "noise")) else "out.ncd"
    before = clock.now
    assert main([*command.split(), "-o", output, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["time_s"] == WORK_S
    assert clock.now >= before + LONG_S + WORK_S
