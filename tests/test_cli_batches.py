"""The command line on several files and folders: one that is bad does not stop the others."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from cli_tools import fails, fake_ncd, names, ncodec_run, save_scene, sentences
from ncodec.cli.main import main

LONG = "y" * 300
"""No file can have this name: already asking for it is an error."""


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


def test_what_cannot_even_be_asked_for_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    run = ncodec_run("strip", "a.ncd", f"{LONG}.ncd", "-o", "out", "-q", cwd=tmp_path)
    assert run.returncode == 1
    assert sentences(run) == [
        f"ncodec: error: {LONG}.ncd: file name too long",
        "ncodec: error: 1 of 2 files failed",
    ]
    assert names(tmp_path / "out") == ["a-base.ncd"]
    run = ncodec_run("info", "a.ncd", f"{LONG}.ncd", cwd=tmp_path)
    assert (run.returncode, run.stdout[:6]) == (1, b"a.ncd\n")


def test_an_output_name_that_is_too_long_does_not_stop_the_others(tmp_path: Path) -> None:
    long = "y" * 250
    for name in ("a", long):
        (tmp_path / f"{name}.ncd").write_bytes(fake_ncd())
    run = ncodec_run("strip", ".", "-q", cwd=tmp_path)
    assert run.returncode == 1
    assert sentences(run)[0] == f"ncodec: error: {long}-base.ncd: file name too long"
    assert (tmp_path / "a-base.ncd").exists()


def test_seeds_count_pictures_and_not_empty_folders(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    save_scene(tmp_path / "a.png")
    run = ncodec_run("noise", "empty", "a.png", "-o", "out", "--json", cwd=tmp_path)
    assert run.returncode == 2
    assert json.loads(run.stdout)["seed"] == 0


def test_outputs_that_exist_are_passed_over(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.ncd").write_bytes(fake_ncd())
    (tmp_path / "a-base.ncd").write_bytes(b"there")
    (tmp_path / "c-base.ncd").symlink_to(".nowhere")
    run = ncodec_run("strip", ".", "--skip-existing", cwd=tmp_path)
    assert run.returncode == 0
    assert [line.partition(":")[0] for line in sentences(run)[:-1]] == ["b-base.ncd", "c-base.ncd"]
    assert sentences(run)[-1] == "ncodec: 1 of 3 files passed over: their outputs exist already"
    assert (tmp_path / "a-base.ncd").read_bytes() == b"there"
    assert (tmp_path / ".nowhere").exists()
    run = ncodec_run("strip", ".", "--skip-existing", "--json", cwd=tmp_path)
    assert (run.returncode, run.stdout, len(sentences(run))) == (0, b"", 1)
    run = ncodec_run("strip", ".", "--skip-existing", "-q", cwd=tmp_path)
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")


def test_what_is_wrong_with_an_input_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a-base.ncd").write_bytes(b"there")
    fails(ncodec_run("strip", "a.ncd", "--skip-existing", cwd=tmp_path), 1, "a.ncd: there is no such file")
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    fails(ncodec_run("strip", "a.ncd", "-o", "a.ncd", "--skip-existing", cwd=tmp_path), 2, "which is an input")
    run = ncodec_run("strip", "a.ncd", "-o", "-", "--skip-existing", cwd=tmp_path)
    assert run.stdout == fake_ncd(enhancement=None)


def test_a_batch_that_goes_on_draws_the_same_noise(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_scene(tmp_path / f"{name}.png")
    assert ncodec_run("noise", ".", "-o", "whole", cwd=tmp_path).returncode == 0
    assert ncodec_run("noise", "a.png", "-o", "parts/", cwd=tmp_path).returncode == 0
    assert ncodec_run("noise", "a.png", "b.png", "-o", "parts", "--skip-existing", cwd=tmp_path).returncode == 0
    for name in ("a-noisy.png", "b-noisy.png"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
