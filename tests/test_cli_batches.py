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


@pytest.mark.parametrize("other", ["a.ncd", "./a.ncd", "sub/../a.ncd", ".", "sub/a.ncd", "folder/a.ncd"])
@pytest.mark.parametrize("output", [(), ("-o", "out/")])
def test_an_input_named_twice_is_done_once(tmp_path: Path, other: str, output: tuple[str, ...]) -> None:
    """Also by a link to its folder, and a link to itself of the same name."""
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    (tmp_path / "b.ncd").write_bytes(fake_ncd())
    (tmp_path / "folder").symlink_to(".")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.ncd").hardlink_to(tmp_path / "a.ncd")
    run = ncodec_run("strip", "b.ncd", "a.ncd", other, "-q", *output, cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, b"")
    made = [name for name in names(tmp_path) if name.endswith("-base.ncd") and not name.startswith("sub")]
    folder = "out/" if output else ""
    assert set(made) - {"out/sub/a-base.ncd"} == {f"{folder}a-base.ncd", f"{folder}b-base.ncd"}


def test_a_missing_input_named_twice_is_missed_once(tmp_path: Path) -> None:
    fails(ncodec_run("strip", "a.ncd", "./a.ncd", cwd=tmp_path), 1, "a.ncd: there is no such file")


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


def test_links_to_folders_are_passed_over(tmp_path: Path) -> None:
    for name in ("f/a.ncd", "elsewhere/b.ncd"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(fake_ncd())
    (tmp_path / "f" / "link").symlink_to("../elsewhere")
    assert ncodec_run("strip", "f", cwd=tmp_path).returncode == 0
    assert names(tmp_path) == ["elsewhere/b.ncd", "f/a-base.ncd", "f/a.ncd"]


def test_seeds_count_pictures_and_not_empty_folders(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    save_scene(tmp_path / "a.png")
    run = ncodec_run("noise", "empty", "a.png", "-o", "out", "--json", cwd=tmp_path)
    assert run.returncode == 2
    assert json.loads(run.stdout)["seed"] == 0


@pytest.mark.parametrize(
    ("arguments", "made"),
    [
        (["."], ["", "sub/"]),
        ([".", "-o", "."], ["", "sub/"]),
        ([".", "-o", "out"], ["out/", "out/sub/"]),
        ([".", "-o", "./sub/../out"], ["out/", "out/sub/"]),
        (["sub", ".", "-o", "out/"], ["out/", "out/sub/", "out/"]),
        (["sub", "a.ncd", "-o", "sub"], ["sub/", "sub/"]),
    ],
)
def test_what_a_run_made_is_no_input_of_the_next_one(tmp_path: Path, arguments: list[str], made: list[str]) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a.ncd", "sub/b.ncd"):
        (tmp_path / name).write_bytes(fake_ncd())
    outputs = {folder + name for folder, name in zip(made, ("a-base.ncd", "b-base.ncd", "b-base.ncd"), strict=False)}
    assert ncodec_run("strip", *arguments, cwd=tmp_path).returncode == 0
    assert set(names(tmp_path)) == {"a.ncd", "sub/b.ncd", *outputs}
    assert ncodec_run("strip", *arguments, "--force", "-q", cwd=tmp_path).returncode == 0
    assert set(names(tmp_path)) == {"a.ncd", "sub/b.ncd", *outputs}


def test_a_folder_that_was_done_is_done_again_as_far_as_it_is_new(tmp_path: Path) -> None:
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    assert ncodec_run("strip", ".", "-o", "out", cwd=tmp_path).returncode == 0
    (tmp_path / "b.ncd").write_bytes(fake_ncd())
    run = ncodec_run("strip", ".", "-o", "out", "-q", cwd=tmp_path)
    assert run.returncode == 2
    assert sentences(run) == [
        "ncodec: error: out/a-base.ncd: it exists already: say --force to replace it",
        "ncodec: error: 1 of 2 files failed",
    ]
    assert (tmp_path / "out" / "b-base.ncd").exists()


def test_what_a_run_made_is_an_input_if_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a-base.ncd").write_bytes(fake_ncd())
    run = ncodec_run("strip", ".", "-o", "out", cwd=tmp_path)
    fails(run, 2, ".: the folder holds no .ncd file outside out")
    for name in ("out/a-base.ncd", "out"):
        assert ncodec_run("strip", name, "-o", "out", "--force", cwd=tmp_path).returncode == 0
        assert names(tmp_path) == ["out/a-base-base.ncd", "out/a-base.ncd"]


def test_files_of_other_kinds_are_counted(tmp_path: Path) -> None:
    for name in ("a.JPE", "b.jfif"):
        save_scene(tmp_path / "in.jpg")
        (tmp_path / "in.jpg").rename(tmp_path / name)
    others = ("c.heic", "d.DNG", "sub/e.heic", "README", ".hidden.heic", ".thumbs/f.heic", "a.ncd", "out/g.heic")
    for name in others:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    run = ncodec_run("noise", ".", "sub", "-o", "out", cwd=tmp_path)
    assert run.returncode == 2  # sub holds no picture
    assert sentences(run)[0] == "ncodec: 4 files of other kinds were passed over (.dng .heic)"
    assert names(tmp_path / "out") == ["a-noisy.png", "b-noisy.png", "g.heic"]
    run = ncodec_run("noise", ".", "-o", "new", "-q", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, b"")
    for k in range(20):
        (tmp_path / f"x.k{k:02}").write_bytes(b"")
    run = ncodec_run("decode", ".", cwd=tmp_path)
    kinds = ".dng .heic .k00 .k01 .k02 .k03 .k04 .k05 .k06 .k07 ..."
    assert sentences(run)[0] == f"ncodec: 25 files of other kinds were passed over ({kinds})"


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


def test_a_link_where_an_output_would_be_does_not_hide_the_input_it_points_to(tmp_path: Path) -> None:
    for name in ("f/a.ncd", "g/b.ncd"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(fake_ncd())
    (tmp_path / "f" / "a-base.ncd").symlink_to("../g/b.ncd")
    run = ncodec_run("strip", "f", "g", "--force", cwd=tmp_path)
    assert run.returncode == 2
    assert "ncodec: error: f/a.ncd: it would replace f/a-base.ncd, which is an input: say another -o" in sentences(run)
    assert (tmp_path / "g" / "b.ncd").read_bytes() == fake_ncd()
