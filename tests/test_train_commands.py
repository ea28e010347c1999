"""The trainer's commands: what is wrong is said in one sentence, before the work where that can be known."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from ncodec.errors import RequestError
from ncodec.train.__main__ import main as train_command
from ncodec.train.keep import main as keep_command
from ncodec.train.loop import Budget, train
from ncodec.train.record import main as record_command
from ncodec.train.release import main as release_command
from train_tools import tiny_recipe


def refused(command: click.Command, *words: object) -> Result:
    """A run that ends in one sentence."""
    done = CliRunner().invoke(command, [*map(str, words)])
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("ncodec: error: ")
    return done


def test_a_missing_end_is_said_before_the_pictures_are_decoded(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert refused(train_command, "--data", pictures, "--out", out).exit_code == 2
    assert "one of" in refused(train_command, "--data", pictures, "--out", out, "--steps", 1, "--seconds", 2).stderr
    assert not out.exists()
    refused(train_command, "--data", pictures, "--out", out, "--steps", 1, "--init", tmp_path / "no.safetensors")
    assert not (out / "pictures").exists()


def test_folders_that_cannot_be_written_are_named(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = refused(train_command, "--data", pictures, "--out", tmp_path / "file" / "run", "--steps", 1)
    assert (done.exit_code, "file" in done.stderr) == (1, True)
    assert refused(keep_command, "--weights", tmp_path, "--out", tmp_path / "x").exit_code == 5


def test_a_log_without_a_step_has_no_row(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(json.dumps({"event": "note", "text": "decoding"}) + "\n")
    assert "no step" in refused(record_command, tmp_path).stderr


def test_a_release_leaves_no_decoded_pictures(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tiny_recipe()
    train(recipe, pictures, tmp_path / "run", budget=Budget(steps=1), device="cpu")
    scratch, models = tmp_path / "scratch", tmp_path / "models"
    scratch.mkdir()
    models.mkdir()
    (models / "manifest.json").write_text('{"models": []}')
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    words = ["--weights", tmp_path / "run", "--data", pictures, "--models", models, "--trained-on", "shapes"]
    done = CliRunner().invoke(release_command, [*map(str, words)])
    assert done.exit_code == 0, done.output
    assert len(list(models.glob("base-*.safetensors"))) == 1
    assert not list(scratch.iterdir())


def test_a_run_is_one_processes(pictures: Path, tmp_path: Path) -> None:
    """A second one there is refused while the first holds it, and has written nothing then; kill -9 lets go of it."""
    out = tmp_path / "run"
    train(tiny_recipe(), pictures, out, budget=Budget(steps=1), cache=tmp_path)
    before = (out / "log.jsonl").read_bytes()
    hold = "import sys, time; log = open(sys.argv[1], 'a')\nfrom pathlib import Path\n"
    hold += "from ncodec.claim import claim\nclaim(log, Path()); print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", hold, str(out / "log.jsonl")], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(RequestError, match="another process is at work there"):
            train(tiny_recipe(), pictures, out, budget=Budget(steps=2), cache=tmp_path)
        assert (out / "log.jsonl").read_bytes() == before
        other.kill()
    assert train(tiny_recipe(), pictures, out, budget=Budget(steps=2), cache=tmp_path).progress.step == 2
