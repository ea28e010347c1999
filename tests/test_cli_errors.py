"""The command line with bad input: one sentence, the right status, nothing half-written."""

from __future__ import annotations

import errno
import io
import os
from dataclasses import replace
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
from ncodec.container import Section, dump, parse

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
        ("decode a.ncd --denoise 0,5", "(see ncodec decode --help)"),
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
        ("strip a.ncd b.ncd -o new.jpg", "new.jpg is a file"),
        ("decode a.ncd b.ncd -o new.ncd", "new.ncd is a file"),
        ("strip empty", "empty"),
        ("strip a.ncd --force --skip-existing", "--skip-existing contradict"),
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


def test_strip_passes_over_damage_that_no_decode_looks_at(tmp_path: Path) -> None:
    box = parse(fake_ncd())
    (tmp_path / "a.ncd").write_bytes(
        dump(replace(box, sections=(*box.sections, Section(0x90, b"of a later ncodec", 0))))
    )
    assert ncodec_run("strip", "a.ncd", cwd=tmp_path).returncode == 0
    assert parse((tmp_path / "a-base.ncd").read_bytes()).has(0x90)


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
