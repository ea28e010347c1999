"""How long a run is, on a clock of the tests' own."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ncodec.errors import RequestError
from ncodec.train import loop
from ncodec.train.checkpoint import Progress
from ncodec.train.loop import Budget, train
from ncodec.train.tasks.codec import CodecTask
from ncodec.train.trainer import Trainer
from train_tools import tiny_recipe

STEP_S, EVALUATION_S = 1.0, 100.0


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
