"""Inputs of the command line: files named in several ways, and what is found in folders; none is ever replaced."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cli_tools import COMMAND, ENV, fails, fake_ncd, names, ncodec_run, save_scene, sentences


@pytest.mark.parametrize("alias", ["itself", "symbolic link", "hard link", "another input"])
def test_input_is_never_replaced(tmp_path: Path, alias: str) -> None:
    for name in ("a.ncd", "b-base.ncd", "b.ncd"):
        (tmp_path / name).write_bytes(fake_ncd())
    (tmp_path / "soft.ncd").symlink_to("a.ncd")
    (tmp_path / "hard.ncd").hardlink_to(tmp_path / "a.ncd")
    arguments = {
        "itself": ("a.ncd", "-o", "./a.ncd"),
        "symbolic link": ("a.ncd", "-o", "soft.ncd"),
        "hard link": ("a.ncd", "-o", "hard.ncd"),
        "another input": ("b-base.ncd", "b.ncd"),
    }[alias]
    run = ncodec_run("strip", *arguments, "--force", "-q", cwd=tmp_path)
    assert run.returncode == 2
    assert sentences(run)[0].endswith(", which is an input: say another -o")
    kept = set(tmp_path.iterdir()) - {tmp_path / "b-base-base.ncd"}  # of the other input's own job
    assert {path.read_bytes() for path in kept} == {fake_ncd()}


def test_input_is_never_replaced_if_it_is_standard_input(tmp_path: Path) -> None:
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    with (tmp_path / "a.ncd").open("rb") as file:
        command = [*COMMAND, "strip", "-", "-o", "a.ncd", "--force"]
        run = subprocess.run(command, cwd=tmp_path, env=ENV, stdin=file, capture_output=True, check=False)
    fails(run, 2, "standard input: it would replace a.ncd, which is an input")
    assert (tmp_path / "a.ncd").read_bytes() == fake_ncd()


def test_a_file_of_the_name_of_standard_input_is_another_one(tmp_path: Path) -> None:
    (tmp_path / "-").write_bytes(b"old")
    run = ncodec_run("strip", "-", "-o", "./-", "--force", "-q", cwd=tmp_path, stdin=fake_ncd())
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")
    assert (tmp_path / "-").read_bytes() == fake_ncd(enhancement=None)


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


def test_links_to_folders_are_passed_over(tmp_path: Path) -> None:
    for name in ("f/a.ncd", "elsewhere/b.ncd"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(fake_ncd())
    (tmp_path / "f" / "link").symlink_to("../elsewhere")
    assert ncodec_run("strip", "f", cwd=tmp_path).returncode == 0
    assert names(tmp_path) == ["elsewhere/b.ncd", "f/a-base.ncd", "f/a.ncd"]


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


def test_a_link_where_an_output_would_be_does_not_hide_the_input_it_points_to(tmp_path: Path) -> None:
    for name in ("f/a.ncd", "g/b.ncd"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(fake_ncd())
    (tmp_path / "f" / "a-base.ncd").symlink_to("../g/b.ncd")
    run = ncodec_run("strip", "f", "g", "--force", cwd=tmp_path)
    assert run.returncode == 2
    assert "ncodec: error: f/a.ncd: it would replace f/a-base.ncd, which is an input: say another -o" in sentences(run)
    assert (tmp_path / "g" / "b.ncd").read_bytes() == fake_ncd()
