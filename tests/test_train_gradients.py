"""The gradient of a step: clipped sample by sample, and shared among processes."""

from __future__ import annotations

import dataclasses
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
from ncodec.train.data import open_packs
from ncodec.train.gradients import Gradients, Part
from ncodec.train.loop import Budget, train
from ncodec.train.recipe import Recipe
from ncodec.train.trainer import Trainer
from train_tools import tiny_recipe, training_pictures

CPU = torch.device("cpu")
FLOAT = torch.float32


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return training_pictures(tmp_path_factory.mktemp("pictures"))


def recipe_with(**optimiser: float) -> Recipe:
    recipe = tiny_recipe()
    return dataclasses.replace(recipe, optimiser=dataclasses.replace(recipe.optimiser, **optimiser))


def trainer_of(recipe: Recipe, pictures: Path, cache: Path) -> Trainer:
    pack, _ = open_packs(pictures, cache, lambda text: None)
    torch.manual_seed(0)
    return Trainer(recipe, pack, CPU)


def parts_of(count: int, size: int = 1) -> list[Part]:
    random = torch.Generator().manual_seed(3)
    clean = torch.rand(count * size, 3, 64, 64, generator=random).contiguous(memory_format=torch.channels_last)
    pieces = zip(clean.split(size), torch.zeros(count * size).split(size), strict=True)
    return [Part(c, c, sigma, seed, 1 / count) for seed, (c, sigma) in enumerate(pieces)]


def gradient(trainer: Trainer, parts: list[Part], clip_norm: float) -> torch.Tensor:
    gradients = Gradients(recipe_with(clip_norm=clip_norm), trainer.network, trainer.network, FLOAT)
    total = [torch.zeros_like(parameter) for parameter in gradients.parameters]
    assert gradients.add(parts, total).skipped == 0
    return torch.cat([tensor.flatten() for tensor in total])


def test_every_sample_is_clipped_on_its_own(pictures: Path, tmp_path: Path) -> None:
    trainer = trainer_of(tiny_recipe(), pictures, tmp_path)
    parts = parts_of(3)
    alone = [gradient(trainer, [dataclasses.replace(part, share=1.0)], 1e9) for part in parts]
    norms = torch.stack([one.norm() for one in alone])
    limit = norms.median().item()  # one is louder, one is not
    expected = sum(one * min(1.0, limit / norm.item()) / 3 for one, norm in zip(alone, norms, strict=True))
    torch.testing.assert_close(gradient(trainer, parts, limit), expected, rtol=1e-3, atol=1e-5)
    assert norms.max() > 1.01 * limit


def test_a_sample_without_a_finite_gradient_is_left_out(pictures: Path, tmp_path: Path) -> None:
    trainer = trainer_of(tiny_recipe(), pictures, tmp_path)
    good, bad = parts_of(2)
    bad.noisy[0, 0, 0, 0] = float("nan")
    gradients = Gradients(tiny_recipe(), trainer.network, trainer.network, FLOAT)
    total = [torch.zeros_like(parameter) for parameter in gradients.parameters]
    assert gradients.add([bad], total).skipped == 1
    assert all((tensor == 0).all() for tensor in total)
    assert gradients.add([good, bad], total).skipped == 1
    assert all(tensor.isfinite().all() for tensor in total)
    assert any(tensor.any() for tensor in total)


def test_a_step_does_not_depend_on_what_was_drawn_before(pictures: Path, tmp_path: Path) -> None:
    found = []
    for seed in (1, 2):
        trainer = trainer_of(tiny_recipe(), pictures, tmp_path)
        torch.manual_seed(seed)
        trainer.step(0.0)
        found.append(torch.cat([p.detach().flatten() for p in trainer.network.parameters()]))
    torch.testing.assert_close(*found, rtol=0, atol=0)


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
    """Neither after Ctrl-C, which reaches all of them, nor after kill -9 of the first."""
    (tmp_path / "tiny.py").write_text(
        "import sys\nfrom pathlib import Path\nfrom ncodec.train.loop import Budget, train\n"
        "from train_tools import tiny_recipe\nif __name__ == '__main__':\n"
        "    report = lambda line: print(line['event'], flush=True)\n"
        "    budget = Budget(steps=100000)\n"
        "    train(tiny_recipe(), Path(sys.argv[1]), Path(sys.argv[2]), budget=budget, device='cpu',\n"
        "          processes=2, report=report)\n"
    )
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    for i, number in enumerate((signal.SIGINT, signal.SIGKILL)):
        command = [sys.executable, tmp_path / "tiny.py", pictures, tmp_path / str(i)]
        run = subprocess.Popen(
            command, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert run.stdout is not None
        while "train" not in (line := run.stdout.readline()):
            assert line, "the run ended early"
        if number == signal.SIGINT:
            os.killpg(run.pid, number)
        else:
            run.kill()
        run.communicate(timeout=60)
        assert run.returncode == (0 if number == signal.SIGINT else -number)
        assert _group_ends(run.pid), "a process is left"


def _group_ends(group: int) -> bool:
    for _ in range(300):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    os.killpg(group, signal.SIGKILL)
    return False
