"""How long a run is, on a clock of the tests' own."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from ncodec.errors import RequestError
from ncodec.train import loop
from ncodec.train.__main__ import main
from ncodec.train.checkpoint import Progress, load_start, load_state, save_state
from ncodec.train.loop import Budget, train
from ncodec.train.plot import read_log
from ncodec.train.tasks.codec import CodecTask
from ncodec.train.trainer import Trainer
from train_tools import as_toml, tiny_recipe

STEP_S, EVALUATION_S, DAY_S = 1.0, 100.0, 86_400.0


class Clock:
    """Stands still but in steps and in evaluations."""

    now = 1_000_000.0

    def read(self) -> float:
        return self.now

    def taking(self, seconds: float, work: Callable[..., Any]) -> Callable[..., Any]:
        def done(*arguments: Any) -> Any:
            self.now += seconds
            return work(*arguments)

        return done


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(loop, "time", SimpleNamespace(time=clock.read, monotonic=clock.read, strftime=time.strftime))
    monkeypatch.setattr(Trainer, "step", clock.taking(STEP_S, Trainer.step))
    monkeypatch.setattr(CodecTask, "evaluate", clock.taking(EVALUATION_S, CodecTask.evaluate))
    return clock


def test_budgets_without_one_end_are_refused() -> None:
    with pytest.raises(RequestError, match="end"):
        Budget().check()
    with pytest.raises(RequestError, match="one of steps, pixels and seconds"):
        Budget(steps=3, seconds=4).check()
    Budget(steps=3, until=4.0).check()


def test_a_run_until_a_time_of_day_goes_on_where_it_was() -> None:
    done, budget = Progress(seconds=600), Budget(until=1_001_800.0)
    assert budget.share(done, now=1_000_000.0) == pytest.approx(600 / 2400)
    assert budget.share(Progress(seconds=2300), now=1_001_700.0) == pytest.approx(2300 / 2400)
    assert budget.share(Progress(seconds=2400), now=1_001_800.0) == 1


def test_evaluations_are_not_taken_from_the_seconds_of_training(clock: Clock, pictures: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(evaluate_s=2.0)
    for seconds in (5, 7):
        result = train(recipe, pictures, tmp_path, budget=Budget(seconds=seconds), device="cpu")
        assert result.complete
        assert (result.progress.step, result.progress.seconds) == (seconds, seconds)


def test_a_time_of_day_is_kept_whatever_evaluations_take(clock: Clock, pictures: Path, tmp_path: Path) -> None:
    end = clock.now + EVALUATION_S + 5 * STEP_S
    result = train(tiny_recipe(), pictures, tmp_path, budget=Budget(until=end), device="cpu")
    assert (result.complete, result.progress.step, clock.now) == (True, 5, end + EVALUATION_S)


def test_a_time_of_day_said_again_is_no_other_days(clock: Clock, pictures: Path, tmp_path: Path) -> None:
    """A finished run is not taken up again; another time of day goes on with it."""

    def steps(seconds: float, said: str) -> int:
        budget = Budget(until=clock.now + seconds, said=said)
        result = train(tiny_recipe(), pictures, tmp_path, budget=budget, device="cpu")
        assert result.complete
        return result.progress.step

    assert steps(EVALUATION_S + 4 * STEP_S, "17:30") == 4
    assert steps(DAY_S, "17:30") == 4
    assert "over already" in read_log(tmp_path)[-2]["text"]
    assert steps(3 * STEP_S, "18:00") == 7


def test_an_end_is_kept_where_it_is_the_whole_runs() -> None:
    first, again, other = (Budget(until=at, said=said) for at, said in ((7.0, "8:30"), (9.0, "8:30"), (9.0, "8:31")))
    assert again.going_on(first.end) == first
    assert other.going_on(first.end) == other
    assert again.going_on(None) == again  # a state from before there were ends in it
    part = dataclasses.replace(again, seconds=3.0)
    assert part.end is None
    assert part.going_on(first.end) == part  # every day's part of a long run ends at that time


def test_the_same_command_writes_the_model_of_a_finished_run(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    recipe = tiny_recipe()
    (tmp_path / "tiny.toml").write_text(as_toml(recipe.to_dict()))
    train(recipe, pictures, out, budget=Budget(steps=2), device="cpu")
    state = load_state(out)
    assert state is not None
    assert state["end"] is None
    save_state(state | {"end": {"said": "03:00", "until": time.time() - 5}}, out)
    words = ["--data", pictures, "--out", out, "--recipe", tmp_path / "tiny.toml", "--device", "cpu", "--until", "3:00"]
    done = CliRunner().invoke(main, [*map(str, words)])
    assert done.exit_code == 0, done.output
    assert "complete: " in done.stderr
    assert len(list(out.glob("run-*.safetensors"))) == 1
    assert load_start(out).record.step == 2
