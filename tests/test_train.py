"""The trainer on a tiny network: starts, growth, checkpoints, whole runs, kills."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from ncodec.errors import ModelError, RequestError
from ncodec.train.__main__ import main, parse_time_of_day
from ncodec.train.checkpoint import (
    PIECE_BYTES,
    STATE_KEYS,
    Progress,
    Start,
    load_start,
    load_state,
    load_weights,
    save_state,
    save_weights,
)
from ncodec.train.data import centre_crops, open_packs
from ncodec.train.evaluate import evaluate
from ncodec.train.grow import check_growth, grown_state
from ncodec.train.klt import measure_klt, start_as_klt
from ncodec.train.loop import Budget, train
from ncodec.train.network import trainable_network
from ncodec.train.plot import plot_run, read_log
from ncodec.train.record import row
from train_tools import TINY, as_toml, tiny_recipe

CPU = torch.device("cpu")


# Networks


def test_a_fresh_network_codes_like_a_linear_transform(pictures: Path, tmp_path: Path) -> None:
    pack, _ = open_packs(pictures, tmp_path)
    torch.manual_seed(0)
    arch = dataclasses.replace(TINY, width8=192, width16=320, latent=320)
    network = trainable_network(arch)
    start_as_klt(network, measure_klt(pack))
    points = evaluate(network.eval(), centre_crops(pack, 2, 128), CPU)
    clean = [p.psnr_db for p in points if p.sigma == 0]
    assert clean[-1] > 35
    assert clean[-1] > clean[0] + 5


def test_growing_changes_nothing() -> None:
    torch.manual_seed(0)
    small = trainable_network(TINY).eval()
    for parameter in small.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    large_arch = dataclasses.replace(TINY, analysis8=3, denoising8=2)
    large = trainable_network(large_arch).eval()
    large.load_state_dict(grown_state(large.state_dict(), small.state_dict()))
    x, quality = torch.rand(2, 3, 64, 64), torch.tensor([0, 7])
    with torch.no_grad():
        for before, after in zip(small(x, quality), large(x, quality), strict=True):
            torch.testing.assert_close(before, after, rtol=0, atol=0)
    check_growth(TINY, large_arch)
    with pytest.raises(RequestError, match="analysis8 = 3"):
        check_growth(large_arch, TINY)
    with pytest.raises(RequestError, match="no analysis"):
        grown_state(large.state_dict(), {})


# Checkpoints


def test_weights_survive_a_file(tmp_path: Path) -> None:
    network = trainable_network(TINY)
    state = network.state_dict()
    start = Start(TINY, state, state, Progress(step=3, lifetime_pixels=10**10))
    save_weights(tmp_path / "w.safetensors", start, "tiny")
    again = load_start(tmp_path / "w.safetensors")
    assert (again.architecture, again.record) == (TINY, start.record)
    trainable_network(TINY).load_state_dict(grown_state(state, again.network))
    for name, value in again.ema.items():
        torch.testing.assert_close(value, state[name], rtol=1e-3, atol=1e-6)


def test_averages_alone_can_be_kept_and_gone_on_from(pictures: Path, tmp_path: Path) -> None:
    result = train(tiny_recipe(), pictures, tmp_path / "run", budget=Budget(steps=3), device="cpu")
    out = tmp_path / "kept" / "base.safetensors"
    command = [sys.executable, "-m", "ncodec.train.keep", "--out", out, "--weights"]
    assert subprocess.run([*command, tmp_path / "run"]).returncode == 0
    kept, whole = load_start(out), load_start(result.weights)
    assert out.stat().st_size < 0.6 * result.weights.stat().st_size
    assert kept.record == whole.record
    for name, value in whole.ema.items():
        torch.testing.assert_close(kept.ema[name], value, rtol=0, atol=0)
        torch.testing.assert_close(kept.network[name], value, rtol=0, atol=0)
    more = tmp_path / "more"
    assert train(tiny_recipe(), pictures, more, budget=Budget(steps=1), init=out, device="cpu").complete
    missing = subprocess.run([*command, tmp_path / "nothing"], capture_output=True, text=True)
    assert (missing.returncode, missing.stderr.count("\n")) == (5, 1)


def test_weights_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"rubbish")
    with pytest.raises(ModelError, match="bad"):
        load_weights(tmp_path / "bad")
    with pytest.raises(ModelError, match="neither"):
        load_start(tmp_path)
    (tmp_path / "state.pt").write_bytes(b"rubbish")
    with pytest.raises(ModelError, match="cannot be read"):
        load_state(tmp_path)
    for other in ({"model": 1}, [1, 2]):
        torch.save(other, tmp_path / "state.pt")
        with pytest.raises(ModelError, match="of another program"):
            load_state(tmp_path)
    (tmp_path / "state.pt").unlink()
    for text in ("[]", "{}", '{"pieces": [], "sha256": 1}', "1"):
        (tmp_path / "state.json").write_text(text)
        with pytest.raises(ModelError, match="state"):
            load_state(tmp_path)


def test_a_state_in_pieces(tmp_path: Path) -> None:
    state = dict.fromkeys(STATE_KEYS) | {"a": torch.arange(PIECE_BYTES // 3), "b": {"c": 1}}
    save_state(state, tmp_path)
    save_state(state, tmp_path, pieces=True)
    sizes = [p.stat().st_size for p in tmp_path.iterdir()]
    assert len(sizes) == 4
    assert max(sizes) < 16 * 2**20
    loaded = load_state(tmp_path)
    assert loaded is not None
    assert torch.equal(loaded["a"], state["a"])
    save_state(dict.fromkeys(STATE_KEYS) | {"a": 1}, tmp_path, pieces=True)
    assert len(list(tmp_path.iterdir())) == 2
    next(tmp_path.glob("state-*")).write_bytes(b"other")
    with pytest.raises(ModelError, match="do not fit"):
        load_state(tmp_path)


# Whole runs


def test_training_lowers_the_loss_and_leaves_its_records(pictures: Path, tmp_path: Path) -> None:
    lines: list[dict] = []
    recipe = tiny_recipe()
    result = train(recipe, pictures, tmp_path, budget=Budget(steps=60), device="cpu", report=lines.append)
    assert result.complete
    assert (result.progress.step, result.progress.skipped) == (60, 0)
    assert result.progress.pixels == 60 * 8 * 64 * 64
    assert read_log(tmp_path) == json.loads(json.dumps(lines))
    first, last = (line for line in lines if line["event"] == "evaluate")
    costs = [sum(p["rate_bpp"] - p["psnr_db"] / 6.02 for p in line["points"]) for line in (first, last)]
    assert costs[1] < costs[0] - 0.5
    assert plot_run(tmp_path).stat().st_size > 1000
    assert "| run | " in row("run", lines)
    assert "| 60 |" in row("run", lines)
    longer = train(recipe, pictures, tmp_path, budget=Budget(steps=62), device="cpu", cache=tmp_path / "pictures")
    assert longer.progress.step == 62
    wider = dataclasses.replace(recipe, architecture=dataclasses.replace(TINY, width8=24))
    with pytest.raises(RequestError, match="another architecture"):
        train(wider, pictures, tmp_path, budget=Budget(steps=90), device="cpu")
    deeper = dataclasses.replace(recipe, architecture=dataclasses.replace(TINY, denoising8=2))
    grown = train(deeper, pictures, tmp_path / "deep", budget=Budget(steps=2), init=result.weights, device="cpu")
    assert grown.progress.lifetime_steps == 62 + 2


def test_times_of_day() -> None:
    now = datetime(2026, 11, 20, 9, 30)
    assert parse_time_of_day("11:44", now) - now.timestamp() == 134 * 60
    assert parse_time_of_day("9:00", now) - now.timestamp() == (23 * 60 + 30) * 60
    for wrong in ("24:00", "noon", "9"):
        with pytest.raises(RequestError, match="HH:MM"):
            parse_time_of_day(wrong, now)


def test_the_command_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    words = ["--data", str(tmp_path), "--out", str(tmp_path / "run")]
    for more, status, said in (
        (["--steps", "1"], 3, "no pictures in it"),
        (["--steps", "1", "--init", "nothing"], 5, "no shipped model of that name"),
        (["--steps", "1", "--recipe", "nothing"], 2, "shipped recipes: base"),
        (["--steps", "1", "--device", "abacus"], 2, "abacus"),
    ):
        result = CliRunner().invoke(main, [*words, *more])
        assert result.exit_code == status
        assert said in result.stderr
        assert result.stderr.count("\n") == 1


STEPS = 14


def command(pictures: Path, out: Path, recipe: Path) -> list[str]:
    options = {"recipe": recipe, "data": pictures, "out": out, "steps": STEPS, "threads": torch.get_num_threads()}
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    return [sys.executable, "-m", "ncodec.train", "--device", "cpu", *words]


def steps_logged(out: Path) -> int:
    rows = read_log(out) if (out / "log.jsonl").exists() else []
    return max((row["step"] for row in rows if row["event"] == "train"), default=0)


def assert_same(a: object, b: object, where: str = "") -> None:
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where  # pyright: ignore[reportArgumentType]
    elif isinstance(a, dict):
        assert a.keys() == b.keys()  # pyright: ignore[reportAttributeAccessIssue]
        for key in a:
            if "seconds" not in str(key) and key != "recipe":
                assert_same(a[key], b[key], f"{where}/{key}")  # pyright: ignore[reportIndexIssue]
    elif isinstance(a, list):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):  # pyright: ignore[reportArgumentType]
            assert_same(x, y, f"{where}/{i}")
    else:
        assert a == b, where


def test_a_killed_run_goes_on_as_if_nothing_had_happened(pictures: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(save_s=0.0)  # a state after every step
    (tmp_path / "r.toml").write_text(as_toml(recipe.to_dict()))
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    words = command(pictures, killed, tmp_path / "r.toml")
    process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
    while steps_logged(killed) < 4 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    state = load_state(killed)
    assert state is not None
    assert 3 <= state["progress"]["step"] < STEPS
    train(recipe, pictures, killed, budget=Budget(steps=STEPS), device="cpu", processes=None)
    train(recipe, pictures, whole, budget=Budget(steps=STEPS), device="cpu", processes=None)
    assert_same(load_state(killed), load_state(whole))


def test_sigterm_ends_a_run_with_its_state_saved(pictures: Path, tmp_path: Path) -> None:
    def stop(line: dict) -> None:
        if line["event"] == "train" and line["step"] == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    result = train(tiny_recipe(), pictures, tmp_path, budget=Budget(steps=50), device="cpu", report=stop)
    assert (result.complete, result.signal) == (False, signal.SIGTERM)
    state = load_state(tmp_path)
    assert state is not None
    assert state["progress"]["step"] == result.progress.step == 4
