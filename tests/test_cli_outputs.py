"""Where the command line must not write, or cannot: nothing half-written, nothing lost."""

from __future__ import annotations

import errno
import os
import pty
import resource
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from cli_tools import (
    AS_ROOT,
    ENV,
    TIMEOUT_S,
    fails,
    fake_ncd,
    names,
    ncodec_run,
    ncodec_start,
    save_scene,
)
from ncodec.cli import files
from ncodec.cli.exits import OutputError
from ncodec.cli.main import main

# --- outputs that must not be written


def test_existing_output_is_kept_without_force(tmp_path: Path) -> None:
    (tmp_path / "a.ncd").write_bytes(b"not even a good input: found out before it is read")
    (tmp_path / "out.ncd").write_bytes(b"precious")
    fails(ncodec_run("strip", "a.ncd", "-o", "out.ncd", cwd=tmp_path), 2, "out.ncd: ", "--force")
    assert (tmp_path / "out.ncd").read_bytes() == b"precious"


def test_existing_output_is_replaced_with_force(tmp_path: Path) -> None:
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    (tmp_path / "out.ncd").write_bytes(b"old")
    assert ncodec_run("strip", "a.ncd", "-o", "out.ncd", "--force", cwd=tmp_path).returncode == 0
    assert (tmp_path / "out.ncd").read_bytes() == fake_ncd(enhancement=None)
    assert names(tmp_path) == ["a.ncd", "out.ncd"]


def test_existing_output_is_kept_with_force_if_the_work_fails(tmp_path: Path) -> None:
    (tmp_path / "a.ncd").write_bytes(b"bad")
    (tmp_path / "out.ncd").write_bytes(b"old")
    fails(ncodec_run("strip", "a.ncd", "-o", "out.ncd", "--force", cwd=tmp_path), 4)
    assert (tmp_path / "out.ncd").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("command", "output"), [("decode", "out.jpg"), ("noise", "out.ncd"), ("encode", "out.png"), ("strip", "out.JPG")]
)
def test_wrong_suffix_is_refused(tmp_path: Path, command: str, output: str) -> None:
    (tmp_path / "in").write_bytes(b"never read")
    fails(ncodec_run(command, "in", "-o", output, cwd=tmp_path), 2, output, "only .")


def test_missing_folder_of_the_output(tmp_path: Path) -> None:
    (tmp_path / "a.ncd").write_bytes(b"never read")
    fails(ncodec_run("strip", "a.ncd", "-o", "no/where/a.ncd", cwd=tmp_path), 1, "no/where: there is no such")


def test_output_that_comes_up_during_the_work_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "a.ncd"
    target.write_bytes(b"just came")
    with pytest.raises(OutputError):
        files.write(str(target), b"ours", force=False)
    assert target.read_bytes() == b"just came"
    assert names(tmp_path) == ["a.ncd"]


def test_disk_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "a.ncd"
    files.write(str(target), b"first", force=False)
    with pytest.raises(OutputError):
        files.write(str(target), b"second", force=False)
    assert target.read_bytes() == b"first"
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError):
        files.write(str(tmp_path / "b.ncd"), b"third", force=False)
    assert names(tmp_path) == ["a.ncd"]


def test_mode_follows_the_umask_and_that_of_a_replaced_file_stays(tmp_path: Path) -> None:
    target = tmp_path / "a.ncd"
    before = os.umask(0o027)
    try:
        files.write(str(target), b"new", force=False)
        assert stat.S_IMODE(target.stat().st_mode) == 0o640
        target.chmod(0o600)
        files.write(str(target), b"newer", force=True)
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    for data in (b"one", b"two"):
        files.write(str(tmp_path / "link"), data, force=True)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "real").read_bytes() == data


# --- full disks, devices, pipes, terminals


def test_file_size_limit_leaves_nothing(tmp_path: Path) -> None:
    save_scene(tmp_path / "a.png", 200, 200)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    fails(ncodec_run("noise", "a.png", cwd=tmp_path, preexec_fn=limit), 1, "a-noisy.png: ", "larger than")
    assert names(tmp_path) == ["a.png"]


@pytest.mark.skipif(not AS_ROOT, reason="only root may mount")
def test_full_disk_leaves_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "none", disk], capture_output=True).returncode:
        pytest.skip("mount is not allowed here")
    try:
        save_scene(tmp_path / "a.png", 200, 200)
        fails(ncodec_run("noise", "a.png", "-o", "disk/b.png", cwd=tmp_path), 1, "disk/b.png: the disk is full")
        assert names(disk) == []
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("arguments", [("strip", "a.ncd", "-o", "-"), ("info", "a.ncd"), ("info", "a.ncd", "--json")])
def test_full_standard_output(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    with Path("/dev/full").open("wb") as full:
        fails(ncodec_run(*arguments, cwd=tmp_path, stdout=full), 1, "standard output: the disk is full")


def private_device(folder: Path, name: str, minor: int) -> Path:
    """A memory device of our own. Never /dev/null itself: root, with a bug, would replace it for everybody."""
    device = folder / name
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
        device.open("wb").close()
    except PermissionError:  # not root, or a disk without devices
        pytest.skip("devices cannot be made here")
    return device


def test_full_device(tmp_path: Path) -> None:
    device = private_device(tmp_path, "full", 7)
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    fails(ncodec_run("strip", "a.ncd", "-o", device, cwd=tmp_path), 1, "full: the disk is full")
    assert device.is_char_device()


def test_closed_standard_output(tmp_path: Path) -> None:
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    run = ncodec_run("strip", "a.ncd", "-o", "-", cwd=tmp_path, stdout=None, preexec_fn=lambda: os.close(1))
    fails(run, 1, "standard output: ")


@pytest.mark.parametrize(("source", "status"), [("a.png", 0), ("b.png", 3), ("c.png", 1)])
def test_closed_standard_error(tmp_path: Path, source: str, status: int) -> None:
    """Nobody is told, but the status is that of the work; with torch, without which the end is another."""
    save_scene(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    run = ncodec_run("encode", source, "-o", "out.ncd", cwd=tmp_path, stderr=None, preexec_fn=lambda: os.close(2))
    assert run.returncode == status
    assert (tmp_path / "out.ncd").exists() == (status == 0)


@pytest.mark.parametrize("arguments", [("info", "a.ncd"), ("strip", "a.ncd", "-o", "-")])
def test_broken_pipe_is_quiet(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    ours, theirs = os.pipe()
    os.close(ours)
    run = ncodec_run(*arguments, cwd=tmp_path, stdout=theirs)
    os.close(theirs)
    assert (run.returncode, run.stderr) == (1, b"")


def test_device_stays_a_device(tmp_path: Path) -> None:
    device = private_device(tmp_path, "null", 3)
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    assert ncodec_run("strip", "a.ncd", "-o", device, "--force", cwd=tmp_path).returncode == 0
    assert device.is_char_device()


def test_fifo_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    os.mkfifo(tmp_path / "fifo")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "fifo").read_bytes()), daemon=True)
    reader.start()
    assert ncodec_run("strip", "a.ncd", "-o", "fifo", cwd=tmp_path).returncode == 0
    reader.join(TIMEOUT_S)
    assert got == [fake_ncd(enhancement=None)]
    assert (tmp_path / "fifo").is_fifo()


@pytest.mark.parametrize("output", ["-", "by name"])
def test_nothing_binary_goes_to_a_terminal(tmp_path: Path, output: str) -> None:
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    ours, theirs = pty.openpty()
    name = os.ttyname(theirs) if output == "by name" else output
    run = ncodec_run("strip", "a.ncd", "-o", name, cwd=tmp_path, stdout=theirs)
    os.set_blocking(ours, False)
    with pytest.raises(BlockingIOError):
        os.read(ours, 1)
    os.close(theirs)
    os.close(ours)
    fails(run, 2, "terminal")


def test_nothing_is_read_from_a_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = ncodec_start("strip", "-", cwd=tmp_path, stdin=theirs)
    _, err = process.communicate(timeout=TIMEOUT_S)
    os.close(theirs)
    os.close(ours)
    assert process.returncode == 2
    assert b"standard input is a terminal" in err


def test_endless_input_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(files, "MAX_INPUT_BYTES", 1 << 22)
    assert main(["info", "/dev/zero"]) == 2
    assert "/dev/zero: it is larger than" in capfd.readouterr().err


def test_names_that_the_terminal_cannot_spell(tmp_path: Path) -> None:
    (tmp_path / "\u2603.ncd").write_bytes(fake_ncd())
    run = ncodec_run("info", "\u2603.ncd", cwd=tmp_path, env=ENV | {"PYTHONIOENCODING": "latin-1"})
    assert (run.returncode, run.stderr) == (0, b"")
    assert b"\\u2603.ncd" in run.stdout
