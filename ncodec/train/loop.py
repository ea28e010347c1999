"""The training loop: from a recipe and a folder of pictures to weights, resumable after a kill at any moment."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from torch import Tensor

from ncodec.claim import claim
from ncodec.device import choose_device
from ncodec.errors import RequestError
from ncodec.train.budget import Budget
from ncodec.train.checkpoint import Progress, Start, load_start, load_state, save_state, save_weights
from ncodec.train.data import centre_crops, list_pictures, open_packs
from ncodec.train.evaluate import CROP_SIDE
from ncodec.train.grow import without_stages
from ncodec.train.optimisers import rate_factor
from ncodec.train.plot import LOG, plot_run
from ncodec.train.recipe import Recipe
from ncodec.train.signals import stopped_by_signals
from ncodec.train.sizes import CODEC
from ncodec.train.trainer import Trainer

WEIGHTS = "weights.safetensors"
GOES_ON = "base"
"""The recipe whose rates are too low for a fresh network."""

Report = Callable[[dict[str, Any]], None]
"""Gets every line of log.jsonl as it is written; "event" is start, note, train or evaluate."""


@dataclass(frozen=True, slots=True)
class Result:
    """How it ended.

    Attributes:
        complete: the whole run is over; False if `until` or a signal cut it short.
        signal: the number of that signal, or 0.
        progress: steps, pixels and seconds of the run, and of all runs that led to it.
        weights: the file to go on or to export from.
    """

    complete: bool
    signal: int
    progress: Progress
    weights: Path


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    budget: Budget,
    init: Path | None = None,
    drop: Sequence[str] = (),
    cache: Path | None = None,
    device: str = "auto",
    processes: int | None = 1,
    pieces: bool = False,
    report: Report = lambda line: None,
) -> Result:
    """Train, or go on with the run whose state lies in `out`.

    SIGTERM and SIGINT end it after the step at hand, state saved (in the main thread; elsewhere they are the caller's).

    Args:
        recipe, data: what to train and how, on which folder of pictures.
        out: folder of the run: its state, log.jsonl, curve.svg, weights.safetensors.
        budget: when to end.
        init: weights to begin from (see `load_start`), of as many blocks or fewer, unless there is a state.
        drop: stages whose blocks in `init` are left out (the recipe's architecture must have none there).
        cache: folder for the decoded pictures; `out`/pictures if None.
        device: "auto", "cpu", "cuda" or "cuda:n".
        processes: that share a step on a CPU, as many as can if None. More than one: see `Workers`.
        pieces: write the state in pieces under 16 MB.
        report: gets every line of the log.

    Raises:
        NcodecError: pictures, weights, device or budget cannot be used; of the class and with the sentence that fit.
    """
    budget.check()  # what is wrong is said before the work
    place = choose_device(device)
    list_pictures(data)
    out.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng([place] if place.type == "cuda" else []), (out / LOG).open("a") as log:
        write = _claimed(log, out, report)
        torch.manual_seed(recipe.loop.seed)
        state = load_state(out)
        start = _start(recipe, state, out, init, drop)
        pack, validation = open_packs(data, pictures_folder(out, cache), lambda text: write(_note(text)))
        crops = centre_crops(validation, recipe.loop.evaluate_crops, CROP_SIDE)
        with closing(Trainer(recipe, pack, place, start, processes or _most_processes(recipe, place))) as trainer:
            if state is not None:
                trainer.load_state_dict(state)
                budget = budget.going_on(state.get("end"))
            _begin(write, trainer, budget, init)
            return _Loop(trainer, budget, crops, out, pieces, write).run()


def pictures_folder(out: Path, cache: Path | None) -> Path:
    """Where the decoded pictures of a run lie."""
    return cache or out / "pictures"


def _claimed(log: TextIO, out: Path, report: Report) -> Report:
    """What writes lines of the log, which is this process's alone from here on."""
    claim(log, out)
    lines = (out / LOG).read_bytes()
    if lines and not lines.endswith(b"\n"):  # a kill cut the last one short
        log.write("\n")

    def write(line: dict[str, Any]) -> None:
        log.write(json.dumps(line) + "\n")
        log.flush()
        report(line)

    return write


def _start(
    recipe: Recipe, state: dict[str, Any] | None, out: Path, init: Path | None, drop: Sequence[str]
) -> Start | None:
    """What the networks begin with: the state in `out`, else `init`, else nothing."""
    if state is None:
        if (out / WEIGHTS).exists():
            why = "whose state is gone; choose another --out, and go on from them with --init"
            raise RequestError(f"{out}: there are weights of a run there, {why}")
        return without_stages(load_start(init), drop) if init else None
    before = state["recipe"]
    if (before.get("task", CODEC), before["architecture"]) != (recipe.task, recipe.architecture.to_dict()):
        raise RequestError(f"{out}: the run there is of another architecture; choose another folder, or start from it")
    return Start(recipe.architecture, state["network"], state["ema"], Progress())


def _most_processes(recipe: Recipe, device: torch.device) -> int:
    """That can share a step."""
    return min(recipe.parts, torch.get_num_threads()) if device.type == "cpu" else 1


def _begin(write: Report, trainer: Trainer, budget: Budget, init: Path | None) -> None:
    """Write the log's lines of a run's beginning, or of its going on."""
    line = {"event": "start", "time": time.strftime("%F %T"), "device": str(trainer.device), "init": str(init or "")}
    facts = {"recipe": trainer.recipe, "budget": budget, "progress": trainer.progress}
    write(line | {key: asdict(value) for key, value in facts.items()})
    if trainer.recipe.name == GOES_ON and init is None and not trainer.progress.lifetime_steps:
        write(
            _note(f"recipe {GOES_ON} has the rates to go on from --init; for a fresh network there is --recipe fresh")
        )
    if budget.share(trainer.progress, time.time()) >= 1:
        write(_note("the run is over already: a greater length or another time of day goes on with it"))


class _Loop:
    """Steps, and between them what has to be done now and then."""

    def __init__(
        self, trainer: Trainer, budget: Budget, crops: np.ndarray, out: Path, pieces: bool, write: Report
    ) -> None:
        self.trainer, self.budget, self.crops = trainer, budget, crops
        self.out, self.pieces, self.write = out, pieces, write
        self.samples: list[Tensor] = []
        self.clock = self.saved = time.monotonic()
        self.evaluated = self.clock if trainer.progress.step else -float("inf")
        self.logged = (trainer.progress.pixels, trainer.progress.seconds)

    def run(self) -> Result:
        """To the end, or until it is cut short."""
        loop, progress = self.trainer.recipe.loop, self.trainer.progress
        with stopped_by_signals() as stop:
            while not stop.is_set() and (share := self._share()) < 1 and not self._is_late():
                if time.monotonic() - self.evaluated > loop.evaluate_s:
                    self._evaluate()
                self.samples.append(self.trainer.step(share))
                self._tick()
                if len(self.samples) == loop.log_steps:
                    self._log(share)
                if time.monotonic() - self.saved > loop.save_s:
                    self._save()
            complete = self._share() >= 1
            self._save()
            self._evaluate()
        return Result(complete, stop.number, progress, self.out / WEIGHTS)

    def _share(self) -> float:
        return self.budget.share(self.trainer.progress, time.time())

    def _is_late(self) -> bool:
        return self.budget.until is not None and time.time() >= self.budget.until

    def _tick(self) -> None:
        now = time.monotonic()
        self.trainer.progress.spend(now - self.clock)
        self.clock = now

    def _save(self) -> None:
        save_state(self.trainer.state_dict() | {"end": self.budget.end}, self.out, self.pieces)
        save_weights(self.out / WEIGHTS, self.trainer.weights(), self.trainer.recipe.name)
        self.saved = time.monotonic()

    def _log(self, share: float) -> None:
        """The task's summary of the samples since the last line."""
        trainer, progress = self.trainer, self.trainer.progress
        summary = trainer.task.summary(trainer.recipe.architecture, torch.cat(self.samples, 1).cpu())
        self.samples.clear()
        pixels, seconds = progress.pixels - self.logged[0], progress.seconds - self.logged[1]
        self.logged = (progress.pixels, progress.seconds)
        course = {
            "share": share,
            "rate_factor": rate_factor(progress.step - 1, share, trainer.recipe.optimiser),
            "megapixels_per_s": round(pixels / max(1e-9, seconds) / 1e6, 3),
        }
        self.write({"event": "train"} | asdict(progress) | course | summary)

    def _evaluate(self) -> None:
        """A look at the run, whose time is none of training."""
        self._tick()
        points = self.trainer.task.evaluate(self.trainer.ema, self.crops, self.trainer.device)
        progress = self.trainer.progress
        facts = {"event": "evaluate", "step": progress.step, "pixels": progress.pixels, "seconds": progress.seconds}
        self.write(facts | {"points": [asdict(point) for point in points]})
        try:
            plot_run(self.out)
        except ModuleNotFoundError:  # matplotlib is an extra
            self.write(_note("no curve.svg: matplotlib is not installed"))
        self.clock = self.evaluated = time.monotonic()


def _note(text: str) -> dict[str, Any]:
    return {"event": "note", "text": text}
