"""For the tests of the command line: running it as users do, and small files to run it on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import ncodec
from ncodec.container import Container, Header, Section, Tag, dump
from pictures import scene

AS_ROOT = os.geteuid() == 0
ROOT = Path(ncodec.__file__).parent.parent
ENV = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "80", "TERM": "xterm"}
ENV.pop("PYTHONUNBUFFERED", None)  # users have buffers, whose last flush can fail too
COMMAND = [sys.executable, "-m", "ncodec"]
TIMEOUT_S = 120


def ncodec_run(*args: object, cwd: Path, stdin: bytes = b"", **options) -> subprocess.CompletedProcess[bytes]:
    """One real process."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": ENV, **options}
    command = [*COMMAND, *map(str, args)]
    return subprocess.run(command, cwd=cwd, input=stdin, timeout=TIMEOUT_S, check=False, **options)


def ncodec_start(*args: object, cwd: Path, module: str = "ncodec", **options) -> subprocess.Popen[bytes]:
    """One real process that goes on; signals end it even where the tests themselves ignore them (nohup, &)."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    command = [sys.executable, "-m", module, *map(str, args)]
    return subprocess.Popen(command, cwd=cwd, env=ENV, preexec_fn=listen, **options)


def listen() -> None:
    """Before a process begins: signals end it."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def sentences(run: subprocess.CompletedProcess[bytes]) -> list[str]:
    """What it said on stderr, by lines."""
    return run.stderr.decode().splitlines()


def save_scene(path: Path, height: int = 40, width: int = 56, **options) -> np.ndarray:
    """Write a test picture; gives its pixels, uint8 [height, width, channels]."""
    pixels = scene(height, width, **options)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.squeeze()).save(path)
    return pixels


def fake_ncd(width: int = 30, height: int = 20, enhancement: bytes | None = b"\x33" + b"noise" * 9) -> bytes:
    """A file that parses, whose layers hold nothing that decodes, of a model that nobody has."""
    header = Header(width, height, True, False, 3, b"nobodys!", 0.0, (25 / 255) ** 2)
    sections = [Section.of(Tag.HYPERPRIOR, b"hyper" * 5), Section.of(Tag.LATENTS, b"latents" * 5)]
    if enhancement is not None:
        sections.append(Section.of(Tag.ENHANCEMENT, enhancement))
    return dump(Container(header, tuple(sections)))


def names(folder: Path) -> list[str]:
    """All files below a folder, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def fails(run: subprocess.CompletedProcess[bytes], status: int, *words: str) -> str:
    """Check for this status and one sentence, which has these words. Gives the sentence."""
    assert run.returncode == status, run.stderr.decode()
    assert len(sentences(run)) == 1, run.stderr.decode()
    sentence = sentences(run)[0]
    assert sentence.startswith("ncodec: error: ")
    assert all(word in sentence for word in words), sentence
    return sentence


def png_bytes(path: Path) -> bytes:
    """Of a test picture; `path` is used for a while."""
    save_scene(path)
    data = path.read_bytes()
    path.unlink()
    return data
