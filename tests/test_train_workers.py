"""Processes that share a step: they find one's gradient, and go when it goes."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import torch

from ncodec.errors import NcodecError, RequestError
from ncodec.train import loop
from ncodec.train.checkpoint import load_state
from ncodec.train.data import open_packs
from ncodec.train.loop import Budget, train
from ncodec.train.signals import stopped_by_signals
from ncodec.train.trainer import Trainer
from train_tools import parts_of, recipe_with, tiny_recipe, trainer_of

CPU = torch.device("cpu")


def test_processes_share_a_gradient(pictures: Path, tmp_path: Path) -> None:
    """Two of them find that of one."""
    parts = parts_of(5)
    alone = trainer_of(tiny_recipe(), pictures, tmp_path)
    expected = [torch.zeros_like(parameter) for parameter in alone.gradients.parameters]
    samples = alone.gradients.add(parts, expected).samples
    pack, _ = open_packs(pictures, tmp_path, lambda text: None)
    with closing(Trainer(tiny_recipe(), pack, CPU, alone.weights(), processes=2)) as trainer:
        assert trainer.workers is not None
        for _ in range(2):  # the second sum begins at zero, too
            total = [torch.zeros_like(tensor) for tensor in expected]
            trainer.workers.start([parts[1::2]])
            outcomes = [trainer.gradients.add(parts[::2], total), *trainer.workers.finish(total)]
            for found, wanted in zip(total, expected, strict=True):
                torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-5)
            found = torch.cat([outcome.samples for outcome in outcomes], 1)
            torch.testing.assert_close(found, torch.cat([samples[:, ::2], samples[:, 1::2]], 1))


def test_a_run_goes_on_with_another_number_of_processes(pictures: Path, tmp_path: Path) -> None:
    for steps, processes in ((2, 1), (4, 2), (5, 1)):
        budget = Budget(steps=steps)
        result = train(tiny_recipe(), pictures, tmp_path, budget=budget, device="cpu", processes=processes)
        assert (result.progress.step, result.progress.skipped) == (steps, 0)


def test_processes_are_as_many_as_can_share_a_step(pictures: Path, tmp_path: Path, monkeypatch) -> None:
    """The threads that there are, but no more than gradients in a step."""
    made: list[int] = []
    monkeypatch.setattr(loop, "Trainer", lambda *arguments: made.append(arguments[-1]) or trainer)
    trainer = trainer_of(tiny_recipe(), pictures, tmp_path)
    before = torch.get_num_threads()
    for threads, clip_batch in ((1, 1), (3, 1), (99, 3), (3, 8)):
        torch.set_num_threads(threads)
        recipe, budget = recipe_with(clip_batch=clip_batch), Budget(steps=1)
        train(recipe, pictures, tmp_path / "run", budget=budget, cache=tmp_path, device="cpu", processes=None)
        torch.set_num_threads(before)
        shutil.rmtree(tmp_path / "run")
    assert made == [1, 3, 3, 1]


def test_processes_are_for_a_cpu(pictures: Path, tmp_path: Path) -> None:
    pack, _ = open_packs(pictures, tmp_path, lambda text: None)
    with pytest.raises(RequestError, match="on a CPU, not on meta"):
        Trainer(tiny_recipe(), pack, torch.device("meta"), processes=2)


def test_a_process_that_dies_ends_the_run_in_one_sentence(pictures: Path, tmp_path: Path) -> None:
    pack, _ = open_packs(pictures, tmp_path, lambda text: None)
    trainer = Trainer(tiny_recipe(), pack, CPU, processes=2)
    trainer.step(0.0)
    assert trainer.workers is not None
    (process,) = trainer.workers.processes
    process.kill()
    process.join()
    with pytest.raises(NcodecError, match="has ended"):
        trainer.step(0.0)
    trainer.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="process groups are those of Unix")
def test_no_process_outlives_its_run(pictures: Path, tmp_path: Path) -> None:
    """Neither after Ctrl-C and SIGTERM, which reach all of them here, nor after kill -9 of the first."""
    (tmp_path / "tiny.py").write_text(
        "import signal, sys\nfrom pathlib import Path\nfrom ncodec.train.loop import Budget, train\n"
        "from train_tools import tiny_recipe\nif __name__ == '__main__':\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)  # the tests may run where it is ignored\n"
        "    report = lambda line: print(line['event'], flush=True)\n"
        "    budget = Budget(steps=100000)\n"
        "    train(tiny_recipe(), Path(sys.argv[1]), Path(sys.argv[2]), budget=budget, device='cpu',\n"
        "          processes=2, report=report)\n"
    )
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    for i, number in enumerate((signal.SIGINT, signal.SIGTERM, signal.SIGKILL)):
        command, out = [sys.executable, tmp_path / "tiny.py", pictures], tmp_path / str(i)
        run = subprocess.Popen(
            [*command, out], env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE, text=True,
            start_new_session=True, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert run.stdout is not None
        while "train" not in (line := run.stdout.readline()):
            assert line, "the run ended early"
        if number == signal.SIGKILL:
            run.kill()
        else:
            os.killpg(run.pid, number)
        _, said = run.communicate(timeout=60)
        assert run.returncode == (-number if number == signal.SIGKILL else 0), said
        assert (load_state(out) is not None) == (number != signal.SIGKILL)
        assert "Traceback" not in said
        assert _group_ends(run.pid), "a process is left"


def test_signals_reach_no_worker_that_begins(pictures: Path, tmp_path: Path) -> None:
    """Ctrl-C while a worker still imports torch: it neither ends by it nor tells of it."""
    pack, _ = open_packs(pictures, tmp_path, lambda text: None)
    with closing(Trainer(tiny_recipe(), pack, CPU, processes=2)) as trainer:
        assert trainer.workers is not None
        (process,) = trainer.workers.processes
        assert process.pid is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(process.pid, number)
        trainer.step(0.0)
        assert process.is_alive()
    assert process.exitcode == 0


def test_a_trainer_that_is_dropped_leaves_no_process(pictures: Path, tmp_path: Path) -> None:
    pack, _ = open_packs(pictures, tmp_path, lambda text: None)
    trainer = Trainer(tiny_recipe(), pack, CPU, processes=2)
    assert trainer.workers is not None
    (process,) = trainer.workers.processes
    del trainer
    gc.collect()
    process.join(60)
    assert process.exitcode == 0


def test_without_shared_memory_there_is_one_process_or_a_sentence(pictures: Path, tmp_path: Path, monkeypatch) -> None:
    def fail(tensor: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1_2>: No space left on device (28)")

    monkeypatch.setattr(torch.Tensor, "share_memory_", fail)
    pack, _ = open_packs(pictures, tmp_path, lambda text: None)
    with pytest.raises(NcodecError, match="--threads 1 does without"):
        Trainer(tiny_recipe(), pack, CPU, processes=2)
    Trainer(tiny_recipe(), pack, CPU).step(0.0)


def test_signals_that_were_ignored_stay_so() -> None:
    """A run in the background of a script has Ctrl-C ignored, and that is meant."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stopped_by_signals() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert not stop.is_set()
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop.is_set()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def _group_ends(group: int) -> bool:
    for _ in range(300):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    os.killpg(group, signal.SIGKILL)
    return False
