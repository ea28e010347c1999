"""The command line ended from outside, by a lack of memory, or by a bug."""

from __future__ import annotations

import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from cli_tools import COMMAND, ENV, TIMEOUT_S, fails, fake_ncd, listen, names, ncodec_run, ncodec_start, save_scene
from ncodec.cli.exits import failure
from ncodec.cli.main import main


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_batch_leaves_whole_files_only(tmp_path: Path, number: signal.Signals) -> None:
    save_scene(tmp_path / "in" / "000.png", 64, 64)
    for k in range(1, 300):
        (tmp_path / "in" / f"{k:03}.png").hardlink_to(tmp_path / "in" / "000.png")
    process = ncodec_start("noise", "in", "-o", "out", cwd=tmp_path)
    deadline = time.monotonic() + TIMEOUT_S
    while not (tmp_path / "out" / "003-noisy.png").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(number)
    _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == -number
    assert b"Traceback" not in err
    left = names(tmp_path / "out")
    assert 4 <= len(left) < 300
    for name in left:
        assert name.endswith("-noisy.png")
        Image.open(tmp_path / "out" / name).load()


@pytest.mark.parametrize("force", [False, True])
def test_interrupted_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool) -> None:
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    if force:
        (tmp_path / "a-base.ncd").write_bytes(b"old")

    def interrupt(_: int) -> None:
        assert len(names(tmp_path)) == 2 + force  # the temporary file is there
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    assert main(["strip", str(tmp_path / "a.ncd"), *["--force"] * force]) == 130
    assert names(tmp_path) == ["a-base.ncd", "a.ncd"] if force else ["a.ncd"]
    assert not force or (tmp_path / "a-base.ncd").read_bytes() == b"old"


def test_ctrl_c_ends_a_loop_of_the_shell(tmp_path: Path) -> None:
    """A shell goes on after a command that ended by itself, whatever its status."""
    os.mkfifo(tmp_path / "a.ncd")
    command = shlex.join([*COMMAND, "info", "a.ncd"])
    loop = f"for k in 1; do {command}; done; echo went on"
    shell = subprocess.Popen(
        ["bash", "-c", loop], cwd=tmp_path, env=ENV, stdout=subprocess.PIPE, start_new_session=True, preexec_fn=listen
    )
    with (tmp_path / "a.ncd").open("wb"):  # waits until it is read
        os.killpg(shell.pid, signal.SIGINT)
        out, _ = shell.communicate(timeout=TIMEOUT_S)
    assert (shell.returncode, out) == (-signal.SIGINT, b"")


def test_what_was_said_before_a_signal_comes_through(tmp_path: Path) -> None:
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    os.mkfifo(tmp_path / "b.ncd")
    process = ncodec_start("info", "a.ncd", "b.ncd", cwd=tmp_path)
    with (tmp_path / "b.ncd").open("wb"):
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, out[:6], err) == (-signal.SIGTERM, b"a.ncd\n", b"")


def test_nohup_is_respected(tmp_path: Path) -> None:
    """A process that was started with SIGHUP ignored goes on."""
    script = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from ncodec.cli.signals import signals_raise\n"
        "with signals_raise(): print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
    )
    run = subprocess.run([sys.executable, "-c", script], env=ENV, cwd=tmp_path, capture_output=True, check=True)
    assert run.stdout == b"True\n"


def test_ctrl_c_before_there_is_anything_to_clear_away(tmp_path: Path) -> None:
    script = (
        "import os, signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from ncodec.cli.signals import kill_at_once; kill_at_once(); os.kill(os.getpid(), signal.SIGINT)"
    )
    run = subprocess.run([sys.executable, "-c", script], env=ENV, cwd=tmp_path, capture_output=True, check=False)
    assert (run.returncode, run.stderr) == (-signal.SIGINT, b"")


@pytest.mark.parametrize(("number", "end"), [("SIGINT", "KeyboardInterrupt"), ("SIGTERM", "Ended")])
def test_a_signal_waits_for_an_import(tmp_path: Path, number: str, end: str) -> None:
    """Packages lose an exception that comes in one of their callbacks, or end in C++ with it."""
    lines = ["import os, signal, time", "try:", f"    os.kill(os.getpid(), signal.{number})", "    time.sleep(0.1)"]
    lines += ["    print('whole')", "except BaseException: print('lost')"]
    (tmp_path / "package.py").write_text("\n".join(lines))
    script = (
        "import sys, time; sys.path.insert(0, '.')\n"
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from ncodec.cli.signals import Ended, signals_raise\n"
        "try:\n"
        "    with signals_raise():\n"
        "        import package\n"
        "        time.sleep(60)\n"
        "except BaseException as err: print(type(err).__name__)"
    )
    run = subprocess.run([sys.executable, "-c", script], env=ENV, cwd=tmp_path, capture_output=True, check=True)
    assert run.stdout.decode().split() == ["whole", end]


def test_out_of_memory_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def hungry(_: bytes) -> None:
        raise MemoryError

    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    monkeypatch.setattr("ncodec.cli.strip.parse", hungry)
    assert main(["strip", str(tmp_path / "a.ncd")]) == 1
    assert (
        capfd.readouterr().err == f"ncodec: error: {tmp_path / 'a.ncd'}: there is not enough memory for this picture\n"
    )


def test_large_picture_in_little_memory(tmp_path: Path) -> None:
    Image.new("1", (13_000, 13_000)).save(tmp_path / "a.png")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))

    run = ncodec_run("noise", "a.png", cwd=tmp_path, preexec_fn=limit)
    fails(run, 1, "a.png: there is not enough memory")
    assert names(tmp_path) == ["a.png"]


def test_out_of_memory_in_torch_is_found_out() -> None:
    import torch

    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    failed = failure(caught.value, "a.png")
    assert failed is not None
    assert failed.sentence == "a.png: there is not enough memory for this picture"
    on_cuda = failure(torch.cuda.OutOfMemoryError("CUDA out of memory"), "a.png")
    assert on_cuda == failed
    assert failure(RuntimeError("something else")) is None


def test_bug_keeps_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: bytes) -> None:
        raise ZeroDivisionError("a bug")

    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    monkeypatch.setattr("ncodec.cli.strip.parse", broken)
    with pytest.raises(ZeroDivisionError):
        main(["strip", str(tmp_path / "a.ncd")])
