"""The command line with bad input: one sentence, the right status, nothing half-written."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pytest
from PIL import Image

from cli_tools import (
    fails,
    fake_ncd,
    names,
    ncodec_run,
    png_bytes,
    save_scene,
    sentences,
)
from ncodec.cli.exits import failure
from ncodec.cli.main import main

# --- the command line itself


def test_no_command_shows_the_help(tmp_path: Path) -> None:
    run = ncodec_run(cwd=tmp_path)
    assert run.returncode == 2
    assert run.stdout == b""
    assert run.stderr.startswith(b"Usage: ncodec")


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("frobnicate", "frobnicate"),
        ("encode", "PICTURES"),
        ("encode a.png --quality 9", "9"),
        ("encode a.png --noise-quality best", "best"),
        ("decode a.ncd --denoise 1.5", "1.5"),
        ("decode a.ncd --denoise=nan", "nan"),
        ("decode a.ncd --denoise 0.5 --grain", "--grain"),
        ("encode a.png --noise-quality OFF", "neither off nor"),
        ("encode a.png --threads 0", "0"),
        ("encode a.png --threads 2147483648", "2147483648"),
        ("decode --denoise 0,5 a.ncd", "0,5 is neither a file nor a strength"),
        ("decode a.ncd --denoise half", "half is neither a file nor a strength"),
        ("noise a.png --noise pink", "pink"),
        ("noise a.png --noise gaussian:-1", "-1"),
        ("noise a.png --seed -1", "-1"),
        ("strip - a.ncd", "-"),
        ("strip a.ncd - -o -", "-"),
        ("strip a.ncd b.ncd -o -", "-o FOLDER"),
        ("strip a.ncd -o - --json", "--json"),
        ("strip a.ncd b.ncd -o file", "file is a file"),
        ("strip a.ncd b.ncd -o new.ncd", "new.ncd is a file"),
        ("strip empty", "empty"),
    ],
)
def test_usage_error_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], line: str, word: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    save_scene(tmp_path / "a.png")
    for name in ("a.ncd", "b.ncd", "file"):
        Path(name).write_bytes(fake_ncd())
    before = names(tmp_path)
    assert main(line.split()) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("ncodec: error: ")
    assert word in err
    assert names(tmp_path) == before


# --- bad inputs


@pytest.mark.parametrize("fault", ["empty", "text", "cut", "deep"])
def test_bad_picture(tmp_path: Path, fault: str) -> None:
    whole = png_bytes(tmp_path / "whole.png")
    deep = io.BytesIO()
    Image.new("I;16", (9, 9)).save(deep, "PNG")
    data = {"empty": b"", "text": b"just text", "cut": whole[: len(whole) // 2], "deep": deep.getvalue()}[fault]
    (tmp_path / "a.png").write_bytes(data)
    fails(ncodec_run("encode", "a.png", cwd=tmp_path), 3, "a.png: ")
    assert names(tmp_path) == ["a.png"]


def test_missing_file(tmp_path: Path) -> None:
    fails(ncodec_run("decode", "a.ncd", cwd=tmp_path), 1, "a.ncd: there is no such file")


def test_unreadable_file_and_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The rest of the batch goes on. What may be read is pretended, since root may read everything."""
    monkeypatch.chdir(tmp_path)
    Path("in", "closed").mkdir(parents=True)
    for name in ("a.ncd", "b.ncd", "in/c.ncd"):
        Path(name).write_bytes(fake_ncd())
    may, scan = os.access, os.scandir
    monkeypatch.setattr(os, "access", lambda path, mode, **rest: str(path) != "a.ncd" and may(path, mode, **rest))

    def scandir(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert main(["strip", "a.ncd", "b.ncd", "in", "-o", "out"]) == 1
    errors = [line for line in capfd.readouterr().err.splitlines() if "error" in line]
    assert [line.removeprefix("ncodec: error: ") for line in errors] == [
        "in/closed: permission denied",
        "a.ncd: permission denied",
        "2 of 4 files failed",
    ]
    assert names(Path("out")) == ["b-base.ncd", "c-base.ncd"]


def test_an_empty_folder_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    run = ncodec_run("strip", "empty", "a.ncd", "-o", "out", cwd=tmp_path)
    assert run.returncode == 2
    assert names(tmp_path / "out") == ["a-base.ncd"]
    assert "ncodec: error: empty: the folder holds no .ncd file" in sentences(run)


@pytest.mark.parametrize("arguments", [["info", ""], ["strip", "a.ncd", "-o", ""]])
def test_an_empty_name_is_not_the_current_folder(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    fails(ncodec_run(*arguments, cwd=tmp_path), 2, "a file's name is empty (see ncodec")
    assert names(tmp_path) == ["a.ncd"]


def test_output_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    fails(ncodec_run("strip", "a.ncd", "-o", "a.ncd/b.ncd", cwd=tmp_path), 1, "a.ncd: a part of its path is a file")


def test_strip_refuses_what_would_not_decode(tmp_path: Path) -> None:
    data = bytearray(fake_ncd())
    data[data.index(b"latents")] ^= 1
    (tmp_path / "a.ncd").write_bytes(data)
    fails(ncodec_run("strip", "a.ncd", cwd=tmp_path), 4, "a.ncd: checksums do not fit: latents")
    assert names(tmp_path) == ["a.ncd"]


def test_info_to_a_closed_standard_output(tmp_path: Path) -> None:
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    run = ncodec_run("info", "a.ncd", cwd=tmp_path, stdout=None, preexec_fn=lambda: os.close(1))
    assert run.returncode == 1
    assert sentences(run) == ["ncodec: error: standard output: it is closed"]


def test_errors_of_the_system_are_said_in_words() -> None:
    for number in (errno.EACCES, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENAMETOOLONG, errno.EMFILE):
        failed = failure(OSError(number, os.strerror(number), "a.png"))
        assert failed is not None
        assert failed.status == 1
        assert failed.sentence.startswith("a.png: ")
        assert "rrno" not in failed.sentence


def test_file_name_cannot_break_the_sentence(tmp_path: Path) -> None:
    name = "a\n\x1b[31mb\udcff.ncd"
    (tmp_path / name).write_bytes(b"x")
    fails(ncodec_run("info", name, cwd=tmp_path), 4, r"a\n\x1b[31mb\udcff.ncd: ")


@pytest.mark.parametrize("command", ["info", "strip", "decode"])
def test_not_an_ncd_file(tmp_path: Path, command: str) -> None:
    (tmp_path / "a.ncd").write_bytes(png_bytes(tmp_path / "whole.png"))
    fails(ncodec_run(command, "a.ncd", cwd=tmp_path), 4, "a.ncd: not an .ncd file")
    assert names(tmp_path) == ["a.ncd"]


def test_every_cut_and_every_flipped_byte_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = fake_ncd()
    header = len(whole) - 106  # the payloads, see fake_ncd
    for at in range(len(whole)):
        (tmp_path / f"cut{at:03}.ncd").write_bytes(whole[:at])
        flipped = bytearray(whole)
        flipped[at] ^= 0x40
        (tmp_path / f"flip{at:03}.ncd").write_bytes(flipped)
    assert main(["info", str(tmp_path)]) == 4
    out, err = capfd.readouterr()
    assert err.count("\n") == 2 * len(whole) + 1
    assert err.endswith(f"ncodec: error: {2 * len(whole)} of {2 * len(whole)} files failed\n")
    assert out.count("damaged") == len(whole) - header  # flipped payloads leave something to show
    assert "checksums do not fit: enhancement\n" in err


def test_unknown_version(tmp_path: Path) -> None:
    data = bytearray(fake_ncd())
    data[8] = 2
    (tmp_path / "a.ncd").write_bytes(data)
    fails(ncodec_run("info", "a.ncd", cwd=tmp_path), 4, "version 2")


def test_unknown_head(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", str(tmp_path / "a.ncd"), "--head", "microscope"]) == 5
    assert "microscope" in capfd.readouterr().err


# --- batches


def test_batch_goes_on_past_bad_files(tmp_path: Path) -> None:
    for name in ("a", "c"):
        (tmp_path / f"{name}.ncd").write_bytes(fake_ncd())
    (tmp_path / "b.ncd").write_bytes(b"")
    run = ncodec_run("strip", "a.ncd", "b.ncd", "c.ncd", "-o", "out", cwd=tmp_path)
    assert run.returncode == 4
    assert names(tmp_path / "out") == ["a-base.ncd", "c-base.ncd"]
    lines = sentences(run)
    assert lines[2].startswith("ncodec: error: b.ncd: ")
    assert lines[3] == "ncodec: error: 1 of 3 files failed"


def test_batch_with_several_kinds_of_failure_ends_with_1(tmp_path: Path) -> None:
    for name in ("a.ncd", "b.ncd", "b-base.ncd"):
        (tmp_path / name).write_bytes(b"x")
    run = ncodec_run("strip", "a.ncd", "b.ncd", cwd=tmp_path)  # status 4, and 2
    assert run.returncode == 1
    assert [line.split(": ")[2] for line in sentences(run)[:2]] == ["a.ncd", "b-base.ncd"]


def test_an_input_named_twice_is_done_once(tmp_path: Path) -> None:
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    run = ncodec_run("strip", "a.ncd", "a.ncd", cwd=tmp_path)
    assert (run.returncode, len(sentences(run))) == (0, 1)


def test_of_two_inputs_with_one_output_neither_is_done(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "b.bmp"):
        save_scene(tmp_path / name)
    run = ncodec_run("noise", ".", "-q", cwd=tmp_path)
    assert run.returncode == 2
    assert sentences(run) == [
        "ncodec: error: b.bmp: b.png would write b-noisy.png, too: say -o FILE for one of them",
        "ncodec: error: b.png: b.bmp would write b-noisy.png, too: say -o FILE for one of them",
        "ncodec: error: 2 of 3 files failed",
    ]
    assert names(tmp_path) == ["a-noisy.png", "a.png", "b.bmp", "b.png"]
