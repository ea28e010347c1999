"""What can be known of an output is known before the work: here the input would end with another status."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli_tools import fails, fake_ncd, names, ncodec_run
from ncodec.cli import files
from ncodec.cli.main import main


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With an input that is none, and a folder `ro` that takes no new files: pretended, since for root all do."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.ncd").write_bytes(b"status 4 if it is read")
    (tmp_path / "ro").mkdir()
    (tmp_path / "ro" / "x.ncd").write_bytes(b"old")
    (tmp_path / "link.ncd").symlink_to("ro/x.ncd")
    may = os.access

    def access(path: object, mode: int, **rest: bool) -> bool:
        return not (Path(str(path)).name == "ro" and mode & os.W_OK) and may(str(path), mode, **rest)

    monkeypatch.setattr(os, "access", access)
    return tmp_path


@pytest.mark.parametrize("output", ["ro/x.ncd", "ro/y.ncd", "ro/new/", "ro/new/newer/", "link.ncd"])
def test_folder_that_takes_no_files(place: Path, capfd: pytest.CaptureFixture[str], output: str) -> None:
    before = names(place)
    assert main(["strip", "bad.ncd", "-o", output, "--force"]) == 1
    err = capfd.readouterr().err
    assert err.startswith(f"ncodec: error: {output}")
    assert err.endswith(": permission denied\n")
    assert names(place) == before


def test_a_device_needs_no_folder_that_takes_files(place: Path) -> None:
    os.mkfifo("ro/fifo")
    files.check_target("ro/fifo", force=False, makes_folder=False)


def test_folder_below_a_file(place: Path) -> None:
    fails(ncodec_run("strip", "bad.ncd", "-o", "bad.ncd/x/", cwd=place), 1, "bad.ncd: a part of its path is a file")


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_links_in_a_circle(place: Path, force: list[str]) -> None:
    (place / "circle.ncd").symlink_to("circle.ncd")
    run = ncodec_run("strip", "bad.ncd", "-o", "circle.ncd", *force, cwd=place)
    fails(run, 1, "circle.ncd: too many levels of symbolic links")


def test_link_to_nothing_makes_that_file(place: Path) -> None:
    (place / "good.ncd").write_bytes(fake_ncd())
    (place / "nothing.ncd").symlink_to("new.ncd")
    assert ncodec_run("strip", "good.ncd", "-o", "nothing.ncd", cwd=place).returncode == 0
    assert (place / "nothing.ncd").is_symlink()
    assert (place / "new.ncd").read_bytes() == fake_ncd(enhancement=None)


def test_name_of_a_file_is_a_new_folder_only_with_a_slash(place: Path) -> None:
    for name in ("a.ncd", "b.ncd"):
        (place / name).write_bytes(fake_ncd())
    fails(ncodec_run("strip", "a.ncd", "b.ncd", "-o", "out.jpg", cwd=place), 2, "out.jpg is a file's name")
    assert ncodec_run("strip", "a.ncd", "b.ncd", "-o", "out.jpg/", cwd=place).returncode == 0
    assert names(place / "out.jpg") == ["a-base.ncd", "b-base.ncd"]
