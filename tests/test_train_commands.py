"""The trainer's commands: what is wrong is said in one sentence, before the work where that can be known."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from cli_tools import ncodec_start
from ncodec.cli import main as cli
from ncodec.errors import RequestError
from ncodec.train.__main__ import main as train_command
from ncodec.train.checkpoint import load_state
from ncodec.train.keep import main as keep_command
from ncodec.train.loop import Budget, train
from ncodec.train.noise_kinds import noise_changes
from ncodec.train.recipe import NoiseRecipe, Recipe
from ncodec.train.record import main as record_command
from ncodec.train.release import main as release_command
from train_tools import as_toml, tiny_recipe


def recipe_file(folder: Path) -> Path:
    """The tiny recipe, as the command reads it."""
    path = folder / "tiny.toml"
    path.write_text(as_toml(tiny_recipe().to_dict()))
    return path


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


def test_a_fresh_network_at_the_rates_to_go_on_with_is_told_of_others(pictures: Path, tmp_path: Path) -> None:
    """Neither one of recipe fresh nor one that begins with weights."""
    words = ("--data", pictures, "--cache", tmp_path, "--recipe", recipe_file(tmp_path), "--steps", 1)
    first = tmp_path / "first"
    for more, told in ((("--out", first), True), (("--out", tmp_path / "second", "--init", first), False)):
        done = CliRunner().invoke(train_command, [*map(str, (*words, *more))])
        assert done.exit_code == 0, done.output
        assert ("there is --recipe fresh" in done.stderr) == told
    lines: list[dict] = []
    fresh = tiny_recipe().changed("name=fresh")
    train(fresh, pictures, tmp_path / "third", budget=Budget(steps=1), cache=tmp_path, report=lines.append)
    assert "note" not in {line["event"] for line in lines}


def test_a_line_that_a_kill_cut_short_takes_no_other_with_it(pictures: Path, tmp_path: Path) -> None:
    train(tiny_recipe(), pictures, tmp_path, budget=Budget(steps=1), device="cpu")
    before = (tmp_path / "log.jsonl").read_bytes()
    (tmp_path / "log.jsonl").write_bytes(before[:-9])
    lines: list[dict] = []
    train(tiny_recipe(), pictures, tmp_path, budget=Budget(steps=2), device="cpu", report=lines.append)
    after = (tmp_path / "log.jsonl").read_text().splitlines()
    assert after[-len(lines) - 1].encode() == before.splitlines()[-1][:-8]
    assert [json.loads(line) for line in after[-len(lines) :]] == json.loads(json.dumps(lines))


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


def test_a_release_replaces_nobodys_readme(pictures: Path, tmp_path: Path) -> None:
    train(tiny_recipe(), pictures, tmp_path / "run", budget=Budget(steps=1), device="cpu")
    (tmp_path / "README.md").write_text("# Models\n\nMy own.\n")
    words = ("--weights", tmp_path / "run", "--data", pictures, "--models", tmp_path, "--trained-on", "shapes")
    assert "README.md" in refused(release_command, *words).stderr
    assert (tmp_path / "README.md").read_text() == "# Models\n\nMy own.\n"
    assert not list(tmp_path.glob("*.safetensors"))


def test_weights_without_their_state_are_not_replaced(pictures: Path, tmp_path: Path) -> None:
    """Somebody deleted the state, which is large, and says the same command again."""
    words = ("--data", pictures, "--out", tmp_path / "run", "--steps", 1, "--recipe", recipe_file(tmp_path))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "weights.safetensors").write_text("hours of work")
    assert "--init" in refused(train_command, *words).stderr
    assert (tmp_path / "run" / "weights.safetensors").read_text() == "hours of work"


def test_a_folder_without_pictures_leaves_no_run(tmp_path: Path) -> None:
    assert refused(train_command, "--data", tmp_path, "--out", tmp_path / "run", "--steps", 1).exit_code == 3
    assert not (tmp_path / "run").exists()


def test_a_model_for_ones_own_pictures(pictures: Path, tmp_path: Path) -> None:
    """One command trains it and writes what encode and decode take; going on keeps the earlier model."""
    out = tmp_path / "my camera"
    words = ["train", "--data", pictures, "--out", out, "--recipe", recipe_file(tmp_path), "--noise", "camera:12"]
    assert cli.main([*map(str, words), "--steps", "2", "--device", "cpu", "--threads", "1"]) == 0
    state = load_state(out)
    assert state is not None
    assert (state["recipe"]["noise"]["camera_share"], state["recipe"]["noise"]["sigma_max"]) == (1, pytest.approx(20))
    (model,) = out.glob("my camera-*.safetensors")
    assert hashlib.sha256(model.read_bytes()).hexdigest().startswith(model.stem.removeprefix("my camera-"))
    coded, back = str(tmp_path / "0.ncd"), str(tmp_path / "0.png")
    assert cli.main(["encode", str(pictures / "0.png"), "-o", coded, "--model", str(model)]) == 0
    assert cli.main(["decode", coded, "-o", back, "--model", str(model)]) == 0
    assert cli.main(["decode", coded, "-o", back, "--force"]) == 5
    assert cli.main([*map(str, words), "--steps", "3", "--device", "cpu", "--threads", "1"]) == 0
    assert len(list(out.glob("my camera-*.safetensors"))) == 2
    assert model.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("command", ["ncodec train", "ncodec.train"])
def test_a_run_that_a_signal_ends_says_so(command: str, number: signal.Signals, pictures: Path, tmp_path: Path) -> None:
    module, *name = command.split()
    words = ("--data", pictures, "--out", tmp_path / "run", "--recipe", recipe_file(tmp_path), "--seconds", 100)
    words = (*name, *words, "--device", "cpu", "--threads", "1")
    with ncodec_start(*words, cwd=tmp_path, module=module) as process:
        assert process.stderr is not None
        assert any(b"  loss " in said for said in process.stderr)
        process.send_signal(number)
        assert b"stopped: " in process.stderr.read()
    assert process.returncode == -number
    assert not list((tmp_path / "run").glob("run-*.safetensors"))


def test_kinds_of_noise() -> None:
    def trained_for(text: str) -> NoiseRecipe:
        return Recipe().changed(*noise_changes(text)).noise

    before = NoiseRecipe()
    assert trained_for("none").clean_share == 1
    white, photons = trained_for("gaussian:10"), trained_for("poisson-gaussian:0.04,0.0016")
    assert (white.poisson_share, white.camera_share, white.sigma_max) == (0, 0, pytest.approx(10))
    assert photons.sigma_max == pytest.approx(255 * (0.04 / 2 + 0.0016) ** 0.5)
    assert (photons.poisson_share, photons.camera_share) == (1, 0)
    assert trained_for("camera").sigma_max == before.sigma_max
    assert trained_for("camera").clean_share == before.clean_share
    assert trained_for("camera:30").sigma_max == pytest.approx(50)
    for wrong in ("white", "gaussian:", "gaussian:x", "camera:1,2", "none:", "poisson-gaussian:1", "", "camera:-1"):
        with pytest.raises(RequestError):
            noise_changes(wrong)


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
